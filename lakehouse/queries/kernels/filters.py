"""Sample a series when something has happened."""

from __future__ import annotations

import numpy as np

from lakehouse.queries.kernels.compiled import Array, Floats, Integers, kernel


@kernel
def cumulative_sums(
    offsets: Integers, values: Array, threshold: float, change: int, state: Floats, rows: Integers,
    sides: Integers, counts: Integers,
) -> None:  # fmt: skip
    """Find the rows at which a series has moved, up or down from its extreme, by more than a threshold.

    The symmetric CUSUM filter: up = max(0, up + x), down = min(0, down + x); an event where up or -down is
    above the threshold, which sets that sum to 0. Rows with a NaN value are skipped. O(n_rows). Source:
    M. Lopez de Prado, Advances in Financial Machine Learning (Wiley, 2018), section 2.5.2.1.

    Args:
        offsets: (n_symbols + 1,) int64.
        values: (n_rows,).
        threshold: above 0.
        change: x is 0 the difference, 1 the simple return, 2 the log return.
        state: (n_symbols, 3) float64: last value (NaN at first), up, down; changed.
        rows: (n_rows,) int64 result: rows of events.
        sides: (n_rows,) int64 result: 1 up, -1 down.
        counts: (n_symbols,) int64 result: events of each symbol.
    """
    k = 0
    for g in range(len(offsets) - 1):
        first = k
        last, up, down = state[g, 0], state[g, 1], state[g, 2]
        for i in range(offsets[g], offsets[g + 1]):
            value = np.float64(values[i])
            if value != value:
                continue
            x = value - last
            if change == 1:
                x = value / last - 1.0
            elif change == 2:
                x = np.log(value / last)
            last = value
            if x != x:  # the first value of the symbol, or no logarithm
                continue
            up = max(0.0, up + x)
            down = min(0.0, down + x)
            if down < -threshold:
                down = 0.0
                rows[k], sides[k] = i, -1
                k += 1
            elif up > threshold:
                up = 0.0
                rows[k], sides[k] = i, 1
                k += 1
        state[g, 0], state[g, 1], state[g, 2] = last, up, down
        counts[g] = k - first
