"""Analytics of scans, products and frames: Arrow in, Arrow out, lazy, and streaming.

Every function takes the rows first, and returns a `Computation`: `.read()` gives a `Result`, and polars,
DuckDB, pandas and pyarrow take it as it is. Rows are those of a scan or product, or of any frame with a
column of times and, for several symbols, a column `symbol`. Symbol and time columns keep their names.
"""

from lakehouse.queries.analytics.averages import vwap
from lakehouse.queries.analytics.correlations import correlation, covariance
from lakehouse.queries.analytics.order_books import order_book
from lakehouse.queries.analytics.returns import drawdown, ewma, returns
from lakehouse.queries.analytics.rolling import rolling, volatility
from lakehouse.queries.computation import Computation

__all__ = [
    "Computation",
    "correlation",
    "covariance",
    "drawdown",
    "ewma",
    "order_book",
    "returns",
    "rolling",
    "volatility",
    "vwap",
]
