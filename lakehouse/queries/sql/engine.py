"""One query, one engine: a fresh in-memory DuckDB that can read the listed files and nothing else.

Nothing is kept from one query to the next, so nothing can leak from one to another.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.names import ProductName
from lakehouse.queries.sql.asof_shape import SIDES
from lakehouse.queries.sql.decoded import LazyTable, Needed, select
from lakehouse.queries.sql.failures import translated
from lakehouse.queries.sql.spares import spares
from lakehouse.queries.sql.views import identifier, literal, view_statements

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from lakehouse.queries.sql.asof import MatchedRows
    from lakehouse.queries.sql.choice import Source

DEFAULT_MEMORY_LIMIT = "50%"
DEFAULT_BATCH_ROWS = 122_880


class Engine:
    """A DuckDB instance for one query."""

    def __init__(self, *, memory_limit: str = DEFAULT_MEMORY_LIMIT) -> None:
        folder = Path(tempfile.mkdtemp(prefix="lakehouse-sql-"))
        self._held = ExitStack()
        self.tables: list[LazyTable] = []
        with translated({}):
            self.connection = spares().take()
            self._finish = weakref.finalize(
                self, _end, os.getpid(), self.connection, self._held, self.tables, folder
            )
            self._run(f"SET GLOBAL temp_directory = {literal(str(folder))}")
            self._run(f"SET GLOBAL memory_limit = {literal(memory_limit)}")

    def load(self, sources: Sequence[Source], join: MatchedRows | None = None) -> Mapping[Path, ProductName]:
        """Make the views, lock the engine, and return its files with the products to which they belong."""
        read = [*sources, *((join.left, join.right) if join else ())]
        self._states = tuple(source.view.state for source in read)  # in use, so held, while it can run
        listed = [(source, source.view.paths(self._held)) for source in sources if not source.decoded]
        files = {path: source.view.state.name for source, paths in listed for path in paths}
        with translated(files):
            self._run(f"SET GLOBAL allowed_paths = [{', '.join(literal(str(path)) for path in files)}]")
            self._run("SET GLOBAL enable_external_access = false")
            statements = [each for source, paths in listed for each in self._listed(source, paths)]
            statements += [each for source in sources if source.decoded for each in self._decoded(source)]
            statements += [] if join is None else self._matched(join)
            self._run("; ".join([*statements, "SET GLOBAL lock_configuration = true"]))
        return files

    def run(self, text: str, bound: Mapping[str, Any]) -> duckdb.DuckDBPyRelation:
        """Start a query, on a cursor of its own: an open stream owns its connection.

        Raises:
            IntegrityError: a data file that is decoded ahead is missing or altered.
        """
        for table in self.tables:
            table.load()
        return self.bind(text, bound)

    def bind(self, text: str, bound: Mapping[str, Any]) -> duckdb.DuckDBPyRelation:
        """Bind a query, which decodes nothing."""
        return self.connection.cursor().sql(text, params=dict(bound))

    def close(self) -> None:
        """Free the engine and its temporary folder, as happens anyway when it is no longer used."""
        self._finish()

    def show(self, table: LazyTable) -> str:
        """Make a table of ours visible to SQL, and return its name, quoted."""
        name = f"lakehouse:{len(self.tables)}"
        self.tables.append(table)
        self.connection.from_arrow(table).create_view(name)
        return f"main.{identifier(name)}"

    def _listed(self, source: Source, paths: Sequence[Path]) -> list[str]:
        query, unsealed = source.view.select(paths), source.unsealed
        if unsealed is not None:
            query = f"{query} UNION ALL {self._shown(source, unsealed)}"
        return view_statements(source.view.state.name, query)

    def _decoded(self, source: Source) -> list[str]:
        return view_statements(source.view.state.name, self._shown(source, source.needed))

    def _shown(self, source: Source, needed: Needed) -> str:
        shown = self.show(needed.lazy())
        return select(needed.state.schema, source.columns, shown, ranked=source.view.ranked)

    def _matched(self, join: MatchedRows) -> list[str]:
        sides = zip(SIDES, (join.left, join.right), join.tables(), strict=True)
        return [
            f"CREATE VIEW main.{identifier(name)} AS "
            f"{select(side.view.state.schema, side.columns, self.show(table))}"
            for name, side, table in sides
        ]

    def _run(self, statement: str) -> None:
        self.connection.execute(statement)


@dataclass(frozen=True, slots=True)
class SqlResult:
    """The answer to a query, not yet computed: `to_reader` and `read_all` run it, each time anew.

    The order of rows is that of ORDER BY; without one it is not defined. A name that occurs twice is
    numbered: `time`, `time_1`. Times are UTC: TIMESTAMP columns,
    which have no zone in SQL, come out labelled UTC. Accepted by polars, pyarrow and DuckDB through the Arrow
    C stream.
    """

    text: str
    """the SQL"""
    schema: pa.Schema
    """of the answer"""
    engine: Engine
    """the query's own"""
    bound: Mapping[str, Any]
    """parameters as DuckDB gets them"""
    files: Mapping[Path, ProductName]
    """the data files that it may read"""

    def to_reader(self, *, batch_rows: int = DEFAULT_BATCH_ROWS) -> pa.RecordBatchReader:
        """Run the query and stream its rows, in batches of at most `batch_rows`.

        Raises:
            QueryError: the query fails; it may do so in the middle of the stream.
        """
        import pyarrow as pa

        with translated(self.files):
            reader = self.engine.run(self.text, self.bound).to_arrow_reader(batch_rows)
        return pa.RecordBatchReader.from_batches(self.schema, self._batches(reader))

    def read_all(self) -> pa.Table:
        """Run the query and return all rows.

        Raises:
            QueryError: the query fails.
        """
        import pyarrow as pa

        with translated(self.files):
            table = self.engine.run(self.text, self.bound).to_arrow_table()
        return pa.Table.from_arrays(_columns(table, self.schema), schema=self.schema)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Give the rows to any library that speaks Arrow."""
        return self.to_reader().__arrow_c_stream__(requested_schema)

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        with translated(self.files):
            for batch in reader:
                yield pa.RecordBatch.from_arrays(_columns(batch, self.schema), schema=self.schema)


def prepare(
    engine: Engine, text: str, bound: Mapping[str, Any], files: Mapping[Path, ProductName]
) -> SqlResult:
    """Bind a query that the sandbox has passed; nothing is computed yet.

    Raises:
        QueryError: it names unknown columns, or mixes types that do not go together.
    """
    with translated(files):
        schema = _schema(engine, engine.bind(text, bound))
    return SqlResult(text, schema, engine, dict(bound), files)


def _labelled(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return pa.timestamp(kind.unit, tz="UTC")
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_labelled(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_labelled(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_labelled(kind.key_type), _labelled(kind.item_type))
    return kind


def _schema(engine: Engine, relation: duckdb.DuckDBPyRelation) -> pa.Schema:
    """Return the Arrow schema of a query without running it: LIMIT 0 would compute a materialized WITH."""
    import pyarrow as pa

    nulls = ", ".join(f"CAST(NULL AS {kind})" for kind in relation.types)
    fields = engine.connection.sql(f"SELECT {nulls} LIMIT 0").to_arrow_table().schema
    names = _distinct(relation.columns)
    return pa.schema(
        [pa.field(name, _labelled(field.type)) for name, field in zip(names, fields, strict=True)]
    )


def _distinct(names: Sequence[str]) -> list[str]:
    """Number the repetitions of a name as DuckDB does in a subquery."""
    found: list[str] = []
    for name in names:
        tries = (name if rank == 0 else f"{name}_{rank}" for rank in range(len(names) + 1))
        found.append(next(each for each in tries if each not in found))
    return found


def _columns(rows: pa.Table | pa.RecordBatch, schema: pa.Schema) -> list[Any]:
    """Return the columns in the types of the schema: only the label of times differs."""
    pairs = zip(rows.columns, schema.types, strict=True)
    return [column if column.type == kind else column.cast(kind) for column, kind in pairs]


def _end(
    process: int,
    connection: duckdb.DuckDBPyConnection,
    held: ExitStack,
    tables: Sequence[LazyTable],
    folder: Path,
) -> None:
    """Free what an engine held; what it spilled is gone when this returns."""
    if os.getpid() != process:  # a forked child ends: the engine, its folder and its leases are the parent's
        return
    for table in tables:
        table.forget()
    if not folder.is_dir() or any(folder.iterdir()):
        connection.close()
    else:
        spares().give_back(connection)
    shutil.rmtree(folder, ignore_errors=True)
    held.close()
