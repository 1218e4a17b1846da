"""From rows of many symbols to a matrix: a row a symbol, a column a time, filled forward or with gaps."""

from __future__ import annotations

import math

from lakehouse.queries.kernels.compiled import Floats, Integers, kernel

VALUE, RETURN, LOG_RETURN = 0, 1, 2


@kernel
def pivot_block(
    cursors: Integers,
    ends: Integers,
    times: Integers,
    values: Floats,
    grid: Integers,
    of: int,
    forward: bool,
    last: Floats,
    shift: Floats,
    sums: Floats,
    astray: Integers,
    missing: Integers,
    out: Floats,
) -> None:
    """Write the value, or the change since the time before, of each symbol at each time of a grid.

    A value counts from its own time on; of several at one time the last counts. Each number is written less
    the first number of its symbol (`shift`), so that sums of squares can be taken of what is written without
    cancellation. Complexity: O(rows + symbols * times).

    NaN rule: a NaN value is none. Without one at a time, the value before holds (forward), or the symbol has
    none there, and a change needs both of its values. What is not there, or not finite, is written as NaN and
    counted.

    Args:
        cursors: (symbols,) int64 carried: the next row of each symbol.
        ends: (symbols,) int64: one after its last row.
        times: (rows,) int64, in order within a symbol.
        values: (rows,) float64.
        grid: (times,) int64, increasing: the columns of this block. Rows after its last time wait for the
            next.
        of: VALUE, RETURN (`value / before - 1`) or LOG_RETURN.
        forward: fill gaps with the value before.
        last: (symbols,) carried: the value at the time before, NaN without.
        shift: (symbols,) carried: the first number written of each symbol, NaN before it.
        sums: (symbols,) added to: the sum of what is written.
        astray: (symbols,) added to: rows that lie between two times of the grid.
        missing: (symbols,) added to: NaNs written.
        out: (symbols, times) float64, written.
    """
    for symbol in range(len(cursors)):
        row, end = cursors[symbol], ends[symbol]
        value, origin, total, gaps = last[symbol], shift[symbol], 0.0, 0
        for column in range(len(grid)):
            now, before = grid[column], value
            if not forward:
                value = math.nan
            while row < end and times[row] <= now:
                if times[row] < now:
                    astray[symbol] += 1
                if values[row] == values[row]:
                    value = values[row]
                row += 1
            number = value
            if of == 1:
                number = value / before - 1.0
            elif of == 2:
                number = math.log(value / before) if value / before > 0.0 else math.nan
            if math.isfinite(number):
                if origin != origin:
                    origin = number
                number -= origin
                total += number
            else:
                number = math.nan
                gaps += 1
            out[symbol, column] = number
        cursors[symbol], last[symbol], shift[symbol] = row, value, origin
        sums[symbol] += total
        missing[symbol] += gaps
