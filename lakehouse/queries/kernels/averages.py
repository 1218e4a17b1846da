"""Average prices of cells of time, weighted by volume or by time: loops that carry the open cells."""

from __future__ import annotations

import numpy as np

from lakehouse.queries.kernels.compiled import Array, Floats, Integers, kernel


@kernel
def volume_weighted(
    offsets: Integers, times: Integers, price: Array, size: Array, every: int, origin: int,
    cell: Integers, sums: Floats, out_time: Integers, out: Floats, counts: Integers,
) -> None:  # fmt: skip
    """Write sum(price * size) / sum(size) of each cell of `every` nanoseconds after `origin`.

    Rows with a NaN price or size are skipped; a cell of no volume is NaN. O(n_rows).

    Args:
        offsets: (n_symbols + 1,) int64.
        times: (n_rows,) int64.
        price: (n_rows,).
        size: (n_rows,).
        every: int64; 0 for one cell that never ends.
        origin: int64.
        cell: (n_symbols,) int64 start of the open cell; changed.
        sums: (n_symbols, 3) float64: price * size and size of the open cell, and its rows; changed.
        out_time: (n_rows + n_symbols,) int64 result.
        out: (n_rows + n_symbols,) float64 result.
        counts: (n_symbols,) int64 result: cells of each symbol.
    """
    k = 0
    for g in range(len(offsets) - 1):
        first = k
        start, money, volume, n = cell[g], sums[g, 0], sums[g, 1], sums[g, 2]
        end = start + every
        for i in range(offsets[g], offsets[g + 1]):
            p, v = np.float64(price[i]), np.float64(size[i])
            if p != p or v != v:
                continue
            if n == 0 or (every > 0 and times[i] >= end):
                if n > 0:
                    out_time[k], out[k] = start, money / volume
                    k += 1
                start = times[i] - (times[i] - origin) % every if every > 0 else times[i]
                end = start + every
                money = volume = n = 0.0
            money += p * v
            volume += v
            n += 1
        cell[g], sums[g, 0], sums[g, 1], sums[g, 2] = start, money, volume, n
        counts[g] = k - first
