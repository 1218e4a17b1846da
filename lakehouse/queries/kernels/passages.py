"""Follow events forward in time, until enough has been traded or a barrier is touched.

Both loops take the rows slab by slab of time, and keep in the state what they know of each event. What they
share:

- `event_offsets` (n_symbols + 1,) int64 and `event_times` (n_events,) int64, sorted by (symbol, time).
- `offsets` (n_symbols + 1,) int64, `times` and `price` (n_rows,): the next rows of the same symbols.
- `deadline` (n_events,) int64: an event ends without a result at the first row after it.
- `open_` (n_events,) bool: whether the event has no end yet; changed, as is all that comes after it.
- `exit_time` (n_events,) int64 and `exit_price` (n_events,) float64: the result.

Rows with a NaN price, or where there is a size a NaN size, are skipped.
"""

from __future__ import annotations

import numpy as np

from lakehouse.queries.kernels.compiled import Array, Floats, Integers, inline, kernel

_BLOCK = 256


@inline
def _first_not_before(times: Integers, low: int, high: int, instant: int) -> int:
    """Return the first row of low:high whose time is not earlier."""
    while low < high:
        middle = (low + high) >> 1
        if times[middle] < instant:
            low = middle + 1
        else:
            high = middle
    return low


@inline
def _block_sums(price: Array, size: Array, begin: int, end: int, sums: Floats) -> None:
    """Sum the sizes of each block of rows."""
    for block in range(len(sums)):
        total = 0.0
        for i in range(begin + block * _BLOCK, min(begin + (block + 1) * _BLOCK, end)):
            if price[i] == price[i] and size[i] == size[i]:
                total += np.float64(size[i])
        sums[block] = total


@kernel
def volume_passages(
    event_offsets: Integers, event_times: Integers, deadline: Integers,
    offsets: Integers, times: Integers, price: Array, size: Array,
    open_: Array, need: Floats, exit_time: Integers, exit_price: Floats,
) -> None:  # fmt: skip
    """End each event with the row, later than it, that brings the volume since then to what it needs.

    `need` (n_events,) float64 is what is still to be traded. O(n_rows), and for each event the logarithm of
    the rows, and one step for each 256 rows that it waits: whole blocks of volume are leapt over.
    """
    for g in range(len(event_offsets) - 1):
        begin, end = offsets[g], offsets[g + 1]
        sums = np.empty((end - begin + _BLOCK - 1) // _BLOCK)
        summed = False
        for e in range(event_offsets[g], event_offsets[g + 1]):
            if not open_[e] or begin == end or times[end - 1] <= event_times[e]:
                continue
            i = _first_not_before(times, begin, end, event_times[e] + 1)
            steps = 0
            while i < end:
                if steps >= _BLOCK and (i - begin) % _BLOCK == 0:
                    if not summed:
                        _block_sums(price, size, begin, end, sums)
                        summed = True
                    block = (i - begin) // _BLOCK
                    last = min(i + _BLOCK, end) - 1
                    if sums[block] < need[e] and times[last] <= deadline[e]:
                        need[e] -= sums[block]
                        i = last + 1
                        continue
                if times[i] > deadline[e]:
                    open_[e] = False
                    break
                if price[i] == price[i] and size[i] == size[i]:
                    need[e] -= np.float64(size[i])
                    if need[e] <= 0:
                        open_[e] = False
                        exit_time[e], exit_price[e] = times[i], price[i]
                        break
                steps += 1
                i += 1


@kernel
def barrier_touches(
    event_offsets: Integers, event_times: Integers, deadline: Integers,
    upper: Floats, lower: Floats, side: Floats,
    offsets: Integers, times: Integers, price: Array,
    open_: Array, entry: Floats, label: Integers, exit_time: Integers, exit_price: Floats,
) -> None:  # fmt: skip
    """End each event with the first row whose return reaches a barrier, or with the last row in time.

    The event enters at the price of the first row at or after it (`entry`, NaN before); the return is
    side * (price / entry - 1). `label` is 1 where it is at or above `upper`, -1 where it is at or below
    -`lower`, 0 at the deadline; a NaN barrier is none. O(rows that the events wait). Source: M. Lopez de
    Prado, Advances in Financial Machine Learning (Wiley, 2018), sections 3.4 and 3.5.
    """
    for g in range(len(event_offsets) - 1):
        begin, end = offsets[g], offsets[g + 1]
        for e in range(event_offsets[g], event_offsets[g + 1]):
            if not open_[e] or begin == end or times[end - 1] < event_times[e]:
                continue
            i = _first_not_before(times, begin, end, event_times[e])
            while i < end:
                if times[i] > deadline[e]:
                    open_[e] = False
                    break
                p = np.float64(price[i])
                if p == p:
                    if entry[e] != entry[e]:
                        entry[e] = p
                    exit_time[e], exit_price[e] = times[i], p
                    gain = side[e] * (p / entry[e] - 1.0)
                    if gain >= upper[e] or gain <= -lower[e]:
                        label[e] = 1 if gain >= upper[e] else -1
                        open_[e] = False
                        break
                i += 1
