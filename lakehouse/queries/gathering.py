"""Decode the rows of some symbols in an interval into arrays: sorted, merged, and copied once at most."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.partitions.arrays import distinct, int64_array, integers, times_of
from lakehouse.partitions.blocks import read_columns
from lakehouse.partitions.selection import Selection
from lakehouse.partitions.state import TableState
from lakehouse.queries.buckets import place_of
from lakehouse.queries.numbers import numbers_of, stored_numbers
from lakehouse.queries.rows import Column, Integers, Rows, Runs, frozen, to_arrow
from lakehouse.schema import SEQUENCE, arrow_type
from lakehouse.times import Interval

_LONG_SPAN = 64
_FEW_RUNS = 1_024


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to decode."""

    symbols: tuple[str, ...]
    """sorted"""
    interval: Interval
    """half open"""
    columns: tuple[str, ...]
    """as numbers"""
    carried: tuple[str, ...] = ()
    """as Arrow"""
    ends: Literal["first", "last"] | None = None
    """of each symbol only this row"""
    cells: tuple[int, int] | None = None
    """length and origin of cells of time: runs do instead of times, if that saves their decoding"""


@dataclass(slots=True)
class _Spans:
    """Runs of rows, in the order in which they follow each other in the result."""

    part: Integers
    """(n_spans,) which selection"""
    code: Integers
    """(n_spans,) which symbol of those wanted"""
    piece: Integers
    """(n_spans,) position in the footer's pieces"""
    cluster: Integers
    """(n_spans,) spans of one number overlap in time; -1 for one that overlaps with none"""
    start: Integers
    """(n_spans,) first row in the table that is decoded"""
    length: Integers
    """(n_spans,) number of rows"""


@dataclass(slots=True)
class _Places:
    """Runs of rows that are copied as a whole."""

    part: Integers
    """(n_runs,) which selection"""
    start: Integers
    """(n_runs,) first row in the table that is decoded"""
    length: Integers
    """(n_runs,) number of rows"""
    numbers: tuple[list[int], list[int], list[int]] | None
    """part, first row and the row after the last of each run, where runs are long or few"""


def gather(state: TableState, selections: Sequence[Selection], wanted: Wanted) -> Rows:
    """Return rows of the pieces that are selected.

    Args:
        state: the version to read.
        selections: of pieces of the symbols wanted alone, that may have rows in the interval.
        wanted: what to decode.

    Raises:
        IntegrityError: a file is missing or altered.
    """
    spans = _plan(selections, wanted.symbols)
    runs = _runs_of(spans, selections, wanted)
    merged = set(spans.part[spans.cluster >= 0].tolist())
    names = tuple(dict.fromkeys((*wanted.columns, *wanted.carried)))
    tables = [
        _read(state, selection, names, timed=runs is None, ranked=part in merged)
        for part, selection in enumerate(selections)
    ]
    selections, tables = _by_chunk(spans, selections, tables)
    times = [] if runs else [cast("Integers", times_of(table, state.schema)) for table in tables]
    if times:
        _cut(spans, selections, times, wanted.interval)
    if wanted.ends:
        _keep_ends(spans, last=wanted.ends == "last")
    order = _merge_order(spans, tables, times)
    places = _places(spans)
    counts = np.bincount(spans.code, spans.length, len(wanted.symbols)).astype(np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])

    def numbers(name: str) -> npt.NDArray[Any]:
        return _placed([numbers_of(table.column(name)) for table in tables], places, order)

    def arrow(name: str) -> Column:
        kind = arrow_type(state.schema[name].type)
        return _carried([_typed(table.column(name), kind) for table in tables], places, order, kind)

    rows = Rows(
        wanted.symbols,
        frozen(offsets),
        _placed(times, places, order) if times else np.zeros(0, np.int64),
        {name: numbers(name) for name in wanted.columns},
        {name: arrow(name) for name in wanted.carried},
        runs,
    )
    return _ends_of(rows, last=wanted.ends == "last") if wanted.ends and counts.max() > 1 else rows


def _plan(selections: Sequence[Selection], symbols: tuple[str, ...]) -> _Spans:
    """Order the pieces by (symbol, time), and find those of several files that overlap."""
    sizes = [len(selection.pieces) for selection in selections]
    part = np.repeat(np.arange(len(selections)), sizes)
    piece = _joined([selection.pieces for selection in selections])
    code = _joined([codes_of(selection, symbols) for selection in selections])
    first = _joined([selection.footer.first[selection.pieces] for selection in selections])
    last = _joined([selection.footer.last[selection.pieces] for selection in selections])
    start = _joined([_starts(selection) for selection in selections])
    length = _joined([selection.footer.rows[selection.pieces] for selection in selections])
    order = np.lexsort((piece, part, first, code)) if len(selections) > 1 else np.arange(len(piece))
    part, code, first, last = part[order], code[order], first[order], last[order]
    return _Spans(
        part, code, piece[order], _clusters(part, code, first, last), start[order], length[order].copy()
    )


def _clusters(part: Integers, code: Integers, first: Integers, last: Integers) -> Integers:
    """Number the runs of spans that overlap in time and come from several files."""
    found = np.full(len(part), -1, np.int64)
    if not np.any((code[1:] == code[:-1]) & (first[1:] <= last[:-1]) & (part[1:] != part[:-1])):
        return found
    begin, reach = 0, int(last[0])
    for position in range(1, len(part) + 1):
        inside = position < len(part) and code[position] == code[begin] and first[position] <= reach
        if inside:
            reach = max(reach, int(last[position]))
        else:
            if len(set(part[begin:position].tolist())) > 1:
                found[begin:position] = begin
            begin, reach = position, int(last[position]) if position < len(part) else 0
    return found


def codes_of(selection: Selection, symbols: tuple[str, ...]) -> Integers:
    """Return the positions of the pieces' symbols among sorted ones, which hold all of them."""
    footer = selection.footer
    codes: Integers = footer.code[selection.pieces].astype(np.int64)
    begin = place_of(symbols, footer.symbols)
    if begin is not None:
        return codes - begin
    used = distinct(codes)
    rank = np.zeros(len(footer.symbols), np.int64)
    rank[used] = [bisect_left(symbols, footer.symbols[code]) for code in used.tolist()]
    return rank[codes]


def _starts(selection: Selection) -> Integers:
    """Return where each piece begins in the concatenation of the row groups that are read."""
    footer, pieces = selection.footer, selection.pieces
    group = footer.group[pieces]
    taken = np.zeros(len(footer.group_starts) - 1, np.int64)
    taken[group] = np.diff(footer.group_starts)[group]
    shift = np.cumsum(taken) - taken - footer.group_starts[:-1]
    starts: Integers = shift[group] + footer.start[pieces]
    return starts


def _runs_of(spans: _Spans, selections: Sequence[Selection], wanted: Wanted) -> Runs | None:
    """Return the spans as runs, if they have no time in common and lie each in one cell and the interval."""
    if wanted.cells is None or wanted.ends or np.any(spans.cluster >= 0):
        return None
    every, origin = wanted.cells
    first, last = np.empty(len(spans.part), np.int64), np.empty(len(spans.part), np.int64)
    for part, selection in enumerate(selections):
        mine = spans.part == part
        first[mine] = selection.footer.first[spans.piece[mine]]
        last[mine] = selection.footer.last[spans.piece[mine]]
    if np.any(first < wanted.interval.start) or np.any(last >= wanted.interval.end):
        return None
    if every and np.any((first - origin) // every != (last - origin) // every):
        return None
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(spans.length)])
    return Runs(frozen(offsets), frozen(spans.code), frozen(first))


def _read(
    state: TableState, selection: Selection, names: tuple[str, ...], *, timed: bool, ranked: bool
) -> pa.Table:
    """Decode columns of one file, the time, and where it takes part in a merge the sequence."""
    schema = state.schema
    needed = [*names, *((schema.time,) if schema.time and timed else ())]
    needed += [SEQUENCE] if ranked and schema.has_sequence else []
    fields = [state.stored.field(name) for name in dict.fromkeys(needed)]
    return read_columns(state.store, selection, fields)


def _by_chunk(
    spans: _Spans, selections: Sequence[Selection], tables: list[pa.Table]
) -> tuple[Sequence[Selection], list[pa.Table]]:
    """Make each chunk a part of its own, so that chunks are not put together; no span reaches over two."""
    if all(table.column(0).num_chunks < 2 for table in tables):
        return selections, tables
    owners, chunks, part = list[Selection](), list[pa.Table](), spans.part.copy()
    for number, (selection, table) in enumerate(zip(selections, tables, strict=True)):
        batches = [pa.Table.from_batches([batch]) for batch in table.to_batches()] or [table]
        sizes = np.array([batch.num_rows for batch in batches])
        begins, mine = np.cumsum(sizes) - sizes, spans.part == number
        chunk = np.searchsorted(begins, spans.start[mine], "right") - 1
        part[mine] = len(chunks) + chunk
        spans.start[mine] -= begins[chunk]
        owners += [selection] * len(batches)
        chunks += batches
    spans.part = part
    return owners, chunks


def _cut(spans: _Spans, selections: Sequence[Selection], times: list[Integers], interval: Interval) -> None:
    """Narrow the spans that reach over an edge of the interval; times rise within one."""
    for part, selection in enumerate(selections):
        footer, mine = selection.footer, np.flatnonzero(spans.part == part)
        piece = spans.piece[mine]
        over = (footer.first[piece] < interval.start) | (footer.last[piece] >= interval.end)
        for span in mine[over]:
            begin = spans.start[span]
            inside = times[part][begin : begin + spans.length[span]]
            low, high = np.searchsorted(inside, [interval.start, interval.end])
            spans.start[span], spans.length[span] = begin + low, high - low


def _keep_ends(spans: _Spans, *, last: bool) -> None:
    """Empty all spans but the last, or first, of each symbol, or the cluster that this is part of."""
    filled = np.flatnonzero(spans.length > 0)
    place = np.full(int(spans.code.max()) + 1, -1, np.int64)
    place[spans.code[filled if last else filled[::-1]]] = filled if last else filled[::-1]
    edge = place[spans.code]  # the span of the symbol at the wanted end
    alone = spans.cluster < 0
    keep = np.arange(len(edge)) == edge
    keep |= ~alone & (edge >= 0) & (spans.cluster == spans.cluster[edge])
    spans.length[~keep] = 0
    cut = keep & alone
    if last:
        spans.start[cut] += spans.length[cut] - 1
    spans.length[cut] = 1


def _ends_of(rows: Rows, *, last: bool) -> Rows:
    """Keep one row of each symbol."""
    filled = np.diff(rows.offsets) > 0
    picked = (rows.offsets[1:] - 1 if last else rows.offsets[:-1])[filled]
    indices = int64_array(picked)
    return Rows(
        rows.symbols,
        frozen(np.concatenate([np.zeros(1, np.int64), np.cumsum(filled)])),
        frozen(rows.times[picked]),
        {name: frozen(column[picked]) for name, column in rows.columns.items()},
        {name: column.take(indices) for name, column in rows.carried.items()},
    )


def _merge_order(spans: _Spans, tables: list[pa.Table], times: list[Integers]) -> Integers | None:
    """Return the order of the rows, where spans of several files overlap; else None."""
    if not np.any(spans.cluster >= 0):
        return None
    ends = np.cumsum(spans.length)
    order = np.arange(int(ends[-1]))
    for cluster in np.unique(spans.cluster[spans.cluster >= 0]):
        which = np.flatnonzero(spans.cluster == cluster)
        rows = [(int(spans.part[i]), slice(spans.start[i], spans.start[i] + spans.length[i])) for i in which]
        keys = [np.concatenate([times[part][span] for part, span in rows])]
        if SEQUENCE in tables[rows[0][0]].column_names:
            ranks = {part: integers(tables[part].column(SEQUENCE)) for part, _ in rows}
            keys.insert(0, np.concatenate([ranks[part][span] for part, span in rows]))
        base = int(ends[which[0]] - spans.length[which[0]])
        order[base : base + len(keys[0])] = base + np.lexsort(keys)
    return order


def _placed(arrays: list[npt.NDArray[Any]], places: _Places, order: Integers | None) -> npt.NDArray[Any]:
    """Put the spans of a column behind each other; one span, and spans that touch, are not copied."""
    part, start, length = places.part, places.start, places.length
    if len(part) == 0:
        return frozen(np.zeros(0, arrays[0].dtype if arrays else np.float64))
    if len(part) == 1:
        values = arrays[part[0]][start[0] : start[0] + length[0]]
    elif places.numbers is not None:
        triples = zip(*places.numbers, strict=True)
        values = np.concatenate([arrays[i][low:high] for i, low, high in triples])
    else:
        values = np.concatenate(arrays)[_row_numbers(part, start, length, [len(each) for each in arrays])]
    return frozen(values if order is None else values[order])


def _carried(
    columns: list[pa.ChunkedArray], places: _Places, order: Integers | None, kind: pa.DataType
) -> pa.Array | pa.ChunkedArray:
    """Put the spans of a column behind each other, as they are; without nulls that is as fast as numbers."""
    if (
        pa.types.is_primitive(kind)
        and not pa.types.is_boolean(kind)
        and not any(c.null_count for c in columns)
    ):
        return to_arrow(_placed([stored_numbers(column) for column in columns], places, order), kind)
    runs = zip(places.part.tolist(), places.start.tolist(), places.length.tolist(), strict=True)
    chunks = [chunk for i, low, count in runs for chunk in columns[i].slice(low, count).chunks]
    column = pa.chunked_array(chunks, kind)
    return column if order is None else column.take(int64_array(order))


def _places(spans: _Spans) -> _Places:
    """Join spans that follow each other in one file."""
    kept = spans.length > 0
    part, start, length = spans.part[kept], spans.start[kept], spans.length[kept]
    if len(part) < 2:
        return _Places(part, start, length, None)
    new = np.concatenate([[True], (part[1:] != part[:-1]) | (start[1:] != start[:-1] + length[:-1])])
    begins = np.flatnonzero(new)
    part, start, length = part[begins], start[begins], np.add.reduceat(length, begins)
    if len(part) > _FEW_RUNS and length.sum() < _LONG_SPAN * len(part):
        return _Places(part, start, length, None)
    return _Places(part, start, length, (part.tolist(), start.tolist(), (start + length).tolist()))


def _row_numbers(part: Integers, start: Integers, length: Integers, sizes: list[int]) -> Integers:
    """Return the rows of runs in the concatenation of all parts."""
    base = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.array(sizes, np.int64))])
    shift = base[part] + start - (np.cumsum(length) - length)
    rows: Integers = np.arange(int(length.sum())) + np.repeat(shift, length)
    return rows


def _typed(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Give a stored column the type that readers get."""
    if pa.types.is_timestamp(kind) and pa.types.is_int64(column.type):
        return pa.chunked_array([chunk.view(kind) for chunk in column.chunks], kind)
    return column if column.type == kind else column.cast(kind)


def _joined(arrays: Sequence[npt.NDArray[Any]]) -> Integers:
    return np.concatenate([np.zeros(0, np.int64), *arrays])
