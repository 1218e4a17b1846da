"""From a table state to rows: choose the pieces, decode their row groups, put the rows in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.cached import cached_property
from lakehouse.partitions.arrays import dictionary_array, empty_table, integers
from lakehouse.partitions.blocks import Columns, Kept, cut_blocks, decode_blocks
from lakehouse.partitions.gathering import gather, symbol_text
from lakehouse.partitions.selection import Selection, select_pieces
from lakehouse.partitions.sorting import sort_order
from lakehouse.partitions.spans import Layout, Spans, cut, lay_out, limited, ordered
from lakehouse.partitions.state import TableState
from lakehouse.schema import SEQUENCE, UNIT_NS, TableSchema, arrow_schema
from lakehouse.times import Interval

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Decoded:
    """Decoded columns, and where in them the rows lie that were asked for."""

    symbols: tuple[str, ...]
    """sorted; the spans tell them by position"""
    spans: Spans
    """in the total order (symbol, time, sequence)"""
    columns: Columns
    """each column, as stored, in each block"""
    types: dict[str, pa.DataType]
    """of the columns, as stored"""

    @cached_property
    def places(self) -> Spans:
        """Where the rows lie, whatever their symbols: as few spans as there can be."""
        return self.spans.joined(across=True)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return the rows of one column, as stored."""
        return gather(self.columns[name], self.types[name], self.places)


def read_rows(
    state: TableState, symbols: Sequence[str] | None, interval: Interval, columns: Sequence[str] | None = None
) -> pa.Table:
    """Return rows in the total order (symbol, time, sequence), in the types that readers get.

    Args:
        state: the version to read.
        symbols: None for all; unknown ones have no rows.
        interval: half open, UTC.
        columns: in the order wanted; None for all of the schema.

    Raises:
        IntegrityError: a file is missing or altered.
    """
    return decode(state, select_pieces(state, symbols, interval), interval, columns)


def decode(
    state: TableState,
    selections: Sequence[Selection],
    interval: Interval,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Decode chosen pieces, cut them to the interval, and put the rows in order."""
    names = state.schema.names if columns is None else tuple(columns)
    return _for_readers(state.schema, find_rows(state, selections, interval, names), names)


def decode_ends(
    state: TableState, selections: Sequence[Selection], count: int, *, last: bool, columns: Sequence[str]
) -> pa.Table:
    """Decode chosen pieces, and return the first or the last `count` rows of each symbol among them."""
    found = find_rows(state, selections, Interval(), columns)
    kept = limited(found.spans, count, last=last)
    return _for_readers(state.schema, Decoded(found.symbols, kept, found.columns, found.types), columns)


def read_stored(
    state: TableState, selections: Sequence[Selection], interval: Interval | None = None
) -> pa.Table:
    """Return chosen rows as they are stored, with the sequence, in the total order; the symbol is encoded."""
    stored = state.stored
    if not selections:
        return empty_table(stored)
    found = find_rows(state, selections, interval or Interval(), stored.names)
    columns = []
    for field in stored:
        if field.name == state.schema.symbol:
            codes = np.repeat(found.spans.rank.astype(np.int32), found.spans.length)
            columns.append(dictionary_array(codes, found.symbols))
        else:
            columns.append(found.column(field.name))
    return pa.Table.from_arrays(columns, names=stored.names)


def to_reader_types(table: pa.Table, schema: TableSchema, names: Sequence[str]) -> pa.Table:
    """Give stored columns the types and the order that readers get; the symbol becomes plain strings."""
    target = arrow_schema(schema, tuple(names))
    columns = [_to_type(table.column(field.name), field.type) for field in target]
    return pa.Table.from_arrays(columns, schema=target)


def find_rows(
    state: TableState, selections: Sequence[Selection], interval: Interval, names: Sequence[str]
) -> Decoded:
    """Decode columns of chosen pieces, and find in them the rows of the interval in the total order.

    Args:
        state: the version to read.
        selections: of its files.
        interval: half open, UTC.
        names: columns wanted; more may be decoded. The symbol is known without.
    """
    schema = state.schema
    wanted = [field for field in state.stored if field.name in names and field.name != schema.symbol]
    if not selections:
        return Decoded((), _no_spans(), {field.name: [] for field in wanted}, _types(wanted))
    kept = Kept()
    blocks = cut_blocks(selections, wanted, kept)
    layout = lay_out(selections, blocks, interval)
    crossing = schema.time is not None and bool(layout.over.any())
    extra = {schema.time} if crossing or layout.mixed.any() else set()
    extra |= {SEQUENCE} if layout.mixed.any() else set()
    needed = wanted
    if extra:
        needed = [field for field in state.stored if field.name in extra or field in wanted]
    columns = decode_blocks(state.store, blocks, needed, kept)
    if crossing and schema.time is not None:
        times = [integers(array) for array in columns[schema.time]]
        unit = _nanoseconds(schema)
        cut(layout.spans, layout.over, times, -(-interval.start // unit), -(-interval.end // unit))
    spans = _sorted(schema, layout, columns) if layout.mixed.any() else layout.spans
    return Decoded(layout.symbols, spans.joined(), columns, _types(needed))


def _sorted(schema: TableSchema, layout: Layout, columns: Columns) -> Spans:
    """Merge the rows of symbols whose files overlap in time into the total order."""
    mixed = layout.mixed[layout.spans.rank] & (layout.spans.length > 0)
    spans = layout.spans.pick(mixed)
    codes = np.repeat(spans.rank.astype(np.int32), spans.length)

    def of(name: str) -> npt.NDArray[Any]:
        kind = columns[name][0].type
        return integers(gather(columns[name], kind, spans))

    times = of(schema.time) if schema.time else None
    order = sort_order(codes, times, of(SEQUENCE) if schema.has_sequence else None)
    merged = spans if order is None else ordered(spans, order)
    both = Spans.concatenate([layout.spans.pick(~mixed), merged])
    return both.pick(np.argsort(both.rank, kind="stable"))


def _for_readers(schema: TableSchema, found: Decoded, names: Sequence[str]) -> pa.Table:
    target = arrow_schema(schema, tuple(names))
    columns = [
        symbol_text(found.symbols, found.spans.rank.tolist(), found.spans.length.tolist())
        if field.name == schema.symbol
        else _to_type(found.column(field.name), field.type)
        for field in target
    ]
    return pa.Table.from_arrays(columns, schema=target)


def _to_type(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Give a stored column the type that readers get; integers become instants without a copy."""
    if pa.types.is_timestamp(kind) and pa.types.is_int64(column.type):
        return pa.chunked_array([chunk.view(kind) for chunk in column.chunks], kind)
    return column if column.type == kind else column.cast(kind)


def _types(fields: Sequence[pa.Field]) -> dict[str, pa.DataType]:
    return {field.name: field.type for field in fields}


def _no_spans() -> Spans:
    nothing = np.zeros(0, np.int64)
    return Spans(nothing, nothing, nothing, nothing)


def _nanoseconds(schema: TableSchema) -> int:
    """Return the unit in which the time column is stored, in nanoseconds."""
    kind = schema[schema.time].type if schema.time else ""
    return UNIT_NS.get(kind, 1)
