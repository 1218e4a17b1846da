"""An order book by price from snapshots and changes, and its best levels after each time."""

from __future__ import annotations

import math

import numpy as np

from lakehouse.queries.kernels.compiled import Floats, Integers, kernel

BID, ASK = 0, 1
NO_TIME = -(2**63)


def start_book(levels: int = 64) -> tuple[Floats, Integers, Integers]:
    """Return the state of `apply_levels` before the first row: book, counts and pending."""
    return np.zeros((2, 2, levels)), np.zeros(2, np.int64), np.array([NO_TIME, 0, 0, 0])


@kernel
def apply_levels(
    start: int,
    times: Integers,
    slots: Integers,
    sides: Integers,
    prices: Floats,
    sizes: Floats,
    resets: Integers,
    keep: int,
    depth: int,
    book: Floats,
    counts: Integers,
    pending: Integers,
    out_times: Integers,
    out: Floats,
) -> tuple[int, int]:
    """Apply rows to the book of one symbol, and write the best levels before a row of another time slot.

    A row sets the size that rests at a price; size 0 removes the price. Rows of one slot are one step: only
    the book after the last of them is written. Levels lie in order, the best ones last, so that a change near
    the top of the book moves little. Complexity: O(log(levels) + levels better than the row) a row, O(depth)
    a time.

    NaN rule: a row whose price or size is NaN is left out (an empty snapshot is one such row). Levels that
    the book does not have are written as NaN.

    Args:
        start: the first row to apply.
        times: (rows,) int64, in order.
        slots: (rows,) int64, in order: which rows belong together.
        sides: (rows,) int64, BID or ASK.
        prices: (rows,) float64.
        sizes: (rows,) float64.
        resets: (rows,) int64: 1 at the first row of a snapshot, which empties the book; else 0.
        keep: levels a side that the feed maintains: worse ones are forgotten; 0 for all.
        depth: levels a side to write.
        book: (2, 2, capacity) float64 carried: a side's prices (of asks: minus the price) and sizes.
        counts: (2,) int64 carried: levels of each side.
        pending: (4,) int64 carried: time and slot of the last row applied, NO_TIME before it; how many books
            written so far were crossed (best bid at or above best ask), and the time of the first of them.
        out_times: (rows + 1,) int64, written.
        out: (rows + 1, 4, depth) float64, written: bid prices, bid sizes, ask prices, ask sizes, best first.

    Returns:
        The first row not applied, and the number of books written: less than all rows where the capacity is
        used up. Then enlarge the book and go on from there.
    """
    written = 0
    for row in range(start, len(times)):
        side = sides[row]
        if counts[side] == book.shape[2]:
            return row, written
        if pending[0] != NO_TIME and slots[row] != pending[1]:
            out_times[written] = pending[0]
            for half in range(2):
                sign = 1.0 - 2.0 * half
                for level in range(depth):
                    place = counts[half] - 1 - level
                    out[written, 2 * half, level] = sign * book[half, 0, place] if place >= 0 else math.nan
                    out[written, 2 * half + 1, level] = book[half, 1, place] if place >= 0 else math.nan
            if counts[0] > 0 and counts[1] > 0 and book[0, 0, counts[0] - 1] >= -book[1, 0, counts[1] - 1]:
                if pending[2] == 0:
                    pending[3] = pending[0]
                pending[2] += 1
            written += 1
        pending[0], pending[1] = times[row], slots[row]
        if resets[row] == 1:
            counts[0], counts[1] = 0, 0
        price, size = prices[row], sizes[row]
        if price != price or size != size:
            continue
        key = price if side == 0 else -price
        low, high = 0, counts[side]
        while low < high:
            middle = (low + high) >> 1
            if book[side, 0, middle] < key:
                low = middle + 1
            else:
                high = middle
        known = low < counts[side] and book[side, 0, low] == key
        if size != 0.0 and not known:
            for place in range(counts[side], low, -1):
                book[side, 0, place], book[side, 1, place] = (
                    book[side, 0, place - 1],
                    book[side, 1, place - 1],
                )
            counts[side] += 1
        if size != 0.0:
            book[side, 0, low], book[side, 1, low] = key, size
        extra = 0 < keep < counts[side]  # the worst level, at place 0, falls out
        if extra or (size == 0.0 and known):
            counts[side] -= 1
            for place in range(0 if extra else low, counts[side]):
                book[side, 0, place], book[side, 1, place] = (
                    book[side, 0, place + 1],
                    book[side, 1, place + 1],
                )
    return len(times), written
