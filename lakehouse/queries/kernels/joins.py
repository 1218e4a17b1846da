"""Find for each row of one table the row of another that stands nearest in time."""

from __future__ import annotations

import numpy as np

from lakehouse.queries.kernels.compiled import Array, Integers, inline, kernel

_FEW = 8


@inline
def _after(times: Integers, low: int, high: int, instant: int) -> int:
    """Return the first row of low:high whose time is later; near ones are found in a few steps."""
    j = low
    few = min(low + _FEW, high)
    while j < few and times[j] <= instant:
        j += 1
    if j < few or j == high:
        return j
    step = 1
    while j + step < high and times[j + step] <= instant:
        j += step
        step *= 2
    high = min(j + step, high)
    while j < high:
        middle = (j + high) >> 1
        if times[middle] <= instant:
            j = middle + 1
        else:
            high = middle
    return j


@kernel
def nearest_rows(
    left_offsets: Integers, left_times: Integers, right_offsets: Integers, right_times: Integers,
    direction: int, tolerance: int, out: Integers,
) -> None:  # fmt: skip
    """Write the row of the right side for each row of the left side; -1 where there is none.

    Both sides are sorted by (symbol, time). O(n_left log gap + n_right) at most: where the right side has
    many rows between two of the left they are leapt over. There is no NaN: times are integers.

    Args:
        left_offsets: (n_symbols + 1,) int64.
        left_times: (n_left,) int64.
        right_offsets: (n_symbols + 1,) int64, of the same symbols.
        right_times: (n_right,) int64.
        direction: 0 the last row at or before, 1 the first row at or after, 2 the nearer of both, on a tie
            the one before.
        tolerance: the most nanoseconds between both; -1 for any.
        out: (n_left,) int64 result.
    """
    for g in range(len(left_offsets) - 1):
        begin, end = right_offsets[g], right_offsets[g + 1]
        j = begin  # first row later than the left one
        f = begin  # first row not earlier than the left one
        for i in range(left_offsets[g], left_offsets[g + 1]):
            t = left_times[i]
            found = np.int64(-1)
            if direction != 1:
                j = _after(right_times, j, end, t)
                if j > begin:
                    found = np.int64(j - 1)
            if direction != 0:
                f = _after(right_times, f, end, t - 1)
                if f < end and (found < 0 or right_times[f] - t < t - right_times[found]):
                    found = np.int64(f)
            if found >= 0 and tolerance >= 0 and abs(right_times[found] - t) > tolerance:
                found = np.int64(-1)
            out[i] = found


@kernel
def gather(values: Array, rows: Integers, out: Array) -> int:
    """Write values[rows], the first value where a row is -1, and return how many those are. O(n_rows)."""
    missing = 0
    for i in range(len(rows)):
        row = rows[i]
        if row < 0:
            row = 0
            missing += 1
        out[i] = values[row]
    return missing
