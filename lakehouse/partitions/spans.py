"""Runs of rows in the order in which they are read, found from footers: order is had without sorting rows.

The rows of a symbol rise in time within a file, and most files hold other times than their neighbours. So
the order of runs is the order of rows, but for symbols of which files overlap in time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lakehouse.partitions.arrays import distinct
from lakehouse.partitions.selection import Selection
from lakehouse.partitions.sorting import run_starts
from lakehouse.times import Interval

Integers = npt.NDArray[np.int64]

_FEW = 64
"""spans in which a search one by one is quicker than one in all at once"""


@dataclass(frozen=True, slots=True)
class Block:
    """Row groups of one file that are decoded together, one after the other."""

    selection: Selection
    """of the file"""
    groups: tuple[int, ...]
    """rising"""
    rows: int
    """of the row groups in all"""


@dataclass(frozen=True, slots=True)
class Spans:
    """Runs of rows, one entry each: rows start:start+length of a block, all of one symbol."""

    rank: Integers
    """(n,) position of the symbol among the symbols of the question"""
    block: Integers
    """(n,) position among the blocks"""
    start: Integers
    """(n,) first row in the block"""
    length: Integers
    """(n,) number of rows"""

    def __len__(self) -> int:
        """Return the number of spans."""
        return len(self.rank)

    def pick(self, chosen: npt.NDArray[np.bool_] | Integers) -> Spans:
        """Return some spans, by a mask or by position."""
        return Spans(self.rank[chosen], self.block[chosen], self.start[chosen], self.length[chosen])

    def joined(self, *, across: bool = False) -> Spans:
        """Return the spans without empty ones, and neighbours as one: of one symbol, or `across` symbols."""
        spans = self if self.length.all() else self.pick(self.length > 0)
        if len(spans) < 2:
            return spans
        apart = (spans.block[1:] != spans.block[:-1]) | (
            spans.start[1:] != spans.start[:-1] + spans.length[:-1]
        )
        if not across:
            apart |= spans.rank[1:] != spans.rank[:-1]
        first = np.flatnonzero(np.concatenate([[True], apart]))
        if len(first) == len(spans):
            return spans
        lengths = np.add.reduceat(spans.length, first)
        return Spans(spans.rank[first], spans.block[first], spans.start[first], lengths)

    @staticmethod
    def concatenate(parts: Sequence[Spans]) -> Spans:
        """Return the spans of several, one after the other."""
        return Spans(
            np.concatenate([part.rank for part in parts]),
            np.concatenate([part.block for part in parts]),
            np.concatenate([part.start for part in parts]),
            np.concatenate([part.length for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the rows of a question lie."""

    symbols: tuple[str, ...]
    """that have pieces, sorted"""
    spans: Spans
    """one a piece, in the order (symbol, time) where `mixed` is not set, else in the order of the files"""
    over: npt.NDArray[np.bool_]
    """(n_spans,) whether the piece may reach over an edge of the interval"""
    mixed: npt.NDArray[np.bool_]
    """(n_symbols,) whether files of the symbol may overlap in time, so that its rows must be sorted"""


def lay_out(selections: Sequence[Selection], blocks: Sequence[Block], interval: Interval) -> Layout:
    """Find the pieces of the selections in the blocks that are cut from them, and their order."""
    symbols = names_of(selections)
    found = _places(selections, blocks)
    parts, over, ranges = [], [], []
    for at, selection in enumerate(selections):
        footer, pieces = selection.footer, selection.pieces
        rank = ranks_of(footer.symbols, footer.code[pieces], symbols)
        first, last = footer.first[pieces], footer.last[pieces]
        parts.append(Spans(rank, *found[at], footer.rows[pieces].copy()))
        over.append((first < interval.start) | (last >= interval.end))
        starts = run_starts(rank)
        lows, highs = np.minimum.reduceat(first, starts), np.maximum.reduceat(last, starts)
        ranges.append((rank[starts], lows, highs))
    spans, mixed = Spans.concatenate(parts), np.zeros(len(symbols), np.bool_)
    crossing = np.concatenate(over)
    if len(selections) == 1:
        return Layout(symbols, spans, crossing, mixed)
    entries, order = _order_of_files(ranges, mixed)
    of_span = np.repeat(np.arange(len(entries)), _counts(parts))
    place = np.empty(len(entries), np.int64)
    place[order] = np.arange(len(order))
    sorted_spans = np.argsort(place[of_span], kind="stable")
    return Layout(symbols, spans.pick(sorted_spans), crossing[sorted_spans], mixed)


def cut(
    spans: Spans, over: npt.NDArray[np.bool_], times: Sequence[npt.NDArray[np.int64]], low: int, high: int
) -> None:
    """Narrow in place the spans that reach over an edge; `times` are those of each block, and rise in a span.

    Args:
        spans: to be narrowed.
        over: which of them.
        times: one array a block, in any unit.
        low: first time inside, in that unit.
        high: first time after.
    """
    edges = np.flatnonzero(over)
    for block in distinct(spans.block[edges]).tolist():
        mine = edges[spans.block[edges] == block]
        start, stop = spans.start[mine], spans.start[mine] + spans.length[mine]
        first, after = _lower_bounds(times[block], start, stop, low, high)
        spans.start[mine], spans.length[mine] = first, after - first


def ordered(spans: Spans, order: Integers) -> Spans:
    """Return the rows of spans in another order, as spans again.

    Args:
        spans: of any symbols.
        order: (n_rows,) positions among the rows of the spans, one after the other.
    """
    ends = np.cumsum(spans.length)
    span = np.searchsorted(ends, order, "right")
    new = (order[1:] != order[:-1] + 1) | (span[1:] != span[:-1])
    first = np.flatnonzero(np.concatenate([[True], new]))
    lengths = np.diff(np.append(first, len(order)))
    owner = span[first]
    start = spans.start[owner] + order[first] - (ends[owner] - spans.length[owner])
    return Spans(spans.rank[owner], spans.block[owner], start, lengths)


def limited(spans: Spans, count: int, *, last: bool) -> Spans:
    """Return the first or the last `count` rows of each symbol; the spans are in order."""
    if not len(spans):
        return spans
    starts = run_starts(spans.rank)
    sizes = np.diff(np.append(starts, len(spans)))
    before = np.cumsum(spans.length) - spans.length
    before -= np.repeat(before[starts], sizes)  # rows of the symbol before the span
    if last:
        totals = np.repeat(np.add.reduceat(spans.length, starts), sizes)
        skip = np.clip(totals - count - before, 0, spans.length)
        kept = Spans(spans.rank, spans.block, spans.start + skip, spans.length - skip)
    else:
        kept = Spans(spans.rank, spans.block, spans.start, np.clip(count - before, 0, spans.length))
    return kept.pick(kept.length > 0)


def _places(selections: Sequence[Selection], blocks: Sequence[Block]) -> list[tuple[Integers, Integers]]:
    """Return for each selection's pieces: their blocks, and their first rows there."""
    owned: dict[int, list[int]] = {}
    for position, block in enumerate(blocks):
        owned.setdefault(id(block.selection), []).append(position)
    found = []
    for selection in selections:
        footer, mine = selection.footer, owned[id(selection)]
        sizes = np.diff(footer.group_starts)
        block_of, base = np.zeros(len(sizes), np.int64), np.zeros(len(sizes), np.int64)
        for position in mine:
            groups = np.array(blocks[position].groups, np.int64)
            block_of[groups] = position
            base[groups] = np.cumsum(sizes[groups]) - sizes[groups]
        group = footer.group[selection.pieces]
        start = base[group] + footer.start[selection.pieces] - footer.group_starts[group]
        found.append((block_of[group], start))
    return found


def names_of(selections: Sequence[Selection]) -> tuple[str, ...]:
    """Return the symbols of the pieces of some files, sorted."""
    if len(selections) == 1:
        return tuple(selections[0].symbols)
    return tuple(sorted({symbol for selection in selections for symbol in selection.symbols}))


def ranks_of(names: tuple[str, ...], codes: Integers, symbols: tuple[str, ...]) -> Integers:
    """Return the positions of the pieces' symbols among those of the question."""
    if names == symbols:
        return codes.astype(np.int64)
    used = distinct(codes)
    rank = np.zeros(len(names), np.int64)
    positions = {symbol: position for position, symbol in enumerate(symbols)}
    rank[used] = [positions[names[code]] for code in used.tolist()]
    return rank[codes]


def _counts(parts: Sequence[Spans]) -> Integers:
    """Return how many pieces each symbol of each file has."""
    return np.concatenate([np.diff(np.append(run_starts(part.rank), len(part))) for part in parts])


def _order_of_files(
    ranges: Sequence[tuple[Integers, Integers, Integers]], mixed: npt.NDArray[np.bool_]
) -> tuple[Integers, Integers]:
    """Return the symbol of each (file, symbol), and their order by symbol and time; marks those that overlap.

    Those of a symbol that is `mixed` stay in the order of the files.
    """
    rank = np.concatenate([part[0] for part in ranges])
    low = np.concatenate([part[1] for part in ranges])
    high = np.concatenate([part[2] for part in ranges])
    order = np.lexsort((low, rank))
    same = rank[order][1:] == rank[order][:-1]
    touching = same & (high[order][:-1] >= low[order][1:])
    if touching.any():
        mixed[rank[order][1:][touching]] = True
        order = np.lexsort((np.where(mixed[rank], 0, low), rank))
    return rank, order


def _lower_bounds(
    times: npt.NDArray[np.int64], start: Integers, stop: Integers, low: int, high: int
) -> tuple[Integers, Integers]:
    """Return for each span the first row not before `low`, and that not before `high`; `stop` without one."""
    if len(start) <= _FEW:
        rising = np.ascontiguousarray(times).data
        spans = list(zip(start.tolist(), stop.tolist(), strict=True))
        firsts = [bisect_left(rising, low, *span) for span in spans]
        afters = [bisect_left(rising, high, *span) for span in spans]
        return np.array(firsts, np.int64), np.array(afters, np.int64)
    edge = np.repeat(np.array([low, high]), len(start))
    place, rest = np.concatenate([start, start]), np.tile(stop - start, 2)
    for _ in range(int(rest.max()).bit_length()):  # a binary search in all spans at once
        half = rest >> 1
        before = (times.take(place + half, mode="clip") < edge) & (rest > 0)
        step = (half + 1) * before
        place += step
        rest = np.where(before, rest - step, half)
    return place[: len(start)], place[len(start) :]
