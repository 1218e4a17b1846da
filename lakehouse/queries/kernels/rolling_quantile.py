"""A quantile of the last `window` rows of each symbol."""

from __future__ import annotations

import math

import numpy as np

from lakehouse.queries.kernels.compiled import Floats, Integers, kernel


def start_quantile(symbols: int, window: int) -> tuple[Integers, Floats, Floats]:
    """Return the state of `rolling_quantile` before the first row: counts, ring and ranked."""
    return (
        np.zeros((symbols, 2), np.int64),
        np.full((symbols, window), np.nan),
        np.full((symbols, window), np.nan),
    )


@kernel
def rolling_quantile(
    offsets: Integers,
    values: Floats,
    window: int,
    quantile: float,
    counts: Integers,
    ring: Floats,
    ranked: Floats,
    out: Floats,
) -> None:
    """Write a quantile of each row and the `window - 1` before it.

    The window is kept in order: a binary search finds where a value goes, and the values between the one that
    leaves and the one that comes move by one place. Complexity: O(window) a row at worst, yet the moves are
    of neighbours in memory, and about `window / 3` in the middle case.

    Between two values the quantile is on the straight line that joins them (type 7 of Hyndman and Fan 1996,
    the default of numpy, pandas and R).

    NaN rule: NaN until `window` rows were seen, and while a NaN is in the window, not one row longer.
    Infinities are numbers here.

    Args:
        offsets: (symbols + 1,) int64; rows `offsets[i]:offsets[i + 1]` are those of symbol i, maybe none.
        values: (rows,) float64, in order of time within a symbol.
        window: rows in a window, 1 or more.
        quantile: from 0 to 1.
        counts: (symbols, 2) carried: rows seen, and numbers (not NaN) in the window.
        ring: (symbols, window) carried: the last rows, the row seen as n-th at `n % window`; NaN before the
            first.
        ranked: (symbols, window) carried: the numbers in the window, in order.
        out: (rows,) float64, written.
    """
    rank = quantile * (window - 1)
    below = math.floor(rank)
    above, share = min(below + 1, window - 1), rank - below
    for symbol in range(len(offsets) - 1):
        seen, numbers = counts[symbol, 0], counts[symbol, 1]
        for row in range(offsets[symbol], offsets[symbol + 1]):
            value, old = values[row], ring[symbol, seen % window]
            ring[symbol, seen % window] = value
            seen += 1
            gone = numbers  # the place that falls free: that of the old value, or one after the last
            if old == old:
                low, high = 0, numbers - 1
                while low < high:
                    middle = (low + high) >> 1
                    if ranked[symbol, middle] < old:
                        low = middle + 1
                    else:
                        high = middle
                gone, numbers = low, numbers - 1
            if value == value:
                numbers += 1
                while gone > 0 and ranked[symbol, gone - 1] > value:
                    ranked[symbol, gone] = ranked[symbol, gone - 1]
                    gone -= 1
                while gone < numbers - 1 and ranked[symbol, gone + 1] < value:
                    ranked[symbol, gone] = ranked[symbol, gone + 1]
                    gone += 1
                ranked[symbol, gone] = value
            else:
                for place in range(gone, numbers):
                    ranked[symbol, place] = ranked[symbol, place + 1]
            out[row] = math.nan
            if numbers == window:
                lower, upper = ranked[symbol, below], ranked[symbol, above]
                out[row] = lower if lower == upper or share == 0.0 else lower + (upper - lower) * share
        counts[symbol, 0], counts[symbol, 1] = seen, numbers
