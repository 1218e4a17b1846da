"""The last row of one symbol, from the map that living streams keep: microseconds, however long the tail is.

Where the map can not tell, the row is read as every other: of a product with a key, whose rows sealing may
still refuse; after a writer died; and where a stored row may be later.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.partitions.selection import select_pieces
from lakehouse.partitions.tail import LatestRow, latest_rows
from lakehouse.partitions.tail.folder import WATERMARK
from lakehouse.queries.result import Result
from lakehouse.queries.scan import check_columns
from lakehouse.schema import UNIT_NS, TableSchema, arrow_schema
from lakehouse.times import MIN_NS, Interval

if TYPE_CHECKING:
    from lakehouse.partitions.state import TableState
    from lakehouse.partitions.table import Table

_KEPT = 10_000
_OFFSETS = struct.Struct("<ii").pack
_FORMATS = {
    "bool": "<?",
    "int8": "<b",
    "int16": "<h",
    "int32": "<i",
    "int64": "<q",
    "float": "<f",
    "double": "<d",
    "date32[day]": "<i",
}


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a row of one schema is made into a result."""

    schema: TableSchema
    """of the version"""
    columns: Sequence[str] | None
    """that were asked for"""
    time: str
    """the column that orders rows"""
    unit_ns: int
    """of its stored values"""
    arrow: pa.Schema
    """of the result"""
    formats: tuple[tuple[str, pa.DataType, str | None], ...]
    """name, type and layout of each column; None for text"""


class LatestReader:
    """Finds the last row of a symbol of one product, and keeps what of it the versions say."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._version = -1
        self._bounds: dict[str, int] = {}
        self._plan: _Plan | None = None

    def find(
        self, symbol: str, columns: Sequence[str] | None, look: Callable[[], TableState]
    ) -> Result | None:
        """Return the row that `tail(1)` would; None where it has to.

        Args:
            symbol: one.
            columns: in the order wanted; None for all.
            look: returns the newest version.

        Raises:
            NotFoundError: a column does not exist.
            IntegrityError: a file is missing or altered.
        """
        rows = latest_rows(self._table.store, self._table.path, symbol)
        if not rows:
            return None
        state = look()  # after the look at the tail: what is sealed in between is in the version
        if state.schema.key or state.schema.time is None:
            return None
        plan = self._planned(state, columns, state.schema.time)
        row = self._newest(state, symbol, rows, plan)
        if row is None:
            return None
        arrays = [_one_value(kind, form, row.values.get(name)) for name, kind, form in plan.formats]
        table = pa.Table.from_arrays(arrays, schema=plan.arrow)
        return Result(table, symbol=state.schema.symbol, time=plan.time)

    def _newest(
        self, state: TableState, symbol: str, rows: Sequence[LatestRow], plan: _Plan
    ) -> LatestRow | None:
        """Return the last row of all writers; None where a stored one may be later."""
        marks = state.transactions
        if any(row.number <= marks.get(WATERMARK + row.writer, 0) for row in rows):
            return None
        newest = rows[0]
        for row in rows[1:]:
            if row.values[plan.time] >= newest.values[plan.time]:  # later writers rank behind earlier ones
                newest = row
        time = newest.values[plan.time] * plan.unit_ns
        return newest if time >= self._stored_bound(state, symbol) else None

    def _stored_bound(self, state: TableState, symbol: str) -> int:
        """Return an upper bound of the stored times of a symbol, in nanoseconds."""
        if state.version != self._version or len(self._bounds) > _KEPT:
            self._bounds, self._version = {}, state.version
        bound = self._bounds.get(symbol)
        if bound is None:
            chosen = select_pieces(state, [symbol], Interval())
            lasts = (int(each.footer.last[each.pieces].max()) for each in chosen)
            bound = self._bounds[symbol] = max(lasts, default=MIN_NS)
        return bound

    def _planned(self, state: TableState, columns: Sequence[str] | None, time: str) -> _Plan:
        known, schema = self._plan, state.schema
        columns = columns if columns is None or isinstance(columns, str) else tuple(columns)
        if known is None or known.schema is not schema or known.columns != columns:
            arrow = arrow_schema(schema, check_columns(state, columns))
            formats = tuple(
                (field.name, field.type, None if pa.types.is_string(field.type) else _format(field.type))
                for field in arrow
            )
            known = _Plan(schema, columns, time, UNIT_NS[schema[time].type], arrow, formats)
            self._plan = known
        return known


def _format(kind: pa.DataType) -> str:
    return _FORMATS.get(str(kind), "<q")


def _one_value(kind: pa.DataType, form: str | None, value: Any) -> pa.Array:
    """Return a value as an array, through buffers: `pa.array` of a list loads pandas."""
    if value is None:
        return pa.nulls(1, kind)
    if form is not None:
        return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(struct.pack(form, value))])
    text = value.encode()
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(_OFFSETS(0, len(text))), pa.py_buffer(text)])
