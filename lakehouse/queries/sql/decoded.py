"""A product as an Arrow table of the row groups that a query can need, decoded by us and scanned by DuckDB.

The rows are those of the chosen row groups, in the order of the files; the query's own conditions pick among
them, as they do with the view over Parquet files, and the types are the same. Columns that the query does not
name are null. Nothing is decoded before the query runs; then what was decoded stays for its next run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lakehouse.partitions.arrays import dictionary_array
from lakehouse.partitions.row_groups import read_groups
from lakehouse.partitions.threads import workers
from lakehouse.queries.sql.views import identifier, null_column
from lakehouse.schema import SEQUENCE, TableSchema, arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.partitions.selection import Integers, Selection
    from lakehouse.partitions.state import TableState

_BATCH_ROWS = 122_880


class LazyTable:
    """Rows that are made when the query runs; DuckDB asks for their schema alone before."""

    def __init__(self, schema: pa.Schema, make: Callable[[], pa.Table]) -> None:
        self.schema = schema
        self._make = make
        self._made: pa.Table | None = None
        self._lock = threading.Lock()

    def load(self) -> pa.Table:
        """Make the rows, once.

        Raises:
            IntegrityError: a data file is missing or altered.
        """
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def forget(self) -> None:
        """Let go of the rows."""
        self._made = None

    def __arrow_c_schema__(self) -> object:
        """Give the schema."""
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the rows, in batches that several threads can take."""
        return self.load().to_reader(_BATCH_ROWS).__arrow_c_stream__(requested_schema)


def lazy_rows(
    state: TableState, selections: Sequence[Selection], columns: Sequence[str], *, ranked: bool = False
) -> LazyTable:
    """Return the rows of some row groups, in the types of SQL.

    Args:
        state: the version.
        selections: what to decode.
        columns: that are needed, in the order of the schema.
        ranked: whether the stored sequence is a column too.
    """
    kept = columns or state.schema.names[:1]  # rows are counted by a column, if by any
    schema = sql_schema(state.schema, kept, ranked=ranked)
    return LazyTable(schema, lambda: decoded_rows(state, selections, schema))


def sql_schema(schema: TableSchema, columns: Sequence[str], *, ranked: bool = False) -> pa.Schema:
    """Return the types of some columns as DuckDB takes them: no zone, and the symbol as a dictionary."""
    import pyarrow as pa

    fields = [
        pa.field(column.name, _sql_type(column.type, symbol=column.name == schema.symbol))
        for column in schema.columns
        if column.name in columns
    ]
    return pa.schema([*fields, pa.field(SEQUENCE, pa.int32())] if ranked else fields)


def decoded_rows(state: TableState, selections: Sequence[Selection], schema: pa.Schema) -> pa.Table:
    """Decode the pieces of some selections, with the columns and types of `schema`.

    A piece that lies between others of its row groups brings them along.

    Raises:
        IntegrityError: a data file is missing or altered.
    """
    import pyarrow as pa

    names = tuple(sorted({symbol for each in selections for symbol in each.footer.symbols}))
    rank = {symbol: place for place, symbol in enumerate(names)}

    def one(selection: Selection) -> pa.Table:
        return _file_rows(state, selection, schema, names, rank)

    several = len(selections) > 1
    parts = list(workers().map(one, selections)) if several else [one(each) for each in selections]
    return pa.concat_tables(parts) if parts else schema.empty_table()


def select(schema: TableSchema, columns: Sequence[str], source: str, *, ranked: bool = False) -> str:
    """Return the query of a view over decoded rows: every column of the product, null where not needed."""
    shown = [
        identifier(column.name) if column.name in columns else null_column(column)
        for column in schema.columns
    ]
    return f"SELECT {', '.join([*shown, SEQUENCE] if ranked else shown)} FROM {source}"


def _file_rows(
    state: TableState, selection: Selection, schema: pa.Schema, names: Sequence[str], rank: dict[str, int]
) -> pa.Table:
    import pyarrow as pa

    footer, symbol = selection.footer, state.schema.symbol
    in_file = set(footer.metadata.schema.names)
    present = [name for name in schema.names if name in in_file and name != symbol]
    table = read_groups(state.store, selection, present)
    in_groups = np.zeros(len(footer.group_starts), np.bool_)
    in_groups[selection.groups] = True
    pieces = np.flatnonzero(in_groups[footer.group])
    columns = []
    for field in schema:
        if field.name == symbol:
            codes = np.array([rank[each] for each in footer.symbols], np.int32)[footer.code[pieces]]
            columns.append(pa.chunked_array([dictionary_array(np.repeat(codes, footer.rows[pieces]), names)]))
        elif field.name in in_file:
            columns.append(as_sql(table.column(field.name), field.type))
        else:
            columns.append(pa.chunked_array([_absent(field, table.num_rows)]))
    rows = pa.Table.from_arrays(columns, schema=schema)
    chosen = np.searchsorted(pieces, selection.pieces)
    return _cut(rows, footer.rows[pieces], int(chosen[0]), int(chosen[-1]))


def _sql_type(name: str, *, symbol: bool) -> pa.DataType:
    """Return the Arrow type of a column without its zone: SQL has UTC throughout."""
    import pyarrow as pa

    if symbol:
        return pa.dictionary(pa.int32(), pa.string())
    return pa.timestamp(name[10:12]) if name.startswith("timestamp[") else arrow_type(name)


def as_sql(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Give a stored column its SQL type; times are looked at differently, not copied."""
    import pyarrow as pa

    if column.type == kind:
        return column
    if pa.types.is_timestamp(kind):
        return pa.chunked_array([chunk.view(kind) for chunk in column.chunks], kind)
    return column.cast(kind)


def _absent(field: pa.Field, rows: int) -> pa.Array:
    """Return a column that a file does not have: null, or rank 0 where nothing was ranked."""
    import pyarrow as pa

    if field.name != SEQUENCE:
        return pa.nulls(rows, field.type)
    return pa.Array.from_buffers(field.type, rows, [None, pa.py_buffer(np.zeros(rows, np.int32))])


def _cut(table: pa.Table, lengths: Integers, first: int, last: int) -> pa.Table:
    """Drop the rows before the first and after the last chosen piece, which copies nothing."""
    start, end = int(lengths[:first].sum()), int(lengths[: last + 1].sum())
    return table.slice(start, end - start)
