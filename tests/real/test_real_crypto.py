"""XRP against ETH on Binance, from freqtrade: trades add up to the vendor's bars, volume included."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

MINUTE = 60_000_000_000
FIVE = ["open", "high", "low", "close", "volume"]


def trades_of(real: Any) -> pl.DataFrame:
    real.load("xrp trades")
    frame: pl.DataFrame = real.lake["market_data.trades"].read("XRP_ETH").to_polars()
    return frame


def bars_of(trades: pl.DataFrame, step: int) -> pl.DataFrame:
    start = (pl.col("time").dt.epoch("ns") // step * step).alias("start")
    price = pl.col("price")
    four = (
        price.first().alias("open"),
        price.max().alias("high"),
        price.min().alias("low"),
        price.last().alias("close"),
    )
    return trades.group_by(start, maintain_order=True).agg(*four, pl.sum("size").alias("volume"))


def given(real: Any, feed: str) -> pl.DataFrame:
    report = real.load(feed)
    frame: pl.DataFrame = real.lake[report.product].read("XRP_ETH").to_polars()
    return frame.select(pl.col("time").dt.epoch("ns").alias("start"), *FIVE)


def assert_equal_bars(vendors: pl.DataFrame, made: pl.DataFrame) -> None:
    exact = vendors.join(made, on=["start", "open", "high", "low", "close"])
    assert vendors.height == exact.height
    off = (exact["volume"] - exact["volume_right"]).abs() / exact["volume"]
    assert off.max() == pytest.approx(0, abs=1e-12)  # a sum of floats depends on its order


@pytest.mark.parametrize(
    ("feed", "minutes", "bars"), [("xrp minutes", 1, 2_469), ("xrp five minutes", 5, 706)]
)
def test_trades_add_up_to_every_bar(real: Any, feed: str, minutes: int, bars: int) -> None:
    made, vendors = bars_of(trades_of(real), minutes * MINUTE), given(real, feed)
    assert vendors.height == bars
    assert_equal_bars(vendors, made)


@pytest.mark.parametrize(("feed", "minutes"), [("xrp minutes", 1), ("xrp five minutes", 5)])
def test_the_named_query_makes_every_bar(real: Any, feed: str, minutes: int) -> None:
    real.load("xrp trades")
    result = real.lake.query("bars", symbol="XRP_ETH", width=f"{minutes}min").to_polars()
    made = result.select(pl.col("time").dt.epoch("ns").alias("start"), *FIVE)
    assert_equal_bars(given(real, feed), made)


def test_trades_keep_their_ids_and_their_order(real: Any) -> None:
    trades = trades_of(real)
    assert trades.height == 12_477
    assert trades["trade_id"].cast(pl.Int64).is_sorted()
    assert set(trades["side"]) == {"buy", "sell"}
