"""US equities of LEAN: headerless zips, prices in 1/10000 USD, clocks of New York; trades that repeat."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lakehouse.times import NS_PER_SECOND

Locate = Callable[[str], Path]
DAY = {"start": "2013-10-07", "end": "2013-10-08"}
COLUMNS = ["ms", "price", "size", "exchange", "conditions", "suspicious"]
FIVE = ["open", "high", "low", "close", "volume"]
NEW_YORK_OFFSET_NS = -4 * 3600 * NS_PER_SECOND
MIDNIGHT_NS = 1_381_104_000 * NS_PER_SECOND


def raw(locate: Locate, path: str) -> pl.DataFrame:
    """Read the rows of a zip by means of the standard library, as they are."""
    with zipfile.ZipFile(locate(path)) as archive:
        return pl.read_csv(
            io.BytesIO(archive.read(archive.namelist()[0])), has_header=False, infer_schema_length=None
        )


def test_24293_trades_of_ibm_land_in_their_order(real: Any, shared_data: Locate) -> None:
    real.load("ibm trades")
    given = raw(shared_data, "lean/equity/usa/tick/ibm/20131007_trade.zip")
    given.columns = COLUMNS
    stored = real.lake["market_data.trades"].read("IBM", **DAY).to_polars()
    assert stored.height == given.height == 24_293
    clock = (stored["time"].dt.epoch("ns") - MIDNIGHT_NS + NEW_YORK_OFFSET_NS) // 1_000_000
    assert clock.to_list() == given["ms"].to_list()
    assert stored["price"].to_list() == [price / 10_000 for price in given["price"].to_list()]
    assert stored["size"].to_list() == given["size"].to_list()
    assert stored["exchange"].to_list() == given["exchange"].to_list()
    assert stored["suspicious"].to_list() == (given["suspicious"] == 1).to_list()


def test_1274_trades_equal_another_in_every_column_and_are_kept(real: Any) -> None:
    report = real.load("ibm trades")
    stored = real.lake["market_data.trades"].read("IBM", **DAY).to_polars()
    assert stored.height - stored.unique().height == 1_274
    assert report.duplicates == 0


def test_sql_counts_the_same_repeats(real: Any) -> None:
    real.load("ibm trades")
    text = """
        with day as (
            from market_data.trades
            where symbol = 'IBM' and time >= '2013-10-07' and time < '2013-10-08')
        select (select count(*) from day) - (select count(*) from (select distinct * from day))
    """
    assert real.lake.sql(text).to_polars().item() == 1_274


def test_each_quote_of_ibm_has_one_side_and_a_null_for_the_other(real: Any) -> None:
    real.load("ibm quotes")
    quotes = (
        real.lake["market_data.quotes"]
        .read("IBM", columns=["bid", "ask", "bid_size", "ask_size"])
        .to_polars()
    )
    assert quotes.height == 109_067 + 125_750 + 135_492 + 105_428 + 99_852
    assert (quotes["bid"].is_null() != quotes["ask"].is_null()).all()
    assert quotes["bid"].is_null().equals(quotes["bid_size"].is_null())


@pytest.mark.parametrize(
    ("feed", "symbol", "start", "end", "first"),
    [
        (
            "equity minutes",
            "AAPL",
            "2014-06-05",
            "2014-06-06",
            ("2014-06-05T08:15:00", 644.8, 644.8, 644.8, 644.8, 90.0),
        ),
        ("equity hours", "AAPL", None, None, ("1998-01-02T14:00:00", 13.63, 13.75, 13.5, 13.63, 540_700.0)),
    ],
)
def test_prices_are_scaled_and_clocks_are_utc(
    real: Any, feed: str, symbol: str, start: str | None, end: str | None, first: tuple[Any, ...]
) -> None:
    report = real.load(feed)
    frame = real.lake[report.product].read(symbol, start, end).to_polars().head(1)
    assert (frame["time"].dt.strftime("%FT%T").item(), *frame.select(FIVE).row(0)) == first


def test_daily_prices_are_multiples_of_a_ten_thousandth(real: Any) -> None:
    real.load("equity days")
    frame = real.lake["market_data.bars_1d"].read("AAPL").to_polars()
    assert frame.row(0) == ("AAPL", date(1998, 1, 2), 13.63, 16.25, 13.5, 16.25, 6_315_000.0)
    prices = frame.select(FIVE[:4]).unpivot()["value"]
    assert prices.to_list() == [round(price * 10_000) / 10_000 for price in prices]


def test_the_hours_of_apple_add_up_to_all_5849_days_of_read(real: Any) -> None:
    real.load("equity hours")
    real.load("equity days")
    hours = real.lake["market_data.bars_1h"].read("AAPL").to_polars()
    days = real.lake["market_data.bars_1d"].read("AAPL").to_polars()
    local = pl.col("time").dt.convert_time_zone("America/New_York").dt.date()
    summed = hours.group_by("symbol", local.alias("date"), maintain_order=True).agg(
        pl.first("open"), pl.max("high"), pl.min("low"), pl.last("close"), pl.sum("volume")
    )
    assert days.height == 5849
    assert summed.equals(days)


def test_the_hours_of_apple_add_up_to_all_5849_days_in_sql(real: Any) -> None:
    real.load("equity hours")
    real.load("equity days")
    equal = real.lake.sql(
        """
        with summed as (
            select symbol, timezone('America/New_York', timezone('UTC', time::timestamp))::date as date,
                first(open order by time) as open, max(high) as high, min(low) as low,
                last(close order by time) as close, sum(volume) as volume
            from market_data.bars_1h where symbol = 'AAPL' group by all)
        select count(*) from market_data.bars_1d
        join summed using (symbol, date, open, high, low, close, volume)
        """
    )
    assert equal.to_polars().item() == 5849


def test_the_starter_rules_find_no_bad_bar_in_eight_symbols(real: Any) -> None:
    report = real.load("equity days")
    assert (report.quarantined, report.chunks) == (0, 8)
    assert set(report.warnings) == {"close_spike", "gap"}
