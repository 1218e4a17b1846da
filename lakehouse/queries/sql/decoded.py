"""A product as an Arrow table of the rows that a query can need, decoded by us and scanned by DuckDB.

The rows are those of the chosen pieces; the query's own conditions pick among them, as they do with the view
over Parquet files, and the types are the same. Columns that the query does not name are null. Nothing is
decoded before the query runs; then what was decoded stays for its next run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lakehouse.partitions.arrays import dictionary_array, text_array
from lakehouse.partitions.reading import Decoded, find_rows
from lakehouse.partitions.selection import Integers, Selection
from lakehouse.queries.sql.views import identifier, null_column
from lakehouse.schema import SEQUENCE, TableSchema, arrow_type
from lakehouse.times import Interval

if TYPE_CHECKING:
    import pyarrow as pa

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
        """Let go of the rows and of their version: the instance that knows this may be closed much later."""
        self._made, self._make = None, _ended

    def __arrow_c_schema__(self) -> object:
        """Give the schema."""
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the rows, in batches that several threads can take."""
        return self.load().to_reader(_BATCH_ROWS).__arrow_c_stream__(requested_schema)


@dataclass(frozen=True, slots=True)
class Needed:
    """What a query needs of one product."""

    state: TableState
    """its version"""
    columns: tuple[str, ...]
    """that the query can use, in the order of the schema"""
    selections: Sequence[Selection]
    """the pieces that can matter"""
    interval: Interval
    """in which rows can matter"""
    ranked: bool = False
    """whether the stored sequence is a column"""

    @property
    def schema(self) -> pa.Schema:
        """The types of the columns as DuckDB takes them: no zone, and the symbol as a dictionary."""
        import pyarrow as pa

        of = self.state.schema
        names = self.columns or of.names[:1]  # rows are counted by a column, if by any
        kinds = {name: _sql_type(of[name].type, symbol=name == of.symbol) for name in names}
        return pa.schema(kinds | ({SEQUENCE: pa.int32()} if self.ranked else {}))

    def find(self, *extra: str) -> Decoded:
        """Decode the rows, in the order (symbol, time, arrival).

        Args:
            extra: columns that are needed besides.

        Raises:
            IntegrityError: a data file is missing or altered.
        """
        return find_rows(self.state, self.selections, self.interval, [*self.schema.names, *extra])

    def table(
        self,
        rows: Decoded,
        positions: Integers | None = None,
        codes: npt.NDArray[np.int32] | None = None,
    ) -> pa.Table:
        """Return the rows at some positions, nulls at -1; None for all.

        Args:
            rows: of this product.
            positions: (n,) rising for each symbol.
            codes: (n,) the symbol at each position, where it is known; anything at -1.
        """
        import pyarrow as pa

        if positions is None:
            columns = [_column(self.state, rows, field) for field in self.schema]
            return pa.Table.from_arrays(columns, schema=self.schema)
        taken = _nullable(positions)
        columns = [
            _symbols(rows, codes, taken)
            if codes is not None and field.name == self.state.schema.symbol
            else _column(self.state, rows, field).take(taken)
            for field in self.schema
        ]
        return pa.Table.from_arrays(columns, schema=self.schema)

    def lazy(self) -> LazyTable:
        """Return the rows, decoded when the query runs."""
        return LazyTable(self.schema, lambda: self.table(self.find()))


def select(schema: TableSchema, columns: Sequence[str], source: str, *, ranked: bool = False) -> str:
    """Return the query of a view over decoded rows: every column of the product, null where not needed."""
    shown = [
        identifier(column.name) if column.name in columns else null_column(column)
        for column in schema.columns
    ]
    return f"SELECT {', '.join([*shown, SEQUENCE] if ranked else shown)} FROM {source}"


def _ended() -> pa.Table:
    raise RuntimeError("the query has ended")


def _column(state: TableState, rows: Decoded, field: pa.Field) -> pa.ChunkedArray:
    import pyarrow as pa

    if field.name == state.schema.symbol:
        codes = np.repeat(rows.spans.rank.astype(np.int32), rows.spans.length)
        return pa.chunked_array([dictionary_array(codes, rows.symbols)])
    if field.name == SEQUENCE and not state.schema.has_sequence:
        zeros = np.zeros(int(rows.spans.length.sum()), np.int32)
        return pa.chunked_array([pa.Array.from_buffers(field.type, len(zeros), [None, pa.py_buffer(zeros)])])
    return _as_sql(rows.column(field.name), field.type)


def _symbols(rows: Decoded, codes: npt.NDArray[np.int32], positions: pa.Array) -> pa.Array:
    """Return symbols by their codes, null where a position is."""
    import pyarrow as pa

    data = [positions.buffers()[0], pa.py_buffer(codes)]
    indices = pa.Array.from_buffers(pa.int32(), len(codes), data)
    return pa.DictionaryArray.from_arrays(indices, text_array(rows.symbols))


def _nullable(positions: Integers) -> pa.Array:
    """Return positions as an Arrow array, null where they are negative."""
    import pyarrow as pa

    there = positions >= 0
    validity = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))
    return pa.Array.from_buffers(pa.int64(), len(positions), [validity, pa.py_buffer(positions)])


def _sql_type(name: str, *, symbol: bool) -> pa.DataType:
    """Return the Arrow type of a column without its zone: SQL has UTC throughout."""
    import pyarrow as pa

    if symbol:
        return pa.dictionary(pa.int32(), pa.string())
    return pa.timestamp(name[10:12]) if name.startswith("timestamp[") else arrow_type(name)


def _as_sql(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Give a stored column its SQL type; times are looked at differently, not copied."""
    import pyarrow as pa

    if column.type == kind:
        return column
    if pa.types.is_timestamp(kind):
        return pa.chunked_array([chunk.view(kind) for chunk in column.chunks], kind)
    return column.cast(kind)
