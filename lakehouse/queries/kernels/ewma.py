"""Exponentially weighted mean and variance of each symbol."""

from __future__ import annotations

import math

import numpy as np

from lakehouse.queries.kernels.compiled import Floats, Integers, kernel

MEAN, SQUARE, VARIANCE = 0, 1, 2


def start_ewma(symbols: int) -> Floats:
    """Return the state of `ewma` before the first row."""
    return np.full((symbols, 2), np.nan)


@kernel
def ewma(
    offsets: Integers,
    values: Floats,
    alpha: float,
    statistic: int,
    state: Floats,
    out: Floats,
) -> None:
    """Write an exponentially weighted statistic of the values up to each row.

    The mean begins at the first value, then `mean = (1 - alpha) * mean + alpha * value`; the mean of squares
    is the same of squared values: the variance around zero of RiskMetrics (J.P. Morgan 1996, with alpha
    0.06). The variance around the weighted mean follows West 1979: `variance = (1 - alpha) * (variance +
    alpha * step**2)` with the step from the mean before; it begins at 0. An error of one row fades as its
    weight does, so nothing drifts. Complexity: O(rows).

    NaN rule: a row of NaN (or infinity) gives NaN and changes nothing: later rows are as if it were not
    there.

    Args:
        offsets: (symbols + 1,) int64; rows `offsets[i]:offsets[i + 1]` are those of symbol i, maybe none.
        values: (rows,) float64, in order of time within a symbol.
        alpha: weight of the newest value, above 0 and up to 1.
        statistic: MEAN, SQUARE or VARIANCE.
        state: (symbols, 2) carried: mean (of squares) and variance, NaN before the first value.
        out: (rows,) float64, written.
    """
    for symbol in range(len(offsets) - 1):
        mean, variance = state[symbol, 0], state[symbol, 1]
        for row in range(offsets[symbol], offsets[symbol + 1]):
            value = values[row]
            if not math.isfinite(value):
                out[row] = math.nan
                continue
            if statistic == 1:
                value *= value
            if mean != mean:
                mean, variance = value, 0.0
            step = value - mean
            mean += alpha * step
            variance = (1.0 - alpha) * (variance + alpha * step * step)
            out[row] = variance if statistic == 2 else mean
        state[symbol, 0], state[symbol, 1] = mean, variance
