"""Mean, standard deviation and z-score of the last `window` rows of each symbol."""

from __future__ import annotations

import math

import numpy as np

from lakehouse.queries.kernels.compiled import Floats, Integers, kernel

MEAN, DEVIATION, SCORE = 0, 1, 2


def start_moments(symbols: int, window: int) -> tuple[Integers, Floats, Floats]:
    """Return the state of `rolling_moments` before the first row: place, running and block."""
    block = np.full((symbols, window, 2), np.nan)
    block[:, -1] = 0.0
    return np.zeros(symbols, np.int64), np.zeros((symbols, 2)), block


@kernel
def rolling_moments(
    offsets: Integers,
    values: Floats,
    window: int,
    statistic: int,
    scale: float,
    place: Integers,
    running: Floats,
    block: Floats,
    out: Floats,
) -> None:
    """Write `scale` times a statistic of each row and the `window - 1` before it.

    Rows are cut into blocks of `window`. A window is the end of one block and the beginning of the next, and
    both parts are known: the beginning is built up row by row (Welford 1962), the ends of a block all at once
    when it is full, backwards; the two are joined as in Chan, Golub and LeVeque 1979. Nothing is ever
    subtracted again, so no error drifts along, and a spike leaves no trace once it has left the window: as
    exact as Welford's method on each window alone. Complexity: O(rows), whatever the window; the state holds
    `window` pairs a symbol.

    NaN rule: NaN until `window` rows were seen, and while a NaN or an infinity is in the window, not one row
    longer. The deviation is that of a sample (divided by `window - 1`); a z-score is NaN where it is zero.

    Args:
        offsets: (symbols + 1,) int64; rows `offsets[i]:offsets[i + 1]` are those of symbol i, maybe none.
        values: (rows,) float64, in order of time within a symbol.
        window: rows in a window, 1 or more; 2 or more for a deviation or a z-score.
        statistic: MEAN, DEVIATION or SCORE.
        scale: factor of the result, such as the root of the periods of a year.
        place: (symbols,) carried: rows in the block that is filling.
        running: (symbols, 2) carried: mean and sum of squares around it of those rows.
        block: (symbols, window, 2) carried: from `place` on, mean and sum of squares of what follows in the
            block before; up to it, the values of the block that is filling.
        out: (rows,) float64, written.
    """
    for symbol in range(len(offsets) - 1):
        at, mean, squares = place[symbol], running[symbol, 0], running[symbol, 1]
        for row in range(offsets[symbol], offsets[symbol + 1]):
            value = values[row]
            if not math.isfinite(value):
                value = math.nan
            count, rest = at + 1, window - at - 1
            step = value - mean
            mean += step * (1.0 / count)
            squares += step * (value - mean)
            gap = block[symbol, at, 0] - mean
            whole = mean + gap * (rest / window)
            if statistic == 0:
                out[row] = scale * whole
            else:
                spread = squares + block[symbol, at, 1] + gap * gap * (count * (rest / window))
                deviation = math.sqrt(spread / (window - 1))
                if statistic == 1:
                    out[row] = scale * deviation
                elif deviation > 0.0:
                    out[row] = scale * ((value - whole) / deviation)
                else:
                    out[row] = math.nan
            block[symbol, at, 0] = value
            at += 1
            if at == window:
                at, mean, squares = 0, 0.0, 0.0
                for back in range(window - 1, -1, -1):
                    value = block[symbol, back, 0]
                    block[symbol, back, 0], block[symbol, back, 1] = mean, squares
                    step = value - mean
                    mean += step * (1.0 / (window - back))
                    squares += step * (value - mean)
                mean, squares = 0.0, 0.0
        place[symbol], running[symbol, 0], running[symbol, 1] = at, mean, squares
