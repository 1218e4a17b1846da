"""Split work by symbol, and within by time, so that memory is bounded and every thread is busy."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lakehouse.queries.rows import Integers
from lakehouse.times import MAX_NS, MIN_NS, Interval

MOST_ROWS = 1 << 19
"""rows of one task, as far as symbols and row groups can be cut"""
_FEWEST_ROWS = 1 << 16
_SLAB_ROWS = 1 << 20
"""of an operation with a result as long as the rows: a bucket of one slab is put in order once"""
_TASKS_A_THREAD = 4
_MOST_SLABS = 16


@dataclass(frozen=True, slots=True)
class Pieces:
    """The pieces of an input, sorted by symbol; a piece is rows of one symbol in one row group."""

    symbols: tuple[str, ...]
    """sorted; all have a piece"""
    code: Integers
    """(n_pieces,) position in `symbols`, rising"""
    rows: Integers
    """(n_pieces,) number of rows"""
    first: Integers
    """(n_pieces,) UTC nanoseconds; a lower bound of the times"""
    last: Integers
    """(n_pieces,) UTC nanoseconds; an upper bound of the times"""
    group: Integers
    """(n_pieces,) number of the row group, over all files"""

    def of(self, symbols: Sequence[str]) -> Integers:
        """Return the positions of the pieces of some sorted symbols."""
        begin = place_of(symbols, self.symbols)
        if begin is not None:
            low, high = np.searchsorted(self.code, [begin, begin + len(symbols)])
            return np.arange(low, high)
        codes = ((bisect_left(self.symbols, symbol), symbol) for symbol in symbols)
        known = [code for code, symbol in codes if self.symbols[code : code + 1] == (symbol,)]
        lows, highs = (np.searchsorted(self.code, known, side) for side in ("left", "right"))
        spans = [np.arange(low, high) for low, high in zip(lows, highs, strict=True)]
        return np.concatenate([np.zeros(0, np.int64), *spans])

    def nearest(self, positions: Integers, *, last: bool) -> tuple[Integers, Integers]:
        """Return the pieces that can hold the last, or first, row of their symbol.

        Returns:
            Their positions, and for each symbol a time that is no nearer than its row, if there is one.
        """
        edge = np.full(len(self.symbols), MIN_NS if last else MAX_NS, np.int64)
        code = self.code[positions]
        if last:
            np.maximum.at(edge, code, self.first[positions])
            return positions[self.last[positions] >= edge[code]], edge
        np.minimum.at(edge, code, self.last[positions])
        return positions[self.first[positions] <= edge[code]], edge

    def taken(self, positions: Integers) -> Pieces:
        """Return some of the pieces, by rising positions."""
        codes, code = np.unique(self.code[positions], return_inverse=True)
        names = tuple(self.symbols[each] for each in codes)
        columns = (column[positions] for column in (self.rows, self.first, self.last, self.group))
        return Pieces(names, code.astype(np.int64), *columns)


def place_of(names: Sequence[str], known: tuple[str, ...]) -> int | None:
    """Return where sorted names stand in sorted known ones, if they are neighbours there; else None.

    Examples:
        >>> place_of(("B", "C"), ("A", "B", "C")), place_of(("A", "C"), ("A", "B", "C"))
        (1, None)
    """
    begin = bisect_left(known, names[0]) if names else 0
    return begin if known[begin : begin + len(names)] == tuple(names) else None


@dataclass(frozen=True, slots=True)
class Bucket:
    """The work on some symbols."""

    symbols: tuple[str, ...]
    """neighbours in the sorted order"""
    slabs: tuple[Interval, ...]
    """intervals that follow each other and cover all of time"""
    rows: int
    """as a measure of the work, those of other inputs of the same symbols too"""

    @property
    def is_large(self) -> bool:
        """Whether it is one symbol of so many rows that its result should not be held as a whole."""
        return self.rows > 4 * MOST_ROWS and len(self.slabs) > 1 and len(self.symbols) == 1


def cut(
    source: Pieces, others: Sequence[Pieces] = (), *, threads: int = 2, shrinks: bool = False
) -> list[Bucket]:
    """Split the symbols of an input into buckets of about equal work, at borders of row groups if possible.

    Args:
        source: whose symbols are split.
        others: of which the same symbols are read beside them.
        threads: that share the work; each gets a few buckets.
        shrinks: whether the result is far smaller than the rows, so that only slabs need to be small.
    """
    if not source.symbols:
        return []
    known = _together(source, others)
    total = int(known.rows.sum())
    most = MOST_ROWS * min(_MOST_SLABS, _periods(known)) if shrinks else MOST_ROWS
    tasks = threads * (_TASKS_A_THREAD // 2 if shrinks else _TASKS_A_THREAD)
    target = max(_FEWEST_ROWS, min(most, total // tasks))
    borders = _borders(known, target)
    slab = _FEWEST_ROWS if shrinks else _SLAB_ROWS
    pieces = np.searchsorted(known.code, borders)
    return [
        _bucket(known, slice(low, high), slice(pieces[i], pieces[i + 1]), slab)
        for i, (low, high) in enumerate(pairwise(borders))
    ]


def slabs_of(pieces: Pieces, interval: Interval) -> list[Interval]:
    """Split an interval so that a few row groups are read at a time."""
    inside = _edges(pieces.first, pieces.last, pieces.rows, _FEWEST_ROWS // 2)
    edges = [interval.start, *(edge for edge in inside if interval.start < edge < interval.end), interval.end]
    return [Interval(start, end) for start, end in pairwise(edges)]


def _together(source: Pieces, others: Sequence[Pieces]) -> Pieces:
    """Join the pieces of all inputs, of the symbols of the first one."""
    if not others:
        return source
    rank = {symbol: code for code, symbol in enumerate(source.symbols)}
    parts, codes, groups, base = [source], [source.code], [source.group], _groups(source)
    for other in others:
        table = np.array([rank.get(symbol, -1) for symbol in other.symbols], np.int64)
        parts.append(other)
        codes.append(table[other.code] if len(table) else other.code)
        groups.append(other.group + base)
        base += _groups(other)
    code = np.concatenate(codes)
    order = np.argsort(code, kind="stable")[int(np.sum(code < 0)) :]
    rows, first, last = (
        np.concatenate([getattr(part, name) for part in parts])[order] for name in ("rows", "first", "last")
    )
    return Pieces(source.symbols, code[order], rows, first, last, np.concatenate(groups)[order])


def _periods(pieces: Pieces) -> int:
    """Return the number of intervals that share no piece."""
    order = np.argsort(pieces.first, kind="stable")
    reach = np.maximum.accumulate(pieces.last[order])
    return int(np.sum(pieces.first[order][1:] > reach[:-1])) + 1


def _groups(pieces: Pieces) -> int:
    return int(pieces.group.max()) + 1 if len(pieces.group) else 0


def _borders(pieces: Pieces, target: int) -> list[int]:
    """Return the first symbol of each bucket, and the number of symbols."""
    rows = np.bincount(pieces.code, pieces.rows, len(pieces.symbols)).tolist()
    torn = _torn_rows(pieces).tolist()
    borders, filled, best = [0], 0, -1
    for symbol, count in enumerate(rows):
        if best >= borders[-1] and filled + count > 2 * target:
            borders.append(best + 1)
            filled, best = sum(rows[best + 1 : symbol]), -1
        filled += count
        if filled >= target and (best < borders[-1] or torn[symbol] < torn[best]):
            best = symbol
        if best == symbol and torn[symbol] == 0:
            borders.append(symbol + 1)
            filled, best = 0, -1
    return borders if borders[-1] == len(rows) else [*borders, len(rows)]


def _torn_rows(pieces: Pieces) -> Integers:
    """Return the rows that are decoded twice if the symbols are cut behind each one."""
    low = np.full(_groups(pieces), len(pieces.symbols), np.int64)
    high = np.full(len(low), -1, np.int64)
    np.minimum.at(low, pieces.group, pieces.code)
    np.maximum.at(high, pieces.group, pieces.code)
    rows = np.bincount(pieces.group, pieces.rows, len(low)).astype(np.int64)
    change = np.zeros(len(pieces.symbols) + 1, np.int64)
    np.add.at(change, low[high > low], rows[high > low])
    np.add.at(change, high[high > low], -rows[high > low])
    return np.cumsum(change)[:-1]


def _bucket(pieces: Pieces, symbols: slice, mine: slice, slab: int) -> Bucket:
    edges = [MIN_NS, *_edges(pieces.first[mine], pieces.last[mine], pieces.rows[mine], slab), MAX_NS]
    slabs = tuple(Interval(start, end) for start, end in pairwise(edges))
    return Bucket(pieces.symbols[symbols], slabs, int(pieces.rows[mine].sum()))


def _edges(first: Integers, last: Integers, rows: Integers, slab: int) -> Iterator[int]:
    """Yield the times at which the work on a bucket is cut: where no piece is torn, and after `slab` rows."""
    if not len(first):
        return
    order = np.argsort(first, kind="stable")
    first, reach, rows = first[order], np.maximum.accumulate(last[order]), rows[order]
    clean = np.flatnonzero(first[1:] > reach[:-1]) + 1
    running = np.cumsum(rows) - rows
    begin = 0
    candidates = clean.tolist()
    for place, stop in enumerate([*candidates, len(first)]):
        before = candidates[place - 1] if place else 0
        if running[before] - running[begin] >= slab:
            yield int(first[before])
            begin = before
        size = (int(running[stop]) if stop < len(first) else int(rows.sum())) - int(running[before])
        if size > 4 * MOST_ROWS:  # files that overlap for long: a piece may be decoded twice
            for forced in range(before + 1, stop):
                if running[forced] - running[begin] >= MOST_ROWS and first[forced] > first[begin]:
                    yield int(first[forced])
                    begin = forced
