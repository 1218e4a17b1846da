"""How the volume of a day is spread over its minutes."""

from __future__ import annotations

import numpy as np

from lakehouse.queries.kernels.compiled import Array, Floats, Integers, inline, kernel


@inline
def _close_day(open_volume: Floats, shares: Floats, days: Integers, g: int, low: int, high: int) -> None:
    """Add the shares of the cells of the open day, and empty them."""
    total = 0.0
    for cell in range(low, high):
        total += open_volume[g, cell]
    if total > 0:
        days[g] += 1
        for cell in range(low, high):
            shares[g, cell] += open_volume[g, cell] / total
            open_volume[g, cell] = 0.0


@kernel
def volume_shares(
    offsets: Integers, times: Integers, size: Array, day_length: int, every: int,
    day: Integers, bounds: Integers, open_volume: Floats, shares: Floats, seen: Array, days: Integers,
) -> None:  # fmt: skip
    """Add the share of each cell in its day's volume to the sum of shares, when the day is over.

    A day without volume does not count; a NaN size is no volume. O(n_rows + cells with rows). The last day of
    a symbol stays open, so that the answer does not depend on how the rows are cut into calls.

    Args:
        offsets: (n_symbols + 1,) int64.
        times: (n_rows,) int64.
        size: (n_rows,) 0 or more.
        day_length: int64, of a day.
        every: int64, of a cell.
        day: (n_symbols,) int64 number of the open day; changed.
        bounds: (n_symbols, 2) int64 first cell of the open day that has a row, and the one after the last;
            changed.
        open_volume: (n_symbols, cells) float64 volume of the open day; changed.
        shares: (n_symbols, cells) float64 sum of shares; changed.
        seen: (n_symbols, cells) bool, whether the cell had a row; changed.
        days: (n_symbols,) int64 number of days; changed.
    """
    for g in range(len(offsets) - 1):
        end_of_day = (day[g] + 1) * day_length
        low, high = bounds[g, 0], bounds[g, 1]
        volume, known = open_volume[g], seen[g]
        i, stop = offsets[g], offsets[g + 1]
        while i < stop:
            t = times[i]
            if t >= end_of_day or t < end_of_day - day_length:
                _close_day(open_volume, shares, days, g, low, high)
                day[g] = t // day_length
                end_of_day = (day[g] + 1) * day_length
                low, high = np.int64(len(volume)), np.int64(0)
            cell = (t - (end_of_day - day_length)) // every
            end_of_cell = end_of_day - day_length + (cell + 1) * every
            low = min(low, cell)
            while True:  # rows of this cell and, without a division, of the next one, and so on
                known[np.uint64(cell)] = True
                if size[i] == size[i]:
                    volume[np.uint64(cell)] += np.float64(size[i])
                i += 1
                if i == stop:
                    break
                t = times[i]
                if t >= end_of_cell:
                    if t >= end_of_cell + every or t >= end_of_day:
                        break
                    cell += 1
                    end_of_cell += every
            high = max(high, cell + 1)
        bounds[g, 0], bounds[g, 1] = low, high


@kernel
def last_shares(
    bounds: Integers, open_volume: Floats, shares: Floats, days: Integers
) -> None:  # fmt: skip
    """Close the open day of every symbol; see `volume_shares`."""
    for g in range(len(days)):
        _close_day(open_volume, shares, days, g, bounds[g, 0], bounds[g, 1])
