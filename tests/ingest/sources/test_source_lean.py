"""Real US equity and FX data of QuantConnect LEAN: headerless zips, scaled prices, local clocks.

The answers are those of the data's own notes: one resolution must add up to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lakehouse.ingest.sources import FileSource
from lakehouse.schema import TableSchema

Read = Callable[..., pl.DataFrame]
Locate = Callable[[str], Path]
TRADES = ("price float64", "size int64", "exchange string", "conditions string", "suspicious bool")
QUOTES = ("bid float64", "bid_size int64", "ask float64", "ask_size int64", *TRADES[2:])
BID_BARS = {
    "files": "{symbol}/{date}_quote.zip",
    "columns": ["time", "open", "high", "low", "close", *[None] * 6],
    "symbol_case": "upper",
    "time": {"format": "ms_since_midnight", "time_zone": "UTC"},
}


def to_bars(frame: pl.DataFrame, seconds: int, open_: str, high: str, low: str, close: str) -> pl.DataFrame:
    """Aggregate rows in their order to bid bars, without any bucketing function that could round."""
    step = seconds * 1_000_000_000
    start = (pl.col("time").dt.epoch("ns") // step * step).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")
    return frame.group_by(start.alias("time"), maintain_order=True).agg(
        pl.first(open_).alias("open"),
        pl.max(high).alias("high"),
        pl.min(low).alias("low"),
        pl.last(close).alias("close"),
    )


def same_days(frame: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    days = other["time"].dt.date().unique().implode()
    return frame.drop("symbol").filter(pl.col("time").dt.date().is_in(days))


def test_hours_of_apple_add_up_to_its_5849_days_in_all_five_columns(
    shared_data: Locate, read: Read, bars: TableSchema, daily: TableSchema
) -> None:
    hours = read(shared_data("lean/equity/usa/hour/aapl.zip"), bars, "lean_equity_hour")
    days = read(shared_data("lean/equity/usa/daily/aapl.zip"), daily, "lean_equity_daily")
    local = pl.col("time").dt.convert_time_zone("America/New_York").dt.date()
    summed = hours.group_by("symbol", local.alias("date"), maintain_order=True).agg(
        pl.first("open"), pl.max("high"), pl.min("low"), pl.last("close"), pl.sum("volume")
    )
    assert days.height == 5849
    assert summed.equals(days)


def test_daily_prices_are_divided_exactly(shared_data: Locate, read: Read, daily: TableSchema) -> None:
    frame = read(shared_data("lean/equity/usa/daily"), daily, "lean_equity_daily", symbols=["AAPL"])
    first = frame.row(0, named=True)
    assert first["date"] == date(1998, 1, 2)
    assert [first[name] for name in ("open", "high", "low", "close")] == [13.63, 16.25, 13.5, 16.25]
    prices = frame.select("open", "high", "low", "close").unpivot()["value"]
    assert prices.to_list() == [round(price * 10_000) / 10_000 for price in prices]


def test_the_folder_of_daily_files_holds_eight_symbols(shared_data: Locate) -> None:
    source = FileSource(shared_data("lean/equity/usa/daily"), "lean_equity_daily")
    assert source.symbols() == ("AAA", "AAPL", "BAC", "EEM", "IBM", "QQQ", "SPY", "WM")


def test_minutes_are_placed_in_new_york(shared_data: Locate, read: Read, bars: TableSchema) -> None:
    place = shared_data("lean/equity/usa/minute")
    frame = read(place, bars, "lean_equity_minute", symbols=["AAPL"], start="2014-06-05", end="2014-06-06")
    assert frame.height == 686
    assert frame["time"].dt.strftime("%FT%T")[0] == "2014-06-05T08:15:00"
    assert frame.row(0)[2:] == (644.8, 644.8, 644.8, 644.8, 90)


def test_seconds_of_spy_are_the_minutes(shared_data: Locate, read: Read, bars: TableSchema) -> None:
    minutes = read(shared_data("lean/equity/usa/minute/spy/20131007_trade.zip"), bars, "lean_equity_minute")
    seconds = read(shared_data("lean/equity/usa/second/spy/20131007_trade.zip"), bars, "lean_equity_minute")
    summed = to_bars(seconds, 60, "open", "high", "low", "close")
    assert minutes.drop("symbol", "volume").join(summed, on=summed.columns).height / minutes.height > 0.998


def test_all_24293_trades_of_ibm_are_read_in_their_order(
    shared_data: Locate, read: Read, contract: Any
) -> None:
    place = shared_data("lean/equity/usa/tick/ibm/20131007_trade.zip")
    frame = read(place, contract(*TRADES), "lean_equity_trade_tick")
    assert frame.height == 24_293
    assert frame.height - frame.unique().height == 1_274  # repeats of a row that came before, all genuine
    assert frame["time"].is_sorted()
    assert frame.row(0)[2:] == (181.52, 283, "P", "20002020", False)


def test_all_quotes_of_ibm_have_exactly_one_side(shared_data: Locate, read: Read, contract: Any) -> None:
    place = shared_data("lean/equity/usa/tick")
    frame = read(place, contract(*QUOTES), "lean_equity_quote_tick")
    assert frame.height == 109_067 + 125_750 + 135_492 + 105_428 + 99_852
    assert (frame["bid"].is_null() != frame["ask"].is_null()).all()
    assert not [name for name in frame.columns if name.startswith("_raw_")]


def test_eurusd_ticks_are_the_seconds_and_those_the_minutes(
    shared_data: Locate, read: Read, contract: Any
) -> None:
    place = shared_data("lean/forex/oanda")
    schema = contract("open float64", "high float64", "low float64", "close float64")
    ticks = read(place / "tick", contract("bid float64", "ask float64"), "lean_forex_tick")
    seconds, minutes = read(place / "second", schema, BID_BARS), read(place / "minute", schema, BID_BARS)
    assert to_bars(ticks, 1, "bid", "bid", "bid", "bid").equals(same_days(seconds, ticks))
    assert to_bars(seconds, 60, "open", "high", "low", "close").equals(same_days(minutes, seconds))


@pytest.mark.parametrize("contract_month", ["201312", "201403", "201406"])
def test_each_future_of_a_zip_keeps_its_contract(
    shared_data: Locate, read: Read, bars: TableSchema, contract_month: str
) -> None:
    recipe = {
        "files": "{root}/{date}_trade.zip",
        "entry": "{day}_*_minute_trade_{contract}.csv",
        "columns": ["time", "open", "high", "low", "close", "volume"],
        "constants": {"symbol": "{root}{contract}"},
        "symbol_case": "upper",
        "time": {"format": "ms_since_midnight", "time_zone": "UTC"},
    }
    frame = read(shared_data("lean/future/cme/minute"), bars, recipe, symbols=[f"ES{contract_month}"])
    assert frame["symbol"].unique().to_list() == [f"ES{contract_month}"]
    assert frame["close"].is_between(1500, 2000).all()
