"""Average prices of cells of time, weighted by volume or by time: loops that carry the open cells."""

from __future__ import annotations

import numpy as np

from lakehouse.queries.kernels.compiled import Array, Floats, Integers, inline, kernel


@kernel
def cell_runs(
    offsets: Integers, times: Integers, every: int, origin: int,
    out_offsets: Integers, out_codes: Integers, out_times: Integers,
) -> int:  # fmt: skip
    """Cut rows into runs of one symbol and one cell of time, and return how many there are. O(n_rows).

    Args:
        offsets: (n_symbols + 1,) int64.
        times: (n_rows,) int64.
        every: int64 length of a cell; 0 for a single one.
        origin: int64, where a cell begins.
        out_offsets: (n_rows + 1,) int64 result: first row of each run, and the number of rows.
        out_codes: (n_rows,) int64 result: symbol of each run.
        out_times: (n_rows,) int64 result: first time of each run.
    """
    k = 0
    for g in range(len(offsets) - 1):
        end = np.int64(0)
        for i in range(offsets[g], offsets[g + 1]):
            if i == offsets[g] or (every > 0 and times[i] >= end):
                out_offsets[k], out_codes[k], out_times[k] = i, g, times[i]
                k += 1
                if every > 0:
                    end = times[i] - (times[i] - origin) % every + every
    out_offsets[k] = offsets[len(offsets) - 1]
    return k


@inline
def _add_sums(price: Array, size: Array, low: int, high: int, sums: Floats) -> None:
    """Add price * size, size and the number of rows low:high to (3,) sums; rows with a NaN are skipped.

    Eight sums run beside each other: one alone would wait for each addition before it began the next.
    """
    money, volume = np.zeros(8), np.zeros(8)
    n = 0
    whole = low + (high - low) // 8 * 8
    for start in range(low, whole, 8):
        for k in range(8):
            p, v = np.float64(price[start + k]), np.float64(size[start + k])
            known = p == p and v == v
            money[k] += p * v if known else 0.0
            volume[k] += v if known else 0.0
            n += known
    for i in range(whole, high):
        p, v = np.float64(price[i]), np.float64(size[i])
        if p == p and v == v:
            money[0] += p * v
            volume[0] += v
            n += 1
    for k in range(8):
        sums[0] += money[k]
        sums[1] += volume[k]
    sums[2] += n


@kernel
def volume_weighted(
    run_offsets: Integers, run_codes: Integers, run_times: Integers, price: Array, size: Array,
    every: int, origin: int, cell: Integers, sums: Floats, out_time: Integers, out: Floats, counts: Integers,
) -> None:  # fmt: skip
    """Write sum(price * size) / sum(size) of each cell of `every` nanoseconds after `origin`.

    Rows with a NaN price or size are skipped; a cell of no volume is NaN. O(n_rows).

    Args:
        run_offsets: (n_runs + 1,) int64; a run has rows of one symbol and one cell.
        run_codes: (n_runs,) int64 symbol of each run, rising.
        run_times: (n_runs,) int64 a time of its cell, rising within a symbol.
        price: (n_rows,).
        size: (n_rows,).
        every: int64; 0 for one cell that never ends.
        origin: int64.
        cell: (n_symbols,) int64 start of the open cell; changed.
        sums: (n_symbols, 3) float64: price * size and size of the open cell, and its rows; changed.
        out_time: (n_runs,) int64 result.
        out: (n_runs,) float64 result.
        counts: (n_symbols,) int64 result: cells of each symbol.
    """
    k = 0
    for run in range(len(run_codes)):
        g = run_codes[run]
        start = run_times[run]
        if every > 0:
            start -= (start - origin) % every
        if sums[g, 2] > 0 and every > 0 and start != cell[g]:
            out_time[k], out[k] = cell[g], sums[g, 0] / sums[g, 1]
            sums[g, 0], sums[g, 1], sums[g, 2] = 0.0, 0.0, 0.0
            counts[g] += 1
            k += 1
        cell[g] = start
        _add_sums(price, size, run_offsets[run], run_offsets[run + 1], sums[g])


@kernel
def time_weighted(
    offsets: Integers, times: Integers, price: Array, every: int, origin: int,
    cell: Integers, latest: Integers, sums: Floats, out_time: Integers, out: Floats, counts: Integers,
) -> None:  # fmt: skip
    """Write the average price over time from the first to the last row of each cell.

    A price holds until the next row of the cell; the last one has no weight, and rows of one time only give
    their plain mean. Rows with a NaN price are skipped. O(n_rows).

    Args:
        offsets: (n_symbols + 1,) int64.
        times: (n_rows,) int64.
        price: (n_rows,).
        every: int64; 0 for one cell that never ends.
        origin: int64.
        cell: (n_symbols,) int64 start of the open cell; changed.
        latest: (n_symbols,) int64 time of its last row; changed.
        sums: (n_symbols, 5) float64: price * time, time, last price, sum of prices, rows; changed.
        out_time: (n_rows + n_symbols,) int64 result.
        out: (n_rows + n_symbols,) float64 result.
        counts: (n_symbols,) int64 result: cells of each symbol.
    """
    k = 0
    for g in range(len(offsets) - 1):
        first = k
        start, before = cell[g], latest[g]
        area, held, last, total, n = sums[g, 0], sums[g, 1], sums[g, 2], sums[g, 3], sums[g, 4]
        end = start + every
        for i in range(offsets[g], offsets[g + 1]):
            p = np.float64(price[i])
            if p != p:
                continue
            if n == 0 or (every > 0 and times[i] >= end):
                if n > 0:
                    out_time[k] = start
                    out[k] = area / held if held > 0 else total / n
                    k += 1
                start = times[i] - (times[i] - origin) % every if every > 0 else times[i]
                end = start + every
                area = held = total = n = 0.0
            else:
                passed = np.float64(times[i] - before)
                area += last * passed
                held += passed
            last, before = p, times[i]
            total += p
            n += 1
        cell[g], latest[g] = start, before
        sums[g, 0], sums[g, 1], sums[g, 2], sums[g, 3], sums[g, 4] = area, held, last, total, n
        counts[g] = k - first
