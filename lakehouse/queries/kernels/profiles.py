"""How the volume of a day is spread over its minutes."""

from __future__ import annotations

import numpy as np

from lakehouse.queries.kernels.compiled import Array, Floats, Integers, inline, kernel


@inline
def _close(open_volume: Floats, shares: Floats, days: Integers, g: int) -> None:
    """Add the shares of the open day, and empty it."""
    total = 0.0
    for cell in range(open_volume.shape[1]):
        total += open_volume[g, cell]
    if total > 0:
        days[g] += 1
        for cell in range(open_volume.shape[1]):
            shares[g, cell] += open_volume[g, cell] / total
            open_volume[g, cell] = 0.0


@kernel
def volume_shares(
    offsets: Integers, times: Integers, size: Array, day_length: int, every: int,
    day: Integers, filled: Array, open_volume: Floats, shares: Floats, seen: Array, days: Integers,
) -> None:  # fmt: skip
    """Add each row's share of its day's volume to its cell of the day; the last day of a symbol stays open.

    A day without volume does not count; a NaN size is no volume. O(n_rows), and O(cells) for each symbol.

    Args:
        offsets: (n_symbols + 1,) int64.
        times: (n_rows,) int64.
        size: (n_rows,) 0 or more.
        day_length: int64, of a day.
        every: int64, of a cell.
        day: (n_symbols,) int64 number of the open day; changed.
        filled: (n_symbols,) bool, whether it has volume; changed.
        open_volume: (n_symbols, cells) float64 volume of the open day; changed.
        shares: (n_symbols, cells) float64 sum of shares; changed.
        seen: (n_symbols, cells) bool, whether the cell had a row; changed.
        days: (n_symbols,) int64 number of days; changed.
    """
    for g in range(len(offsets) - 1):
        i, end = offsets[g], offsets[g + 1]
        while i < end:
            today = times[i] // day_length
            base = today * day_length
            j = i
            total = 0.0
            while j < end and times[j] - base < day_length:
                if size[j] == size[j]:
                    total += np.float64(size[j])
                j += 1
            if today != day[g] and filled[g]:
                _close(open_volume, shares, days, g)
                filled[g] = False
            whole = today != day[g] and j < end
            day[g] = today
            if whole and total > 0:
                days[g] += 1
            scale = 1.0 / total if total > 0 else 0.0
            for row in range(i, j):
                cell = (times[row] - base) // every
                seen[g, cell] = True
                if size[row] == size[row]:
                    if whole:
                        shares[g, cell] += np.float64(size[row]) * scale
                    else:
                        open_volume[g, cell] += np.float64(size[row])
                        filled[g] = True
            i = j
