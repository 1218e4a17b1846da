"""How far and how long each row is below the highest value before it."""

from __future__ import annotations

import math

import numpy as np

from lakehouse.queries.kernels.compiled import Floats, Integers, kernel


def start_drawdown(symbols: int) -> tuple[Floats, Integers]:
    """Return the state of `drawdown` before the first row: peak and its time."""
    return np.full(symbols, np.nan), np.zeros(symbols, np.int64)


@kernel
def drawdown(
    offsets: Integers,
    times: Integers,
    values: Floats,
    peak: Floats,
    peak_time: Integers,
    out: Floats,
    peaks: Floats,
    durations: Integers,
) -> None:
    """Write for each row `value / peak - 1`, the peak, and the time since the peak.

    The peak is the greatest value of the symbol up to the row; a value equal to it is a new peak, of duration
    0.
    Complexity: O(rows). Source: Magdon-Ismail and Atiya 2004.

    NaN rule: a row of NaN has the drawdown NaN, and the peak and duration of the rows before it; before the
    first number the peak is NaN and the duration -1.

    Args:
        offsets: (symbols + 1,) int64; rows `offsets[i]:offsets[i + 1]` are those of symbol i, maybe none.
        times: (rows,) int64, nanoseconds.
        values: (rows,) float64, in order of time within a symbol.
        peak: (symbols,) carried: the greatest value, NaN before the first number.
        peak_time: (symbols,) carried: the time of its last row.
        out: (rows,) float64, written: 0 at a peak, negative below it (where the peak is positive).
        peaks: (rows,) float64, written.
        durations: (rows,) int64, written: nanoseconds, -1 before the first number.
    """
    for symbol in range(len(offsets) - 1):
        high, since = peak[symbol], peak_time[symbol]
        for row in range(offsets[symbol], offsets[symbol + 1]):
            value = values[row]
            if value >= high or (high != high and value == value):
                high, since = value, times[row]
            out[row] = value / high - 1.0 if high != 0.0 else math.nan
            peaks[row] = high
            durations[row] = times[row] - since if high == high else -1
        peak[symbol], peak_time[symbol] = high, since
