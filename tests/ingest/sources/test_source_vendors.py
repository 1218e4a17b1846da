"""Real files of other vendors, with the counts that their notes give."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import polars.testing
import pytest

from lakehouse.errors import SourceError
from lakehouse.ingest.sources import FileSource
from lakehouse.schema import TableSchema
from lakehouse.times import Interval

Read = Callable[..., pl.DataFrame]
Locate = Callable[[str], Path]
MULTIPLE = tuple(
    f"{leg}{column}" for leg in ("carry", "price", "forward") for column in (" float64", "_contract int64")
)
OHLCV = tuple(f"{name} float64" for name in ("open", "high", "low", "close", "volume"))


@pytest.mark.parametrize(("instrument", "absent"), [("CORN", 8587), ("MILK", 8202)])
def test_missing_futures_prices_are_null_and_counted(
    shared_data: Locate, read: Read, contract: Any, instrument: str, absent: int
) -> None:
    place = shared_data(f"pysystemtrade/multiple_prices_csv/{instrument}.csv.gz")
    frame = read(place, contract(*MULTIPLE), "pysystemtrade_multiple")
    assert frame["price"].null_count() == absent
    assert not [name for name in frame.columns if name.startswith("_raw_")]


def test_all_32_instruments_read_without_a_bad_cell(
    shared_data: Locate, read: Read, ticks: TableSchema
) -> None:
    frame = read(shared_data("pysystemtrade/adjusted_prices_csv"), ticks, "pysystemtrade_adjusted")
    assert frame["symbol"].n_unique() == 32
    assert frame.columns == ["symbol", "time", "price"]
    negative = frame.filter(pl.col("price") < 0).group_by("symbol").len()
    assert dict(negative.filter(pl.col("symbol").is_in(["IBEX", "US10"])).rows()) == {
        "IBEX": 1044,
        "US10": 1333,
    }


def test_gbpusd_has_866_days_with_two_daily_labels(
    shared_data: Locate, read: Read, ticks: TableSchema
) -> None:
    frame = read(
        shared_data("pysystemtrade/fx_prices_csv"), ticks, "pysystemtrade_adjusted", symbols=["GBPUSD"]
    )
    days = frame.group_by(pl.col("time").dt.date().alias("day")).agg(pl.col("time").dt.hour().alias("hours"))
    assert sum({0, 23} <= set(hours) for hours in days["hours"].to_list()) == 866


def test_prices_keep_all_seventeen_digits(shared_data: Locate, read: Read, ticks: TableSchema) -> None:
    frame = read(
        shared_data("pysystemtrade/adjusted_prices_csv/LEANHOG.csv.gz"), ticks, "pysystemtrade_adjusted"
    )
    assert repr(frame["price"][0]) == "-53.94499999999996"


def test_the_vix_has_upper_case_headers_and_47_impossible_rows(
    shared_data: Locate, read: Read, contract: Any
) -> None:
    schema = contract(*OHLCV[:4], time="date", time_type="date")
    frame = read(shared_data("datasets_hub/vix-daily.csv.gz"), schema, {"constants": {"symbol": "VIX"}})
    low, high = pl.min_horizontal("open", "close"), pl.max_horizontal("open", "close")
    assert frame.filter((pl.col("low") > low) | (pl.col("high") < high)).height == 47
    assert frame["symbol"].unique().to_list() == ["VIX"]


def test_blank_cells_of_fred_are_its_95_holidays(shared_data: Locate, read: Read, contract: Any) -> None:
    schema = contract("close float64", time="date", time_type="date")
    place = shared_data("datasets_hub/s-and-p-500/archive/fred_sp500.csv")
    assert read(place, schema, {"columns": {"SP500": "close"}})["close"].null_count() == 95


def test_a_byte_order_mark_does_not_hide_the_date(shared_data: Locate, read: Read, contract: Any) -> None:
    schema = contract("brent float64", "wti float64", time="date", time_type="date")
    frame = read(shared_data("arch/crude/crude.csv.gz"), schema)
    assert frame.row(0)[2:] == (18.58, 19.44)


def test_candles_without_keys_have_the_exact_numbers_of_their_text(
    shared_data: Locate, read: Read, contract: Any
) -> None:
    """The vendor's Feather copy is off by one unit in the last place in 10,856 of its 68,405 numbers."""
    place = shared_data("freqtrade")
    feather = read(f"{place}/{{symbol}}-1m.feather", contract(*OHLCV), symbols=["UNITTEST_BTC"])
    candles = read(place / "UNITTEST_BTC-1m.json.gz", contract(*OHLCV), "freqtrade_bars")
    assert candles.height == 13_681
    text = json.loads(gzip.decompress((place / "UNITTEST_BTC-1m.json.gz").read_bytes()))
    assert candles.drop("symbol", "time").rows() == [tuple(row[1:]) for row in text]
    assert feather.select("symbol", "time").equals(candles.select("symbol", "time"))
    polars.testing.assert_frame_equal(feather, candles, rel_tol=2.3e-16, abs_tol=0)


def test_trades_are_equal_in_feather_parquet_and_json(shared_data: Locate, read: Read, contract: Any) -> None:
    place = shared_data("freqtrade")
    schema = contract("trade_id string", "side string", "price float64", "size float64", "cost float64")
    recipe = {"drop": ["type"], "time": {"format": "ms"}}
    frames = [read(f"{place}/{{symbol}}-trades.{kind}", schema, recipe) for kind in ("feather", "parquet")]
    keyless = {**recipe, "columns": ["time", "trade_id", None, "side", "price", "size", "cost"], "drop": []}
    frames.append(read(f"{place}/{{symbol}}-trades.json.gz", schema, keyless))
    assert frames[0].height == 12_477
    assert frames[0].equals(frames[1])
    assert frames[0].equals(frames[2])


def test_trades_add_up_to_every_one_minute_bar(shared_data: Locate, read: Read, contract: Any) -> None:
    place = shared_data("freqtrade")
    trades = read(place / "XRP_ETH-trades.json.gz", contract("price float64", "size float64"), {
        "files": "{symbol}-trades.json.gz",
        "columns": ["time", None, None, None, "price", "size", None],
    })  # fmt: skip
    bars = read(f"{place}/{{symbol}}-1m.feather", contract(*OHLCV), symbols=["XRP_ETH"]).drop("symbol")
    minute = (pl.col("time").dt.epoch("ns") // 60_000_000_000 * 60_000_000_000).cast(pl.Datetime("ns"))
    summed = trades.group_by(minute.dt.replace_time_zone("UTC").alias("time"), maintain_order=True).agg(
        pl.first("price").alias("open"), pl.max("price").alias("high"), pl.min("price").alias("low"),
        pl.last("price").alias("close"), pl.sum("size").alias("volume"),
    )  # fmt: skip
    exact = bars.join(summed, on=["time", "open", "high", "low", "close"])
    assert bars.height == exact.height == 2469
    assert exact.filter((pl.col("volume") - pl.col("volume_right")).abs() > 1e-6).height == 0


def test_the_zero_byte_feather_is_refused_and_the_empty_list_is_empty(
    shared_data: Locate, read: Read, contract: Any
) -> None:
    place = shared_data("freqtrade")
    with pytest.raises(SourceError, match=r"UNITTEST_BTC-8m.feather is empty \(0 bytes\)"):
        read(place / "UNITTEST_BTC-8m.feather", contract(*OHLCV))
    assert read(place / "NOPAIR_XXX-4m.json", contract(*OHLCV)).height == 0


def test_funding_times_keep_their_milliseconds(shared_data: Locate, read: Read, contract: Any) -> None:
    place = shared_data("freqtrade/futures/XRP_USDT_USDT-8h-funding_rate.feather")
    frame = read(place, contract(*OHLCV))
    assert frame["time"].dt.strftime("%T%.3f")[0] == "00:00:00.017"


def test_headerless_trades_of_kraken_keep_their_equal_rows(
    shared_data: Locate, read: Read, contract: Any
) -> None:
    place = shared_data("freqtrade/kraken/trades_csv")
    schema = contract("price float64", "size float64")
    frames = [read(folder, schema, "kraken_trades") for folder in (place, place / "incremental_q2")]
    repeats = [frame.height - frame.unique().height for frame in frames]
    assert repeats == [1, 48]
    assert frames[0]["symbol"].unique().to_list() == ["BCHEUR"]


def test_quotes_with_milliseconds_glued_to_the_seconds(
    shared_data: Locate, read: Read, contract: Any
) -> None:
    recipe = {
        "columns": ["time", "bid", "ask", None],
        "constants": {"symbol": "EURUSD"},
        "time": {"format": "%Y%m%d %H%M%S%f", "time_zone": "UTC"},
    }
    frame = read(
        shared_data("nautilus/quote_tick_data.csv.gz"), contract("bid float64", "ask float64"), recipe
    )
    assert frame.height == 9500
    assert frame["time"].dt.epoch("ns")[0] == 1577898000065000000
    assert frame.columns == ["symbol", "time", "bid", "ask"]


def test_candles_of_binance_are_read_by_position(shared_data: Locate, read: Read, contract: Any) -> None:
    recipe = {
        "files": "{symbol}-1m-*.csv",
        "columns": ["time", "open", "high", "low", "close", "volume", None, None, "trade_count"],
        "extra": "ignore",
    }
    place = shared_data("nautilus/ADABTC-1m-2021-11-27.csv")
    frame = read(place, contract(*OHLCV, "trade_count int64"), recipe)
    assert frame.row(0)[2:] == (0.00002853, 0.00002854, 0.00002851, 0.00002854, 36304.2, 79)


def test_offsets_that_change_with_the_clocks_are_read(shared_data: Locate, read: Read, contract: Any) -> None:
    schema = contract(*OHLCV, "adjusted_close float64", time="date", time_type="date")
    place = shared_data("yfinance_repair/CALM-1d-no-bad-divs.csv")
    frame = read(place, schema, {"extra": "ignore"})
    assert frame["date"].n_unique() == frame.height
    assert frame["date"].dt.weekday().is_between(1, 5).all()
    assert frame["adjusted_close"].null_count() == 0


def test_a_first_row_with_a_time_for_a_date_goes_to_quarantine(
    shared_data: Locate, read: Read, contract: Any
) -> None:
    schema = contract(*OHLCV, time="date", time_type="date")
    recipe = {"constants": {"symbol": "TSLA"}, "time": {"format": "%Y/%m/%d"}}
    frame = read(shared_data("plotly_datasets/tesla-stock-price.csv"), schema, recipe)
    assert frame.filter(pl.col("date").is_null()).select("_raw_date", "_raw_volume").rows() == [
        ("11:34", "4,787,699")
    ]


def test_months_in_words_are_read(shared_data: Locate, read: Read, contract: Any) -> None:
    schema = contract("price float64", time="date", time_type="date")
    place = shared_data("vega_datasets/stocks.csv")
    frame = read(place, schema, {"time": {"format": "%b %d %Y"}}, symbols=["IBM"])
    assert frame["date"].is_sorted()
    assert set(frame["symbol"]) == {"IBM"}


def test_microseconds_of_tardis_are_exact(shared_data: Locate, read: Read, contract: Any) -> None:
    schema = contract("local_timestamp timestamp[ns]", time="timestamp")
    place = shared_data("nautilus/tardis/huobi-dm-swap_quotes_BTC-USD.csv")
    frame = read(place, schema, {"extra": "ignore"})
    first = place.read_text().splitlines()[1].split(",")
    assert [frame[name].dt.epoch("us")[0] for name in ("timestamp", "local_timestamp")] == [
        int(first[2]),
        int(first[3]),
    ]


def test_symbols_of_a_folder_need_no_contract(shared_data: Locate) -> None:
    place = shared_data("zipline_reloaded/tests/resources/csvdir_samples/csvdir/daily")
    assert FileSource(place).symbols() == ("AAPL", "IBM", "KO", "MSFT")


def test_a_plan_of_real_files_is_stable(shared_data: Locate, ticks: TableSchema) -> None:
    place = shared_data("pysystemtrade/adjusted_prices_csv")
    plans = [FileSource(place, "pysystemtrade_adjusted").chunks(ticks, None, Interval()) for _ in range(2)]
    assert plans[0] == plans[1]
    assert len({chunk.id for chunk in plans[0]}) == 32
