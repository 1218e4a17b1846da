"""From a table state to rows: choose the pieces, decode their row groups, put the rows in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.partitions.arrays import (
    dictionary_array,
    distinct,
    empty_table,
    int64_array,
    integers,
    times_of,
)
from lakehouse.partitions.footers import Footer
from lakehouse.partitions.row_groups import read_groups
from lakehouse.partitions.selection import Selection, select_pieces
from lakehouse.partitions.sorting import sort_order
from lakehouse.partitions.state import TableState
from lakehouse.partitions.threads import workers
from lakehouse.schema import SEQUENCE, TableSchema, arrow_schema, stored_schema
from lakehouse.times import Interval

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Decoded rows of one file."""

    table: pa.Table
    codes: npt.NDArray[np.int32]
    times: Integers | None


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


def read_stored(
    state: TableState, selections: Sequence[Selection], interval: Interval | None = None
) -> pa.Table:
    """Return chosen rows as they are stored, with the sequence, in the total order; the symbol is encoded."""
    return _decode(state, selections, interval or Interval(), stored_schema(state.schema))


def decode(
    state: TableState,
    selections: Sequence[Selection],
    interval: Interval,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Decode chosen pieces, cut them to the interval, and put the rows in order."""
    names = state.schema.names if columns is None else tuple(columns)
    stored = pa.schema([field for field in stored_schema(state.schema) if field.name in names])
    table = _decode(state, selections, interval, stored)
    return to_reader_types(table, state.schema, names)


def to_reader_types(table: pa.Table, schema: TableSchema, names: Sequence[str]) -> pa.Table:
    """Give stored columns the types and the order that readers get; the symbol becomes plain strings."""
    target = arrow_schema(schema, tuple(names))
    columns = []
    for field in target:
        column = table.column(field.name)
        if pa.types.is_timestamp(field.type) and pa.types.is_int64(column.type):
            column = pa.chunked_array([chunk.view(field.type) for chunk in column.chunks], field.type)
        columns.append(column if column.type == field.type else column.cast(field.type))
    return pa.Table.from_arrays(columns, schema=target)


def _decode(
    state: TableState, selections: Sequence[Selection], interval: Interval, stored: pa.Schema
) -> pa.Table:
    names = tuple(sorted({symbol for selection in selections for symbol in selection.symbols}))
    rank = {symbol: position for position, symbol in enumerate(names)}
    several = len(selections) > 1

    def one(selection: Selection) -> _Rows:
        return _decode_file(state, selection, interval, stored, rank, ordered=several)

    parts = list(workers().map(one, selections)) if several else [one(selection) for selection in selections]
    if not parts:
        return empty_table(stored)
    table = pa.concat_tables([part.table for part in parts])
    codes = np.concatenate([part.codes for part in parts])
    if several:
        table, codes = _in_order(state.schema, table, codes, [part.times for part in parts])
    if state.schema.symbol in stored.names:
        position = stored.get_field_index(state.schema.symbol)
        table = table.add_column(position, state.schema.symbol, dictionary_array(codes, names))
    return table.select(stored.names)


def _decode_file(
    state: TableState,
    selection: Selection,
    interval: Interval,
    stored: pa.Schema,
    rank: dict[str, int],
    *,
    ordered: bool,
) -> _Rows:
    schema, footer, pieces = state.schema, selection.footer, selection.pieces
    cut = schema.time is not None and bool(
        np.any((footer.first[pieces] < interval.start) | (footer.last[pieces] >= interval.end))
    )
    needed = {name for name in stored.names if name != schema.symbol}
    extra = {name for name in (schema.time,) if name and (cut or ordered)}
    extra |= {SEQUENCE} if ordered and schema.has_sequence else set()
    fields = [field for field in stored_schema(schema) if field.name in needed | extra]
    present = [field.name for field in fields if field.name in footer.metadata.schema.names]
    table = _with_missing(read_groups(state.store, selection, present), pa.schema(fields))
    starts, lengths = _piece_rows(footer, pieces), footer.rows[pieces].copy()
    times = times_of(table, schema) if extra and schema.time else None
    if cut and times is not None:
        starts, lengths = _cut(times, starts, lengths, footer, pieces, interval)
    codes = np.repeat(
        np.array([rank.get(symbol, 0) for symbol in footer.symbols], np.int32)[footer.code[pieces]], lengths
    )
    if int(lengths.sum()) != table.num_rows:
        picked = _spans(starts, lengths)
        table = (
            table.slice(int(picked[0]), len(picked))
            if _contiguous(picked)
            else table.take(int64_array(picked))
        )
        times = None if times is None else times[picked]
    return _Rows(table, codes, times if ordered else None)


def _with_missing(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Give a table the fields of the present schema: columns of a later contract version are null."""
    columns = [
        table.column(field.name) if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema) if columns else table


def _piece_rows(footer: Footer, pieces: Integers) -> Integers:
    """Return where each piece begins in the concatenation of the row groups that are read."""
    groups = distinct(footer.group[pieces])
    sizes = np.diff(footer.group_starts)[groups]
    base = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])[:-1]
    group = footer.group[pieces]
    offsets: Integers = (
        base[np.searchsorted(groups, group)] + footer.start[pieces] - footer.group_starts[group]
    )
    return offsets


def _cut(
    times: Integers, starts: Integers, lengths: Integers, footer: Footer, pieces: Integers, interval: Interval
) -> tuple[Integers, Integers]:
    """Narrow the pieces that reach over an edge of the interval; times rise within a piece."""
    over = np.flatnonzero((footer.first[pieces] < interval.start) | (footer.last[pieces] >= interval.end))
    for i in over:
        part = times[starts[i] : starts[i] + lengths[i]]
        low, high = np.searchsorted(part, [interval.start, interval.end])
        starts[i], lengths[i] = starts[i] + low, high - low
    return starts, lengths


def _spans(starts: Integers, lengths: Integers) -> Integers:
    """Return the row numbers of spans, one after the other."""
    kept = lengths > 0
    starts, lengths = starts[kept], lengths[kept]
    if not len(starts):
        return np.zeros(0, np.int64)
    shift = starts - np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)[:-1]])
    rows: Integers = np.arange(int(lengths.sum())) + np.repeat(shift, lengths)
    return rows


def _contiguous(rows: Integers) -> bool:
    return len(rows) > 0 and int(rows[-1]) - int(rows[0]) + 1 == len(rows)


def _in_order(
    schema: TableSchema, table: pa.Table, codes: npt.NDArray[np.int32], times: list[Integers | None]
) -> tuple[pa.Table, npt.NDArray[np.int32]]:
    """Merge the rows of several files into the total order."""
    instants = np.concatenate([part for part in times if part is not None]) if schema.time else None
    ranks = _ranks(table) if schema.has_sequence else None
    order = sort_order(codes, instants, ranks)
    return (table, codes) if order is None else (table.take(int64_array(order)), codes[order])


def _ranks(table: pa.Table) -> npt.NDArray[Any]:
    return integers(table.column(SEQUENCE))
