"""Co-moments of all symbols over time, streamed: memory does not grow with the length of the history.

Rows are loaded slab by slab of time, groups of symbols side by side, and the next slab while this one is
used. A slab is pivoted into blocks of columns, one a time at which any symbol has a row, and each block is
added to the sums of products.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lakehouse.partitions.threads import in_worker, side_by_side, workers
from lakehouse.queries.buckets import Pieces, cut
from lakehouse.queries.gathering import Wanted
from lakehouse.queries.inputs import Input
from lakehouse.queries.kernels import compiled
from lakehouse.queries.kernels.changes import Of
from lakehouse.queries.kernels.comoments import CoMoments
from lakehouse.queries.kernels.pivot import LOG_RETURN, RETURN, VALUE, pivot_block
from lakehouse.queries.rows import Integers, Rows
from lakehouse.times import MAX_NS, MIN_NS, Interval

SLAB_ROWS = 4 << 20
"""rows of a slab, as far as files can be cut in time; one of a single file is not copied"""
BLOCK_NUMBERS = 4 << 20
"""numbers in a block of columns: 32 MiB"""
_GROUPS = 2 * max(2, os.cpu_count() or 1)
_GUESSED_FROM = 8
_CODES: dict[Of, int] = {"value": VALUE, "return": RETURN, "log_return": LOG_RETURN}


@dataclass(frozen=True, slots=True)
class Question:
    """Of what co-moments are taken."""

    column: str
    """of numbers"""
    of: Of
    """its values, or their changes from time to time"""
    forward: bool
    """whether gaps are filled with the value before"""
    every: int
    """nanoseconds between times; 0 for each time at which any symbol has a row"""
    origin: int
    """an instant at which a cell of `every` begins"""


def comoments(source: Input, question: Question) -> tuple[CoMoments, npt.NDArray[np.bool_]]:
    """Return the co-moments of all symbols of an input, in their order, and which of them have a row.

    Args:
        source: with a symbol column.
        question: of what.

    Raises:
        IntegrityError: a data file is missing or altered.
        MissingExtraError: the rows are many, and numba is not installed.
    """
    pieces = source.pieces
    compiled.prepare(int(pieces.rows.sum()))
    pivot = _Pivot(question, len(pieces.symbols))
    found = np.zeros(len(pieces.symbols), np.bool_)  # a piece may reach into the interval without a row in it
    for parts in _loaded(source, question):
        found |= np.concatenate([np.zeros(0, np.int64), *(np.diff(part.offsets) for part in parts)]) > 0
        pivot.add(parts)
    return pivot.moments, found


class _Pivot:
    """What is carried from one slab to the next."""

    def __init__(self, question: Question, symbols: int) -> None:
        self.moments = CoMoments(symbols)
        self._question, self._fresh = question, question.of != "value"
        self._last, self._shift = np.full(symbols, np.nan), np.full(symbols, np.nan)
        self._width = max(64, BLOCK_NUMBERS // max(1, symbols))
        self._buffer = np.empty((symbols, self._width))

    def add(self, parts: list[Rows]) -> None:
        """Add a slab; its parts hold the symbols, one group after the other.

        The grid is guessed from the symbols with most rows. If a row turns out to lie beside it, the block is
        done again, on the union of all times that are left.
        """
        cursors = [part.offsets[:-1].copy() for part in parts]
        grid, at = self._guess(parts), 0
        while True:
            if at == len(grid):
                grid, at = self._union(parts, cursors), 0
                if not len(grid):
                    return
            # The first time has no change: alone, it does not make every symbol of a block one with gaps.
            block = grid[at : at + (1 if self._fresh else self._width)]
            if self._block(parts, cursors, block):
                at, self._fresh = at + len(block), False
            else:
                grid, at = self._union(parts, cursors), 0

    def _block(self, parts: list[Rows], cursors: list[Integers], grid: Integers) -> bool:
        """Add the columns of some times, or leave all as it was if a row lies between them."""
        question, count = self._question, len(self._last)
        moved, last, shift = [each.copy() for each in cursors], self._last.copy(), self._shift.copy()
        sums, astray, missing = np.zeros(count), np.zeros(count, np.int64), np.zeros(count, np.int64)
        out, code, tasks, low = self._buffer[:, : len(grid)], _CODES[question.of], [], 0
        for part, cursor in zip(parts, moved, strict=True):
            mine = slice(low, low + len(cursor))
            low = mine.stop
            values = np.asarray(part.columns[question.column], np.float64)
            tasks.append(
                partial(
                    pivot_block, cursor, part.offsets[1:], part.times, values, grid, code, question.forward,
                    last[mine], shift[mine], sums[mine], astray[mine], missing[mine], out[mine],
                )
            )  # fmt: skip
        side_by_side(lambda task: task(), tasks)
        if astray.any() and not question.every:
            return False
        self.moments.add(out, sums, missing)
        self._last, self._shift = last, shift
        for cursor, after in zip(cursors, moved, strict=True):
            cursor[:] = after
        return True

    def _guess(self, parts: list[Rows]) -> Integers:
        if self._question.every:
            return self._union(parts, [part.offsets[:-1] for part in parts])
        longest: list[tuple[int, Integers]] = []
        for part in parts:
            counts = np.diff(part.offsets)
            for symbol in np.argsort(-counts)[:_GUESSED_FROM].tolist():
                times = part.times[part.offsets[symbol] : part.offsets[symbol + 1]]
                longest.append((len(times), times))
        longest.sort(key=lambda pair: -pair[0])
        guessed = [times for _, times in longest[:_GUESSED_FROM]]
        return np.unique(np.concatenate([np.zeros(0, np.int64), *guessed]))

    def _union(self, parts: list[Rows], cursors: list[Integers]) -> Integers:
        """Return the times of all rows that are left, or the last nanoseconds of their cells."""
        spans = [
            part.times[low:high]
            for part, cursor in zip(parts, cursors, strict=True)
            for low, high in zip(cursor.tolist(), part.offsets[1:].tolist(), strict=True)
            if low < high
        ]
        every, origin = self._question.every, self._question.origin
        if every:
            cells = [times - (times - origin) % every + (every - 1) for times in spans]
            spans = [each[np.append(each[1:] != each[:-1], True)] for each in cells]
        return np.unique(np.concatenate([np.zeros(0, np.int64), *spans]))


def _loaded(source: Input, question: Question) -> Iterator[list[Rows]]:
    """Yield the rows of each slab, a part for each group of symbols; the next slab is decoded meanwhile."""
    groups, slabs = _groups(source.pieces), _slabs(source.pieces, question)
    ahead: list[Future[Rows]] | None = None
    for place in range(len(slabs) + 1):
        tasks = [
            partial(source.load, Wanted(group, slab, (question.column,)))
            for slab in slabs[place : place + 1]
            for group in groups
        ]
        if in_worker():
            if tasks:
                yield [task() for task in tasks]
            continue
        coming = [workers().submit(task) for task in tasks]
        if ahead:
            yield [future.result() for future in ahead]
        ahead = coming


def _groups(pieces: Pieces) -> list[tuple[str, ...]]:
    """Return the symbols in a few groups of about equal rows, cut at borders of row groups if possible."""
    buckets = cut(pieces, threads=_GROUPS)
    target = sum(bucket.rows for bucket in buckets) / _GROUPS
    groups: list[tuple[str, ...]] = []
    filled = 0.0
    for bucket in buckets:
        if not groups or filled >= target * len(groups):
            groups.append(())
        groups[-1] += bucket.symbols
        filled += bucket.rows
    return groups


def _slabs(pieces: Pieces, question: Question) -> list[Interval]:
    """Cut time after enough rows, where no piece is torn, or through long pieces; not within a cell."""
    order = np.argsort(pieces.first, kind="stable")
    first, reach = pieces.first[order], np.maximum.accumulate(pieces.last[order])
    clean = np.concatenate([[False], first[1:] > reach[:-1]])
    running = np.cumsum(pieces.rows[order]) - pieces.rows[order]
    edges, begin = [MIN_NS], 0
    for place in np.flatnonzero(clean | (running % SLAB_ROWS < pieces.rows[order])).tolist():
        rows = int(running[place]) - begin
        if rows >= (SLAB_ROWS // 8 if clean[place] else 4 * SLAB_ROWS):
            edge = int(first[place])
            edge -= (edge - question.origin) % question.every if question.every else 0
            if edge > edges[-1]:
                edges.append(edge)
                begin = int(running[place])
    return [Interval(start, end) for start, end in pairwise([*edges, MAX_NS])]
