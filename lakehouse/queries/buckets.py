"""Split work by symbol, and within by time, so that memory is bounded and every thread is busy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lakehouse.queries.rows import Integers
from lakehouse.times import MAX_NS, MIN_NS, Interval

MOST_ROWS = 1 << 20
"""rows of one task, as far as symbols and row groups can be cut"""
_FEWEST_ROWS = 1 << 16
_TASKS_A_THREAD = 4


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
        return self.rows > 2 * MOST_ROWS and len(self.slabs) > 1 and len(self.symbols) == 1


def cut(source: Pieces, others: Sequence[Pieces] = (), *, threads: int = 2) -> list[Bucket]:
    """Split the symbols of an input into buckets of about equal work, at borders of row groups if possible.

    Args:
        source: whose symbols are split.
        others: of which the same symbols are read beside them.
        threads: that share the work; each gets a few buckets.
    """
    if not source.symbols:
        return []
    known = _together(source, others)
    total = int(known.rows.sum())
    target = max(_FEWEST_ROWS, min(MOST_ROWS, total // (_TASKS_A_THREAD * threads)))
    borders = _borders(known, target)
    pieces = np.searchsorted(known.code, borders)
    return [
        _bucket(known, slice(low, high), slice(pieces[i], pieces[i + 1]), target)
        for i, (low, high) in enumerate(pairwise(borders))
    ]


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


def _bucket(pieces: Pieces, symbols: slice, mine: slice, target: int) -> Bucket:
    edges = [MIN_NS, *_edges(pieces.first[mine], pieces.last[mine], pieces.rows[mine], target), MAX_NS]
    slabs = tuple(Interval(start, end) for start, end in pairwise(edges))
    return Bucket(pieces.symbols[symbols], slabs, int(pieces.rows[mine].sum()))


def _edges(first: Integers, last: Integers, rows: Integers, target: int) -> Iterator[int]:
    """Yield the times at which the work on a bucket is cut: where no piece is torn, if possible."""
    order = np.argsort(first, kind="stable")
    first, reach, rows = first[order], np.maximum.accumulate(last[order]), rows[order]
    clean = np.flatnonzero(first[1:] > reach[:-1]) + 1
    running = np.cumsum(rows) - rows
    begin = 0
    candidates = clean.tolist()
    for place, stop in enumerate([*candidates, len(first)]):
        before = candidates[place - 1] if place else 0
        if running[before] - running[begin] >= target // 2:
            yield int(first[before])
            begin = before
        size = (int(running[stop]) if stop < len(first) else int(rows.sum())) - int(running[before])
        if size > 2 * MOST_ROWS:  # files that overlap for long: a piece may be decoded twice
            for forced in range(before + 1, stop):
                if running[forced] - running[begin] >= MOST_ROWS and first[forced] > first[begin]:
                    yield int(first[forced])
                    begin = forced
