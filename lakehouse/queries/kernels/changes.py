"""From values to what a statistic is taken of: the values themselves, simple returns or log returns."""

from __future__ import annotations

from typing import Literal

import numpy as np

from lakehouse.queries.kernels.compiled import Floats, Integers

Of = Literal["value", "return", "log_return"]


def changes(offsets: Integers, values: Floats, last: Floats, of: Of) -> Floats:
    """Return the values, or their change from the row before within a symbol.

    A simple return is `value / value_before - 1`, a log return `log(value / value_before)`. numpy's own loops
    are as fast as a compiled one here, and let go of the GIL. Complexity: O(rows).

    The first row of a symbol has no change: NaN. A NaN value makes its own change NaN and the next one. A
    return from zero is infinite or NaN, a log return through zero or below NaN or infinite, as IEEE 754 has
    it.

    Args:
        offsets: (symbols + 1,) int64; rows `offsets[i]:offsets[i + 1]` are those of symbol i, maybe none.
        values: (rows,) float64, in order of time within a symbol.
        last: (symbols,) float64, the last value of each symbol, NaN before the first; carried: brought up to
            date here.
        of: what to return.

    Returns:
        (rows,) float64; for "value" the array itself.
    """
    filled = offsets[1:] > offsets[:-1]
    starts, ends = offsets[:-1][filled], offsets[1:][filled]
    if of == "value" or not len(starts):
        return values
    first, last_row = int(starts[0]), int(ends[-1])
    ratio = np.empty(len(values))
    with np.errstate(all="ignore"):
        np.divide(values[first + 1 : last_row], values[first : last_row - 1], out=ratio[first + 1 : last_row])
        ratio[starts] = values[starts] / last[filled]
        last[filled] = values[ends - 1]
        return np.log(ratio, out=ratio) if of == "log_return" else np.subtract(ratio, 1.0, out=ratio)
