"""Rows of order books in the order in which they apply, and the books that they are applied to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lakehouse.errors import ArgumentError
from lakehouse.partitions.sorting import Symbols
from lakehouse.queries.kernels.compiled import Floats
from lakehouse.queries.kernels.order_book import ASK, BID, NO_TIME, apply_levels, start_book
from lakehouse.queries.rows import Integers, Rows

if TYPE_CHECKING:
    import pyarrow as pa

Written = tuple[int, Integers, Floats]

SIDES = {"bid": BID, "buy": BID, "b": BID, "ask": ASK, "sell": ASK, "a": ASK, "s": ASK}
_ROWS_AT_ONCE = 1 << 14
_LEAST, _MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Events:
    """Rows of snapshots and changes of some symbols, each in the order in which they apply."""

    offsets: Integers
    """(n_symbols + 1,) rows of each symbol"""
    times: Integers
    """(n_rows,) UTC nanoseconds"""
    sides: Integers
    """(n_rows,) BID or ASK"""
    prices: Floats
    """(n_rows,)"""
    sizes: Floats
    """(n_rows,)"""
    numbers: Integers
    """(n_rows,) of the feed; above all for changes and below all for snapshots without numbers"""
    whole: Integers
    """(n_rows,) 1 in snapshots, else 0"""

    @classmethod
    def none(cls, symbols: int) -> Events:
        """Return no rows."""
        rows, numbers = np.zeros(0, np.int64), np.zeros(0)
        return cls(np.zeros(symbols + 1, np.int64), rows, rows, numbers, numbers, rows, rows)


def events_of(rows: Rows, columns: tuple[str, ...], side: str, *, whole: bool) -> Events:
    """Return rows as events.

    Args:
        rows: of snapshots or changes.
        columns: of prices, of sizes, and maybe of numbers.
        side: column of sides.
        whole: whether they are snapshots.

    Raises:
        ArgumentError: a side is unknown, or a size negative.
    """
    prices, sizes = (rows.columns[name].astype(np.float64) for name in columns[:2])
    if np.any(sizes < 0):
        raise ArgumentError(f"Column {columns[1]!r} has a negative size.", hint="Size 0 removes a price.")
    numbers = np.full(len(rows), _LEAST if whole else _MOST)
    if len(columns) > 2:
        numbers = _whole_numbers(rows.columns[columns[2]], missing=_MOST if whole else _LEAST)
    sides = _codes(rows.carried[side], side)
    return Events(rows.offsets, rows.times, sides, prices, sizes, numbers, np.full(len(rows), int(whole)))


def merged(snapshots: Events, changes: Events) -> Events:
    """Return the rows of both in order of (symbol, time); at equal times snapshots come first."""
    if not len(snapshots.times):
        return changes
    counts = np.diff(snapshots.offsets) + np.diff(changes.offsets)
    both = (snapshots, changes)
    symbols = [np.repeat(np.arange(len(counts)), np.diff(each.offsets)) for each in both]
    times = np.concatenate([snapshots.times, changes.times])
    order = np.lexsort((times, np.concatenate(symbols)))  # stable: of equals, those of snapshots are first
    columns = (
        np.concatenate([getattr(each, name) for each in both])[order]
        for name in ("sides", "prices", "sizes", "numbers", "whole")
    )
    return Events(np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]), times[order], *columns)


class Books:
    """The books of some symbols."""

    def __init__(self, symbols: int, depth: int, keep: int, *, known: bool) -> None:
        """Begin with empty books.

        Args:
            symbols: how many.
            depth: levels a side to write.
            keep: levels a side that are kept; 0 for all.
            known: whether a book is known before the first snapshot.
        """
        self._depth, self._keep = depth, keep
        self._books = [start_book() for _ in range(symbols)]
        self._number = np.full(symbols, _LEAST if known else _MOST)

    def apply(self, events: Events, cells: Integers) -> list[Written]:
        """Apply rows, and return the symbol, times and best levels of the books that are complete.

        Args:
            events: of all symbols.
            cells: (n_rows,) rising within a symbol: rows of one cell give one book.
        """
        found: list[Written] = []
        for symbol in range(len(self._books)):
            rows = np.arange(events.offsets[symbol], events.offsets[symbol + 1])
            if not len(rows):
                continue
            kept = rows[self._follow(symbol, events, rows)]
            resets = _resets(events, kept)
            for start in range(0, len(kept), _ROWS_AT_ONCE):
                part = slice(start, start + _ROWS_AT_ONCE)
                found += self._levels(symbol, events, cells, kept[part], resets[part])
        return found

    def flush(self) -> list[Written]:
        """Return the books that were not complete, as no later row has come."""
        found: list[Written] = []
        zero, nothing = np.zeros(1, np.int64), np.full(1, np.nan)
        for symbol, (book, counts, pending) in enumerate(self._books):
            if pending[0] != NO_TIME:
                times, levels = np.empty(2, np.int64), np.empty((2, 4, self._depth))
                later = pending[1:2] + 1
                apply_levels(
                    0, later, later, zero, nothing, nothing, zero, 0, self._depth, book, counts, pending,
                    times, levels,
                )  # fmt: skip
                pending[0] = NO_TIME
                found.append((symbol, times[:1], levels[:1]))
        return found

    def crossed(self) -> tuple[int, int] | None:
        """Return the first symbol whose book was crossed, and when it first was."""
        for symbol, (_, _, pending) in enumerate(self._books):
            if pending[2]:
                return symbol, int(pending[3])
        return None

    def _follow(self, symbol: int, events: Events, rows: Integers) -> npt.NDArray[np.bool_]:
        """Say which rows count: snapshots, and changes with numbers above that of the snapshot before."""
        whole, numbers = events.whole[rows] == 1, events.numbers[rows]
        last = np.maximum.accumulate(np.where(whole, np.arange(len(rows)), -1))
        basis = np.where(last < 0, self._number[symbol], numbers[last])
        self._number[symbol] = basis[-1]
        followed: npt.NDArray[np.bool_] = whole | (numbers > basis)
        return followed

    def _levels(
        self, symbol: int, events: Events, cells: Integers, rows: Integers, resets: Integers
    ) -> Iterator[Written]:
        times, slots, sides = events.times[rows], cells[rows], events.sides[rows]
        prices, sizes = events.prices[rows], events.sizes[rows]
        done = 0
        while done < len(rows):
            book, counts, pending = self._books[symbol]
            out_times, out = np.empty(len(rows) + 1, np.int64), np.empty((len(rows) + 1, 4, self._depth))
            done, written = apply_levels(
                done, times, slots, sides, prices, sizes, resets, self._keep, self._depth,
                book, counts, pending, out_times, out,
            )  # fmt: skip
            if done < len(rows):
                self._books[symbol] = np.concatenate([book, np.zeros_like(book)], axis=2), counts, pending
            yield symbol, out_times[:written], out[:written]


def _whole_numbers(values: npt.NDArray[Any], *, missing: int) -> Integers:
    """Return numbers of a feed as int64: as float64 those that are nanoseconds would run into each other."""
    if values.dtype.kind != "f":
        return values.astype(np.int64)
    there = np.isfinite(values)
    found: Integers = np.where(there, values, 0).astype(np.int64)
    found[~there] = missing
    return found


def _resets(events: Events, rows: Integers) -> Integers:
    """Return 1 for the first row of each snapshot, else 0."""
    times, whole = events.times[rows], events.whole[rows]
    first = np.ones(len(rows), np.bool_)
    first[1:] = (whole[1:] != whole[:-1]) | (times[1:] != times[:-1])
    resets: Integers = (first & (whole == 1)).astype(np.int64)
    return resets


def _codes(column: pa.ChunkedArray, name: str) -> Integers:
    """Return the sides of texts."""
    strange = ["null"] * column.null_count
    if not strange:
        texts = Symbols.of(column, len(column))
        strange = [repr(text) for text in texts.names if text.lower() not in SIDES]
    if strange:
        raise ArgumentError(f"Column {name!r} has the side {strange[0]}; sides are {', '.join(SIDES)}.")
    codes = np.array([SIDES[text.lower()] for text in texts.names], np.int64)
    of_row: Integers = codes[texts.codes]
    return of_row
