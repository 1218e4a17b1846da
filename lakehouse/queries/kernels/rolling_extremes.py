"""Least and greatest of the last `window` rows of each symbol."""

from __future__ import annotations

import math

import numpy as np

from lakehouse.queries.kernels.compiled import Floats, Integers, kernel


def start_extremes(symbols: int, window: int) -> tuple[Integers, Floats, Floats]:
    """Return the state of `rolling_extremes` before the first row: place, running and block."""
    block = np.full((symbols, window), np.nan)
    block[:, -1] = np.inf
    return np.zeros(symbols, np.int64), np.full(symbols, np.inf), block


@kernel
def rolling_extremes(
    offsets: Integers,
    values: Floats,
    window: int,
    sign: float,
    place: Integers,
    running: Floats,
    block: Floats,
    out: Floats,
) -> None:
    """Write the least (sign 1) or greatest (sign -1) of each row and the `window - 1` before it.

    The method of van Herk 1992 and Gil and Werman 1993: a window is the end of one block of `window` rows and
    the beginning of the next; the least of each is known, three comparisons a row in all. A queue of
    candidates (monotonic deque) has the same O(rows), but an inner loop that the processor can not foresee,
    and a carried state of changing length.

    NaN rule: NaN until `window` rows were seen, and while a NaN is in the window, not one row longer.
    Infinities are numbers here.

    Args:
        offsets: (symbols + 1,) int64; rows `offsets[i]:offsets[i + 1]` are those of symbol i, maybe none.
        values: (rows,) float64, in order of time within a symbol.
        window: rows in a window, 1 or more.
        sign: 1.0 for the least, -1.0 for the greatest.
        place: (symbols,) carried: rows in the block that is filling.
        running: (symbols,) carried: the least of those rows.
        block: (symbols, window) carried: from `place` on, the least of what follows in the block before; up
            to it, the values of the block that is filling.
        out: (rows,) float64, written.
    """
    for symbol in range(len(offsets) - 1):
        at, least = place[symbol], running[symbol]
        for row in range(offsets[symbol], offsets[symbol + 1]):
            value = sign * values[row]
            if value < least or value != value:
                least = value
            rest = block[symbol, at]
            if least < rest or least != least:
                rest = least
            out[row] = sign * rest
            block[symbol, at] = value
            at += 1
            if at == window:
                least = math.inf
                for back in range(window - 1, -1, -1):
                    value = block[symbol, back]
                    block[symbol, back] = least
                    if value < least or value != value:
                        least = value
                at, least = 0, math.inf
        place[symbol], running[symbol] = at, least
