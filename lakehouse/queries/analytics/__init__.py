"""Analytics of scans, products and frames: Arrow in, Arrow out, lazy, and streaming.

Every function takes the rows first, and returns a `Computation`: `.read()` gives a `Result`, and polars,
DuckDB, pandas and pyarrow take it as it is. Rows are those of a scan or product, or of any frame with a
column of times and, for several symbols, a column `symbol`. Symbol and time columns keep their names.
"""

from lakehouse.queries.analytics.averages import twap, vwap
from lakehouse.queries.analytics.bars import dollar_bars, imbalance_bars, tick_bars, time_bars, volume_bars
from lakehouse.queries.analytics.correlations import correlation, covariance
from lakehouse.queries.analytics.filters import cusum_events
from lakehouse.queries.analytics.joins import asof_join
from lakehouse.queries.analytics.order_books import order_book
from lakehouse.queries.analytics.passages import first_passage, triple_barrier
from lakehouse.queries.analytics.profiles import volume_curve
from lakehouse.queries.analytics.returns import drawdown, ewma, returns
from lakehouse.queries.analytics.rolling import rolling, volatility
from lakehouse.queries.analytics.snapshots import market_snapshot
from lakehouse.queries.computation import Computation

__all__ = [
    "Computation",
    "asof_join",
    "correlation",
    "covariance",
    "cusum_events",
    "dollar_bars",
    "drawdown",
    "ewma",
    "first_passage",
    "imbalance_bars",
    "market_snapshot",
    "order_book",
    "returns",
    "rolling",
    "tick_bars",
    "time_bars",
    "triple_barrier",
    "twap",
    "volatility",
    "volume_bars",
    "volume_curve",
    "vwap",
]
