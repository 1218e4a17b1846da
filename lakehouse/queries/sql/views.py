"""A product as a view over exactly the files that a query can need.

The view shows the columns of the schema, in order, in the types of SQL: nanoseconds as TIMESTAMP_NS,
microseconds as TIMESTAMP in UTC, columns that a file does not have as nulls. The stored sequence, the
rank of a row among those of equal symbol and time, is shown only to a query that names `_sequence`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import IntegrityError, NotFoundError
from lakehouse.names import ProductName
from lakehouse.partitions.footers import local_file
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.queries.sql.bounds import ANY, Bounds
from lakehouse.schema import SEQUENCE, Column
from lakehouse.times import MAX_NS, MIN_NS, NS_PER_DAY, Interval

_SQL_TYPES: Mapping[str, str] = {
    "bool": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp[us]": "TIMESTAMP",
    "timestamp[ns]": "TIMESTAMP_NS",
}
_MOST_SYMBOLS_LISTED = 100


@dataclass(frozen=True, slots=True)
class View:
    """One product of one query."""

    state: TableState
    """its version"""
    bounds: Bounds | None
    """what the query needs of it; None: no row"""
    files: Sequence[DataFile]
    """the files that can hold it"""
    ranked: bool = False
    """whether the stored sequence is a column"""

    @classmethod
    def of(cls, state: TableState, bounds: Bounds | None, *, ranked: bool = False) -> View:
        """Choose the files of a version that admit a row within `bounds`."""
        if bounds is None or bounds.empty:
            return cls(state, None, (), ranked)
        if bounds == ANY:
            return cls(state, bounds, state.files, ranked)
        interval = Interval(bounds.first, bounds.last + 1)
        symbols = None if bounds.symbols is None else sorted(bounds.symbols)
        return cls(state, bounds, state.select(symbols, interval), ranked)

    def paths(self, held: ExitStack | None) -> list[Path]:
        """Return the local files, in order; copies of a bucket's stay until `held` is closed, or are evicted.

        Raises:
            IntegrityError: one is missing, or what a bucket gives is altered.
        """
        store = self.state.store
        if held is not None:
            return [held.enter_context(local_file(store, file)) for file in self.files]
        try:
            return [store.local_path(file.path, sha256=file.sha256) for file in self.files]
        except NotFoundError as error:
            raise IntegrityError(f"A data file of {self.state.name} is missing: {error.message}") from error

    def statements(self, paths: Sequence[Path]) -> list[str]:
        """Return the SQL that makes the view over these local files."""
        return view_statements(self.state.name, self.select(paths))

    def select(self, paths: Sequence[Path]) -> str:
        """Return the query of the view.

        The statistics of Parquet leave NaN out. Unless DuckDB is told, it takes a column with bounds for one
        without NaN: `isnan(price)` is then false, `NOT isnan(price)` true, and `max(price)` a number.
        """
        groups: dict[tuple[str, ...], list[Path]] = {}
        for file, path in zip(self.files, paths, strict=True):
            groups.setdefault(file.columns, []).append(path)
        if not groups:
            return f"{self._columns(())} WHERE false"
        condition = "".join(f" WHERE {each}" for each in (" AND ".join(self.predicates()),) if each)
        return " UNION ALL ".join(
            f"{self._columns(present)} FROM read_parquet([{', '.join(map(_path, group))}],"
            f" hive_partitioning = false, union_by_name = false, can_have_nan = true){condition}"
            for present, group in groups.items()
        )

    def predicates(self) -> tuple[str, ...]:
        """Return the conditions on the stored columns, by which DuckDB skips row groups and pages."""
        bounds, schema = self.bounds or ANY, self.state.schema
        found = (
            []
            if bounds.symbols is None or schema.symbol is None
            else _symbol_predicate(schema.symbol, bounds.symbols)
        )
        if schema.time is not None and bounds.first > MIN_NS:
            found.append(f"{identifier(schema.time)} >= {_instant(schema[schema.time], bounds.first)}")
        if schema.time is not None and bounds.last < MAX_NS:
            found.append(f"{identifier(schema.time)} <= {_instant(schema[schema.time], bounds.last)}")
        return tuple(found)

    def _columns(self, present: Sequence[str]) -> str:
        schema = self.state.schema
        columns = [_column(column, present=column.name in present) for column in schema.columns]
        if self.ranked:
            columns.append(SEQUENCE if schema.has_sequence and present else f"0::INTEGER AS {SEQUENCE}")
        return f"SELECT {', '.join(columns)}"


def identifier(name: str) -> str:
    """Quote a name for SQL.

    Examples:
        >>> identifier('a"b')
        '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a string for SQL.

    Examples:
        >>> literal("it's")
        "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def view_statements(name: ProductName, query: str) -> list[str]:
    """Return the SQL that makes the schema and the view of a product."""
    return [
        f"CREATE SCHEMA IF NOT EXISTS {identifier(name.domain)}",
        f"CREATE VIEW {identifier(name.domain)}.{identifier(name.product)} AS {query}",
    ]


def null_column(column: Column) -> str:
    """Return a column of nulls in the SQL type of a column."""
    return f"CAST(NULL AS {_SQL_TYPES[column.type]}) AS {identifier(column.name)}"


def _column(column: Column, *, present: bool) -> str:
    name = identifier(column.name)
    if not present:
        return null_column(column)
    if column.type == "timestamp[ns]":
        return f"make_timestamp_ns({name}) AS {name}"
    if column.type == "timestamp[us]":
        return f"CAST({name} AS TIMESTAMP) AS {name}"  # the zone of the session is UTC
    return name


def _path(path: Path) -> str:
    return literal(str(path))


def _symbol_predicate(column: str, symbols: frozenset[str]) -> list[str]:
    ordered = sorted(symbols)
    if len(ordered) <= _MOST_SYMBOLS_LISTED:
        return [f"{identifier(column)} IN ({', '.join(map(literal, ordered))})"]
    return [f"{identifier(column)} BETWEEN {literal(ordered[0])} AND {literal(ordered[-1])}"]


def _instant(column: Column, nanoseconds: int) -> str:
    """Write an instant as a stored value of the column, rounded down: stored values are whole."""
    if column.type == "timestamp[ns]":
        return str(nanoseconds)
    if column.type == "timestamp[us]":
        return f"make_timestamptz({nanoseconds // 1000})"
    return f"(DATE '1970-01-01' + {nanoseconds // NS_PER_DAY})"
