"""Covariance, correlation and beta of two columns over the last `window` rows of each symbol."""

from __future__ import annotations

import math

import numpy as np

from lakehouse.queries.kernels.compiled import Floats, Integers, kernel

COVARIANCE, CORRELATION, BETA = 0, 1, 2


def start_pairs(symbols: int, window: int) -> tuple[Integers, Floats, Floats]:
    """Return the state of `rolling_pairs` before the first row: place, running and block."""
    block = np.full((symbols, window, 5), np.nan)
    block[:, -1] = 0.0
    return np.zeros(symbols, np.int64), np.zeros((symbols, 5)), block


@kernel
def rolling_pairs(
    offsets: Integers,
    values: Floats,
    others: Floats,
    window: int,
    statistic: int,
    place: Integers,
    running: Floats,
    block: Floats,
    out: Floats,
) -> None:
    """Write how two columns move together over each row and the `window - 1` before it.

    The method of `rolling_moments`, with the cross product beside the squares: nothing is subtracted again,
    so there is no drift. Complexity: O(rows), whatever the window.

    Covariance is that of a sample (divided by `window - 1`), correlation is Pearson's, beta is the slope of
    the least squares line of `values` on `others`: covariance / variance of the others.

    NaN rule: NaN until `window` rows were seen, and while a NaN or an infinity of either column is in the
    window, not one row longer; a correlation is NaN where a column does not vary, a beta where the other one
    does not.

    Args:
        offsets: (symbols + 1,) int64; rows `offsets[i]:offsets[i + 1]` are those of symbol i, maybe none.
        values: (rows,) float64, in order of time within a symbol.
        others: (rows,) float64.
        window: rows in a window, 2 or more.
        statistic: COVARIANCE, CORRELATION or BETA.
        place: (symbols,) carried: rows in the block that is filling.
        running: (symbols, 5) carried: both means, both sums of squares and the cross product of those rows.
        block: (symbols, window, 5) carried: from `place` on, the same of what follows in the block before; up
            to it, the pairs of the block that is filling.
        out: (rows,) float64, written.
    """
    for symbol in range(len(offsets) - 1):
        at, x, y = place[symbol], running[symbol, 0], running[symbol, 1]
        xx, yy, xy = running[symbol, 2], running[symbol, 3], running[symbol, 4]
        for row in range(offsets[symbol], offsets[symbol + 1]):
            a, b = values[row], others[row]
            if not (math.isfinite(a) and math.isfinite(b)):
                a, b = math.nan, math.nan
            share, rest = 1.0 / (at + 1), (window - at - 1) / window
            p, q = a - x, b - y
            x += p * share
            y += q * share
            xx += p * (a - x)
            yy += q * (b - y)
            xy += p * (b - y)
            p, q = block[symbol, at, 0] - x, block[symbol, at, 1] - y
            weight = (at + 1) * rest
            squares = xx + block[symbol, at, 2] + p * p * weight
            other_squares = yy + block[symbol, at, 3] + q * q * weight
            product = xy + block[symbol, at, 4] + p * q * weight
            if statistic == 0:
                out[row] = product / (window - 1)
            elif statistic == 1 and squares > 0.0 and other_squares > 0.0:
                ratio = product / (math.sqrt(squares) * math.sqrt(other_squares))
                out[row] = max(-1.0, min(1.0, ratio))
            elif statistic == 2 and other_squares > 0.0:
                out[row] = product / other_squares
            else:
                out[row] = math.nan
            block[symbol, at, 0], block[symbol, at, 1] = a, b
            at += 1
            if at == window:
                x, y, xx, yy, xy = 0.0, 0.0, 0.0, 0.0, 0.0
                for back in range(window - 1, -1, -1):
                    a, b = block[symbol, back, 0], block[symbol, back, 1]
                    block[symbol, back, 0], block[symbol, back, 1] = x, y
                    block[symbol, back, 2], block[symbol, back, 3], block[symbol, back, 4] = xx, yy, xy
                    share = 1.0 / (window - back)
                    p, q = a - x, b - y
                    x += p * share
                    y += q * share
                    xx += p * (a - x)
                    yy += q * (b - y)
                    xy += p * (b - y)
                at, x, y, xx, yy, xy = 0, 0.0, 0.0, 0.0, 0.0, 0.0
        place[symbol], running[symbol, 0], running[symbol, 1] = at, x, y
        running[symbol, 2], running[symbol, 3], running[symbol, 4] = xx, yy, xy
