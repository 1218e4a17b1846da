"""Columns and their types: the one table that ties a contract, Arrow, Delta and Parquet together.

A time of type `timestamp[ns]` is stored as INT64 nanoseconds, because Delta has no nanoseconds and its
writers cut them to microseconds; our readers give it back as `timestamp[ns, UTC]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.errors import ContractError
from lakehouse.times import NS_PER_DAY

if TYPE_CHECKING:
    import pyarrow as pa

SEQUENCE = "_sequence"
"""Stored column: the rank of a row among the rows of equal symbol and time, in order of arrival."""

RAW_PREFIX = "_raw_"
"""A source keeps the text of cells that do not fit their type in columns that start so; never stored."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """One row of the type table."""

    name: str
    """the name used in contracts"""
    arrow: str
    """the Arrow type that readers get, in pyarrow's spelling"""
    stored: str
    """the Arrow type that is written to Parquet"""
    delta: str
    """the type named in the Delta log"""
    logical: str
    """the `logicalType` of the Open Data Contract Standard"""


TYPES: Mapping[str, ColumnType] = {
    row.name: row
    for row in (
        ColumnType("bool", "bool", "bool", "boolean", "boolean"),
        ColumnType("int8", "int8", "int8", "byte", "integer"),
        ColumnType("int16", "int16", "int16", "short", "integer"),
        ColumnType("int32", "int32", "int32", "integer", "integer"),
        ColumnType("int64", "int64", "int64", "long", "integer"),
        ColumnType("float32", "float32", "float32", "float", "number"),
        ColumnType("float64", "float64", "float64", "double", "number"),
        ColumnType("string", "string", "string", "string", "string"),
        ColumnType("date", "date32", "date32", "date", "date"),
        ColumnType("timestamp[us]", "timestamp[us, UTC]", "timestamp[us, UTC]", "timestamp", "timestamp"),
        ColumnType("timestamp[ns]", "timestamp[ns, UTC]", "int64", "long", "timestamp"),
    )
}

UNIT_NS: Mapping[str, int] = {"timestamp[ns]": 1, "timestamp[us]": 1_000, "date": NS_PER_DAY}
"""length in nanoseconds of one unit of each type of time, as it is stored"""
TIME_TYPES = ("timestamp[ns]", "timestamp[us]", "date")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a data product."""

    name: str
    """as in frames and SQL"""
    type: str
    """a name in `TYPES`"""
    nullable: bool = True
    """whether null is legal"""
    unit: str | None = None
    """unit of measure, such as 'USD per share'"""
    description: str = ""
    """one sentence for the reader of the catalog"""


@dataclass(frozen=True, slots=True)
class TableSchema:
    """The columns of a table and the roles that some of them play."""

    columns: tuple[Column, ...]
    """in the order in which readers get them"""
    symbol: str | None = None
    """the column that holds the symbol; None for a table without one"""
    time: str | None = None
    """the column that orders the rows of a symbol; None for a table without one"""
    key: tuple[str, ...] = ()
    """columns whose values together are unique; empty where rows may repeat"""

    def __post_init__(self) -> None:
        """Check that the roles name columns that can play them."""
        check_schema(self)

    def __getitem__(self, name: str) -> Column:
        """Return the column called `name`."""
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def has_sequence(self) -> bool:
        """Whether rows of equal symbol and time are possible, so that their order must be stored."""
        return not self.key or not set(self.key) <= {self.symbol, self.time}

    @property
    def sort_columns(self) -> tuple[str, ...]:
        """The columns that give `read` its total order."""
        roles = tuple(name for name in (self.symbol, self.time) if name is not None)
        return (*roles, SEQUENCE) if self.has_sequence else roles


def check_schema(schema: TableSchema) -> None:
    """Raise unless names are unique, types are known, and the roles fit.

    Raises:
        ContractError: with the column and the choices.
    """
    names = [column.name for column in schema.columns]
    if not names:
        raise ContractError("A product needs at least one column.")
    for column in schema.columns:
        if not column.name or names.count(column.name) > 1:
            raise ContractError(f"Column names must be unique and not empty; got {names}.")
        if column.name.startswith("_"):
            raise ContractError(
                f"Column {column.name!r}: names that start with '_' are kept for the lake itself."
            )
        if column.type not in TYPES:
            raise ContractError(
                f"Column {column.name!r} has the unknown type {column.type!r}.",
                hint=f"Use one of {', '.join(TYPES)}.",
            )
    folded = [name.casefold() for name in names]
    if len(set(folded)) < len(folded):
        raise ContractError(f"Column names must differ by more than case, for SQL; got {names}.")
    _check_role(schema, "symbol", schema.symbol, ("string",))
    _check_role(schema, "time", schema.time, TIME_TYPES)
    for name in schema.key:
        _check_role(schema, "key", name, tuple(TYPES))


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type in which readers get a column of this type."""
    return _to_arrow(TYPES[name].arrow)


def stored_type(name: str) -> pa.DataType:
    """Return the Arrow type in which a column of this type is written to Parquet."""
    return _to_arrow(TYPES[name].stored)


def arrow_schema(schema: TableSchema, columns: tuple[str, ...] | None = None) -> pa.Schema:
    """Return the Arrow schema that readers of `columns` get."""
    import pyarrow as pa

    names = schema.names if columns is None else columns
    return pa.schema([pa.field(name, arrow_type(schema[name].type), schema[name].nullable) for name in names])


def row_schema(schema: TableSchema) -> pa.Schema:
    """Return the Arrow schema of rows on their way into data files: every column, in its stored type."""
    import pyarrow as pa

    return pa.schema(
        [pa.field(column.name, stored_type(column.type), column.nullable) for column in schema.columns]
    )


def stored_schema(schema: TableSchema) -> pa.Schema:
    """Return the Arrow schema of the data files: every column, and the sequence where there is one."""
    import pyarrow as pa

    rows = row_schema(schema)
    return rows.append(pa.field(SEQUENCE, pa.int32(), nullable=False)) if schema.has_sequence else rows


def _check_role(schema: TableSchema, role: str, name: str | None, types: tuple[str, ...]) -> None:
    if name is None:
        return
    if name not in schema.names:
        raise ContractError(
            f"The {role} column {name!r} is not a column; the columns are {', '.join(schema.names)}."
        )
    column = schema[name]
    if column.type not in types:
        raise ContractError(
            f"The {role} column {name!r} is {column.type}, but must be one of {', '.join(types)}."
        )
    if column.nullable:
        raise ContractError(f"The {role} column {name!r} must not be nullable.")


def _to_arrow(spelling: str) -> pa.DataType:
    import pyarrow as pa

    if spelling.startswith("timestamp["):
        return pa.timestamp(spelling[10:12], tz="UTC")
    return pa.type_for_alias(spelling)
