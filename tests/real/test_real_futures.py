"""Futures of pysystemtrade: 32 instruments, three contracts side by side, and back-adjusted."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest


def nulls(real: Any, feed: str, product: str) -> dict[str, int]:
    real.load(feed)
    counts = real.lake.sql(f"select symbol, count(*) - count(price) from market_data.{product} group by 1")
    return dict(counts.to_polars().rows())


@pytest.mark.parametrize("feed", ["futures", "adjusted"])
def test_the_32_futures_land_in_one_commit(real: Any, feed: str) -> None:
    report = real.load(feed)
    symbols = real.lake[report.product].symbols().to_polars()
    assert (report.chunks, report.committed, len(report.versions)) == (32, 32, 1)
    assert (symbols.height, symbols["rows"].sum()) == (32, report.accepted)


@pytest.mark.parametrize(("instrument", "absent"), [("CORN", 8587), ("MILK", 8202)])
def test_missing_prices_stay_missing(real: Any, instrument: str, absent: int) -> None:
    real.load("futures")
    prices = real.lake["market_data.futures"].read(instrument, columns=["price"]).to_polars()["price"]
    assert prices.null_count() == absent
    assert not prices.is_nan().any()


def test_sql_and_read_count_the_same_nulls(real: Any) -> None:
    counted = nulls(real, "futures", "futures")
    frame = real.lake["market_data.futures"].read(columns=["symbol", "price"]).to_polars()
    assert dict(frame.group_by("symbol").agg(pl.col("price").null_count()).rows()) == counted
    assert round(counted["V2X"] / frame.filter(pl.col("symbol") == "V2X").height, 2) == 0.14


def test_the_adjusted_prices_follow_from_the_multiple_prices(real: Any) -> None:
    """Panama: cumulate forward - price of the row before each change of contract, backwards from the end."""
    real.load("futures")
    real.load("adjusted")
    multiple = real.lake["market_data.futures"].read().to_polars()
    adjusted = real.lake["market_data.adjusted"].read().to_polars()
    changed = pl.col("price_contract") != pl.col("price_contract").shift(1)
    offset = (
        pl.when(changed).then((pl.col("forward") - pl.col("price")).shift(1)).otherwise(0.0).fill_null(0.0)
    )
    after = offset.reverse().cum_sum().reverse().shift(-1, fill_value=0.0)
    derived = multiple.select("symbol", "time", (pl.col("price") + after.over("symbol")).alias("derived"))
    both = adjusted.join(derived, on=["symbol", "time"], how="inner")
    assert both.height == adjusted.height
    assert both["price"].is_null().equals(both["derived"].is_null())
    assert both.select((pl.col("price") - pl.col("derived")).abs().max()).item() < 1e-9


def test_negative_adjusted_prices_are_kept(real: Any) -> None:
    real.load("adjusted")
    text = "select symbol, count(*) from market_data.adjusted where price < 0 group by 1"
    negative = dict(real.lake.sql(text).to_polars().rows())
    known = {"CRUDE_W_mini": 2616, "LEANHOG": 3396, "US10": 1333, "IBEX": 1044}
    assert {symbol: negative[symbol] for symbol in known} == known


def test_the_longest_gaps_are_found(real: Any) -> None:
    real.load("futures")
    longest = real.lake.sql(
        """
        select symbol, max(day - before) from (
            select symbol, time::date as day,
                lag(time::date) over (partition by symbol order by time) as before
            from market_data.futures)
        group by 1
        """
    )
    days = dict(longest.to_polars().rows())
    assert (days["COTTON"], days["EU-DIV30"], days["MILK"]) == (46, 31, 26)
