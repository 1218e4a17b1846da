"""The questions `Q1` to `Q9`, in the public API: kernels where there is one, polars over reads elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from benchmarks.compare.contender import Steps, whole_day
from lakehouse.queries import analytics

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse import Product

MINUTE_NS, DAY_NS = 60_000_000_000, 86_400_000_000_000


class Questions(Steps):
    """What a researcher asks of the data."""

    def q1(self) -> Any:
        """VWAP of each symbol and day."""
        return _answer(analytics.vwap(self.trades, every="1d"), ts="date")

    def q2(self) -> Any:
        """Bars of one minute from all trades."""
        price = pl.col("price")
        frame = frame_of(self.trades, "symbol", "ts", "price", "size").lazy()
        parts = {"open": price.first(), "high": price.max(), "low": price.min(), "close": price.last()}
        volume = pl.col("size").cast(pl.Int64).sum()
        return frame.group_by("symbol", pl.col("ts").dt.truncate("1m")).agg(**parts, volume=volume).collect()

    def q3(self) -> Any:
        """The quote before each trade of a day."""
        day = whole_day(self.raw.day)
        trades = pl.DataFrame(self.trades.read(None, *day, columns=["symbol", "ts", "price"]))
        quotes = pl.DataFrame(self.quotes.read(None, *day, columns=["symbol", "ts", "bid", "ask"]))
        return trades.join_asof(quotes, on="ts", by="symbol", check_sortedness=False)

    def q4(self) -> Any:
        """The highest bid of each symbol."""
        return frame_of(self.quotes, "symbol", "bid").group_by("symbol").agg(pl.col("bid").max())

    def q5(self) -> Any:
        """The last quote of each symbol at an instant."""
        start = whole_day(self.raw.snap_day)[0]
        columns = ["symbol", "ts", "bid", "ask"]
        frame = pl.DataFrame(self.quotes.read(None, start, self.raw.snap + 1, columns=columns))
        return frame.group_by("symbol").last()

    def q6a(self) -> Any:
        """Rolling volatility of daily bars."""
        return _answer(analytics.volatility(self.daily, window=20, name="vol"))

    def q6b(self) -> Any:
        """Exponentially weighted variance of daily bars."""
        arguments: Any = {"alpha": 0.06, "statistic": "variance", "of": "log_return", "drop_nan": True}
        return _answer(analytics.ewma(self.daily, "close", **arguments))

    def q7(self) -> Any:
        """Correlation of the minute returns of all pairs."""
        return _answer(analytics.correlation(self.bars), correlation="corr")

    def q8(self) -> Any:
        """The share of the day's volume of each minute."""
        nanoseconds = pl.col("ts").dt.epoch("ns")
        day, minute = nanoseconds // DAY_NS, nanoseconds % DAY_NS // MINUTE_NS
        total, days = pl.col("volume").sum().over("symbol", "d"), pl.col("d").n_unique().over("symbol")
        share = (pl.col("volume") / pl.col("total")).sum() / pl.col("days").first()
        frame = frame_of(self.bars, "symbol", "ts", "volume").lazy().with_columns(d=day, minute=minute)
        totals = frame.with_columns(total=total, days=days)
        return totals.group_by("symbol", "minute").agg(share=share).collect()

    def q9(self) -> Any:
        """Where a multiple of an order's size has traded, by order."""
        keys = ["symbol", "date"]
        volume = pl.col("size").cast(pl.Int64)
        trades = frame_of(self.trades, "symbol", "ts", "price", "size").lazy()
        trades = trades.with_columns(date=pl.col("ts").dt.date())
        trades = trades.with_columns(traded=volume.cum_sum().over(keys))
        wanted = pl.col("traded") + self.raw.k * volume
        orders = pl.LazyFrame(self.raw.pnl().select(["symbol", "ts", "size"]))
        orders = orders.with_columns(pl.col("ts").dt.replace_time_zone("UTC"))
        placed = orders.join(trades.drop("price", "size"), on=["symbol", "ts"])
        placed = placed.select(*keys, "ts", wanted=wanted).sort("wanted")
        exits = trades.select(*keys, "traded", exit_ts="ts", exit_price="price").sort("traded")
        found = placed.join_asof(
            exits, left_on="wanted", right_on="traded", by=keys, strategy="forward", check_sortedness=False
        )
        return found.select("symbol", "ts", "exit_ts", "exit_price").collect()


def _answer(computation: analytics.Computation, **names: str) -> pa.Table:
    """Compute, and give columns the names that the comparison knows."""
    table = computation.read().to_arrow()
    return table.rename_columns([names.get(name, name) for name in table.column_names])


def frame_of(product: Product, *columns: str) -> pl.DataFrame:
    """Read columns of all rows into polars."""
    return pl.DataFrame(product.read(columns=columns))
