"""The questions `Q1` to `Q9`, by the kernels and aggregates of the public API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from benchmarks.compare.contender import Steps, whole_day
from lakehouse.queries import analytics

if TYPE_CHECKING:
    from lakehouse import Result


class Questions(Steps):
    """What a researcher asks of the data."""

    def q1(self) -> pa.Table:
        """VWAP of each symbol and day."""
        return _answer(analytics.vwap(self.trades, every="1d").read(), ts="date")

    def q2(self) -> pa.Table:
        """Bars of one minute from all trades."""
        return _answer(analytics.time_bars(self.trades, every="1min").read())

    def q3(self) -> pa.Table:
        """The quote before each trade of a day."""
        day = whole_day(self.raw.day)
        trades = self.trades.scan(None, *day, columns=["symbol", "ts", "price"])
        quotes = self.quotes.scan(None, *day, columns=["symbol", "ts", "bid", "ask"])
        return _answer(analytics.asof_join(trades, quotes).read())

    def q4(self) -> pa.Table:
        """The highest bid of each symbol."""
        return _answer(self.quotes.scan().aggregate({"bid": "max"}, by="symbol"), bid_max="bid")

    def q5(self) -> pa.Table:
        """The last quote of each symbol at an instant."""
        return _answer(analytics.market_snapshot(self.quotes, self.raw.snap, columns=["bid", "ask"]).read())

    def q6a(self) -> pa.Table:
        """Rolling volatility of daily bars."""
        return _answer(analytics.volatility(self.daily, window=20, name="vol").read())

    def q6b(self) -> pa.Table:
        """Exponentially weighted variance of daily bars."""
        variance = analytics.ewma(
            self.daily, "close", alpha=0.06, statistic="variance", of="log_return", drop_nan=True
        )
        return _answer(variance.read())

    def q7(self) -> pa.Table:
        """Correlation of the minute returns of all pairs."""
        return _answer(analytics.correlation(self.bars).read(), correlation="corr")

    def q8(self) -> pa.Table:
        """The share of the day's volume of each minute."""
        return _answer(analytics.volume_curve(self.bars).read())

    def q9(self) -> pa.Table:
        """Where a multiple of an order's size has traded, by order."""
        orders = self.raw.pnl().select(["symbol", "ts", "size"])
        times = orders["ts"].cast(pa.timestamp("ns", "UTC"))
        found = analytics.first_passage(
            self.trades, orders.set_column(1, "ts", times), multiple=self.raw.k, same_day=True
        )
        return _answer(found.read(), exit_time="exit_ts")


def _answer(result: Result, **names: str) -> pa.Table:
    """Give columns the names that the comparison knows."""
    table = result.to_arrow()
    return table.rename_columns([names.get(name, name) for name in table.column_names])
