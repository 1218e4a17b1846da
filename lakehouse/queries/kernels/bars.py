"""Open, high, low, close and volume: loops that carry the open bar of each symbol from one call to the next.

Source: M. Lopez de Prado, Advances in Financial Machine Learning (Wiley, 2018), chapter 2. All loops are
O(n_rows), skip rows whose price is NaN, and count a NaN size as no volume. What they share:

- `offsets` (n_symbols + 1,) int64 and `times`, `price`, `size` (n_rows,): the rows of symbol g are
  offsets[g]:offsets[g+1], in order of time.
- state, changed in place: `bar` (n_symbols,) int64 start of the open bar, `prices` (n_symbols, 4) float64 its
  open, high, low and close, `volume` (n_symbols,) int64 or float64, `trades` (n_symbols,) int64, 0 where
  no bar is open.
- result, in order: `out_time`, `out_prices` (4, most_bars), `out_volume`, `out_trades`; there are at most
  n_rows + n_symbols bars. `counts` (n_symbols,) int64 is the number of bars of each symbol.
"""

from __future__ import annotations

import numpy as np

from lakehouse.queries.kernels.compiled import Array, Floats, Integers, kernel


@kernel
def time_bars(
    offsets: Integers, times: Integers, price: Array, size: Array, every: int, origin: int,
    bar: Integers, prices: Floats, volume: Array, trades: Integers,
    out_time: Integers, out_prices: Floats, out_volume: Array, out_trades: Integers, counts: Integers,
) -> None:  # fmt: skip
    """Cut bars at whole multiples of `every` nanoseconds after `origin`; a bar without a trade is no bar."""
    k = 0
    for g in range(len(offsets) - 1):
        first = k
        n, start, v = trades[g], bar[g], volume[g]
        o, h, low, c = prices[g, 0], prices[g, 1], prices[g, 2], prices[g, 3]
        zero = v - v
        end = start + every
        for i in range(offsets[g], offsets[g + 1]):
            p = np.float64(price[i])
            if p != p:
                continue
            if n == 0 or times[i] >= end:  # one comparison a row, a division only a bar
                if n > 0:
                    out_time[k], out_volume[k], out_trades[k] = start, v, n
                    out_prices[0, k], out_prices[1, k], out_prices[2, k], out_prices[3, k] = o, h, low, c
                    k += 1
                start = times[i] - (times[i] - origin) % every
                end = start + every
                o, h, low, v, n = p, p, p, zero, np.int64(0)
            h, low, c = max(h, p), min(low, p), p
            n += 1
            if size[i] == size[i]:
                v += size[i]
        bar[g], volume[g], trades[g] = start, v, n
        prices[g, 0], prices[g, 1], prices[g, 2], prices[g, 3] = o, h, low, c
        counts[g] = k - first


@kernel
def activity_bars(
    offsets: Integers, times: Integers, price: Array, size: Array, measure: int, target: float,
    bar: Integers, prices: Floats, volume: Array, trades: Integers, progress: Floats,
    out_time: Integers, out_prices: Floats, out_volume: Array, out_trades: Integers, counts: Integers,
) -> None:  # fmt: skip
    """Close a bar with the trade that brings its ticks (0), volume (1) or dollars (2) to `target`.

    `progress` (n_symbols,) float64 is what the open bar has so far; what a trade brings beyond the target
    is not carried on (section 2.3.1).
    """
    k = 0
    for g in range(len(offsets) - 1):
        first = k
        n, start, v, done = trades[g], bar[g], volume[g], progress[g]
        o, h, low, c = prices[g, 0], prices[g, 1], prices[g, 2], prices[g, 3]
        zero = v - v
        for i in range(offsets[g], offsets[g + 1]):
            p = np.float64(price[i])
            if p != p:
                continue
            if n == 0:
                start, v, done = times[i], zero, 0.0
                o, h, low = p, p, p
            h, low, c = max(h, p), min(low, p), p
            n += 1
            if size[i] == size[i]:
                v += size[i]
                if measure > 0:
                    done += np.float64(size[i]) * (p if measure == 2 else 1.0)
            if measure == 0:
                done += 1.0
            if done >= target:
                out_time[k], out_volume[k], out_trades[k] = start, v, n
                out_prices[0, k], out_prices[1, k], out_prices[2, k], out_prices[3, k] = o, h, low, c
                k += 1
                n = np.int64(0)
        bar[g], volume[g], trades[g], progress[g] = start, v, n, done
        prices[g, 0], prices[g, 1], prices[g, 2], prices[g, 3] = o, h, low, c
        counts[g] = k - first


@kernel
def imbalance_bars(
    offsets: Integers, times: Integers, price: Array, size: Array, measure: int, alpha: float,
    fewest: int, most: int,
    bar: Integers, prices: Floats, volume: Array, trades: Integers, memory: Floats,
    out_time: Integers, out_prices: Floats, out_volume: Array, out_trades: Integers, counts: Integers,
) -> None:  # fmt: skip
    """Close a bar when its signed ticks (0), volume (1) or dollars (2) are more than was expected.

    The sign of a trade is that of the last change of the price (the tick rule), 0 before the first one. A
    bar closes when |sum of signed amounts| >= E[ticks] * |E[signed amount of a tick]| (section 2.3.2); the
    expectations are exponential averages over the closed bars, of weight `alpha`. It has `fewest` trades at
    least and `most` at most: without bounds the rule runs away to bars of one trade or of all.

    `memory` (n_symbols, 5) float64, changed: last price (NaN at first), sign, signed sum of the open bar,
    expected ticks, expected signed amount of a tick (NaN at first: a bar then closes at the expected ticks).
    """
    k = 0
    for g in range(len(offsets) - 1):
        first = k
        n, start, v = trades[g], bar[g], volume[g]
        o, h, low, c = prices[g, 0], prices[g, 1], prices[g, 2], prices[g, 3]
        last, sign, signed, ticks, each = memory[g, 0], memory[g, 1], memory[g, 2], memory[g, 3], memory[g, 4]
        zero = v - v
        for i in range(offsets[g], offsets[g + 1]):
            p = np.float64(price[i])
            if p != p:
                continue
            if n == 0:
                start, v, signed = times[i], zero, 0.0
                o, h, low = p, p, p
            if p > last:
                sign = 1.0
            elif p < last:
                sign = -1.0
            last = p
            h, low, c = max(h, p), min(low, p), p
            n += 1
            if size[i] == size[i]:
                v += size[i]
                if measure > 0:
                    signed += sign * np.float64(size[i]) * (p if measure == 2 else 1.0)
            if measure == 0:
                signed += sign
            full = n >= ticks if each != each else abs(signed) >= ticks * abs(each)
            if n >= most or (full and n >= fewest):
                out_time[k], out_volume[k], out_trades[k] = start, v, n
                out_prices[0, k], out_prices[1, k], out_prices[2, k], out_prices[3, k] = o, h, low, c
                k += 1
                each = signed / n if each != each else (1.0 - alpha) * each + alpha * (signed / n)
                ticks = (1.0 - alpha) * ticks + alpha * n
                n = np.int64(0)
        bar[g], volume[g], trades[g] = start, v, n
        prices[g, 0], prices[g, 1], prices[g, 2], prices[g, 3] = o, h, low, c
        memory[g, 0], memory[g, 1], memory[g, 2], memory[g, 3], memory[g, 4] = last, sign, signed, ticks, each
        counts[g] = k - first
