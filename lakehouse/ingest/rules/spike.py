"""The rule that finds single wild values: a one-sided Hampel identifier.

A value is a spike if it lies further than `threshold` robust standard deviations from the median of the
values just before it. The robust standard deviation is 1.4826 times the median absolute deviation (MAD),
where 1.4826 is 1 / (the 75 % quantile of the normal distribution). Source: F. R. Hampel, "The influence
curve and its role in robust estimation", Journal of the American Statistical Association 69 (1974), pages
383-393.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lakehouse.ingest.rules.arguments import columns_of, time_of
from lakehouse.ingest.rules.changes import floats

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from lakehouse.catalog.rule import Rule
    from lakehouse.ingest.rules.sequence import OrderedRule, RowOrder
    from lakehouse.schema import TableSchema

_SIGMAS_PER_MAD = 1.4826
_BLOCK = 1 << 18
"""Values of windows that are sorted at once: they stay in the processor's cache."""


def spike(rule: Rule, schema: TableSchema) -> OrderedRule:
    """Return where |value - median| > threshold * 1.4826 * MAD, of the `window` finite values before it.

    The window trails and leaves the value itself out, so that a live feed gives the same answer as a
    backfill; it belongs to one symbol, in time order (equal times in order of arrival). Nulls, NaN and
    infinities take no place in it. Spikes do, so that a new level is accepted once it fills half of the
    window. Nulls and NaN are no spikes, an infinity is one.

    Not judged, and so no spike, are the first `window` finite values of a symbol, and a value whose window
    has a MAD of zero: more than half of it is one price, as on a quiet tick, and every move would count.

    Raises:
        ContractError: the table has no time column.
    """
    time_of(rule, schema)
    columns = columns_of(rule, schema)
    window, threshold = rule.arguments["window"], rule.arguments["threshold"]

    def judge(frame: pl.DataFrame, order: RowOrder) -> NDArray[np.bool_]:
        found = [_spikes(floats(frame[column.name], order), order, window, threshold) for column in columns]
        return np.asarray(np.any(found, axis=0))

    return judge


def _spikes(values: NDArray[np.float64], order: RowOrder, window: int, threshold: float) -> NDArray[np.bool_]:
    """Judge (n,) values in `RowOrder`; time O(n * window * log window), memory O(n)."""
    broken = np.zeros(len(values), dtype=np.bool_)
    finite = np.isfinite(values)
    past = values[finite]
    ends = np.cumsum(finite) - finite  # how many finite values lie before each value
    starts = ends[np.maximum.accumulate(np.where(order.first, np.arange(len(values)), 0))]
    judged = np.flatnonzero((ends - starts >= window) & ~np.isnan(values))
    if not len(judged):
        return broken
    windows, limit = sliding_window_view(past, window), threshold * _SIGMAS_PER_MAD
    step = max(1, _BLOCK // window)
    with np.errstate(over="ignore"):  # deviations of values near 1e308 become infinite, and that is right
        for begin in range(0, len(judged), step):
            rows = judged[begin : begin + step]
            broken[rows] = _far_from(windows[ends[rows] - window], values[rows], limit)
    return broken


def _far_from(windows: NDArray[np.float64], values: NDArray[np.float64], limit: float) -> NDArray[np.bool_]:
    """Say which of (n,) values lie further than `limit` MADs from the median of their (n, window) windows.

    The MAD is computed only where it may matter. Between two order statistics half a window apart lie fewer
    than half of the values, so the MAD is at least the smaller of their distances to the median, and
    whatever lies within `limit` times that is no spike. It settles all but a few rows in a hundred, three
    times as fast.
    """
    windows.sort(axis=1)
    size = windows.shape[1]
    half, low = size // 2, (size - 1 - size // 2) // 2
    median = _middle(windows)
    distance = np.abs(values - median)
    least = np.minimum(windows[:, low + half] - median, median - windows[:, low])
    far = distance > limit * least
    deviations = np.abs(windows[far] - median[far, None])
    deviations.sort(axis=1)
    mad = _middle(deviations)
    far[far] = (mad > 0) & (distance[far] > limit * mad)
    return far


def _middle(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each sorted row, halving before adding so that it can not overflow."""
    size = rows.shape[1]
    return np.asarray(0.5 * rows[:, (size - 1) // 2] + 0.5 * rows[:, size // 2])
