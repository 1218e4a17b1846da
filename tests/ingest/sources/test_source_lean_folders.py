"""LEAN's folders by name: form, zone, scale and symbols follow from the path alone."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

import lakehouse
from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources import Recipe
from lakehouse.ingest.sources.formats.lean import LeanSource
from lakehouse.times import Interval

Locate = Callable[[str], Path]
FORMS = {
    "lean_equity_daily": "equity/usa/daily",
    "lean_equity_hour": "equity/usa/hour",
    "lean_equity_minute": "equity/usa/minute",
    "lean_equity_trade_tick": "equity/usa/tick",
    "lean_equity_quote_tick": "equity/usa/tick?kind=quote&extra=ignore",
    "lean_forex_tick": "forex/oanda/tick",
}


def read_all(source: LeanSource, symbols: list[str] | None = None) -> pl.DataFrame:
    schema = source.contract().schema
    chunks = source.chunks(schema, symbols, Interval())
    frame = pl.concat([pl.DataFrame(source.read(chunk, schema)) for chunk in chunks])
    assert frame.columns == list(schema.names)  # nothing is left over, and no cell did not fit
    return frame


@pytest.mark.parametrize("recipe", FORMS)
def test_the_path_says_what_the_shipped_recipe_says(shared_data: Locate, recipe: str) -> None:
    source = LeanSource(f"{shared_data('lean')}/{FORMS[recipe]}")
    assert dataclasses.asdict(source.recipe) == dataclasses.asdict(Recipe.load(recipe))


@pytest.mark.parametrize(
    ("place", "rows", "symbols"),
    [
        ("crypto/coinbase/daily", 1318, ["BTCUSD"]),
        ("crypto/coinbase/daily?kind=quote", 0, ["BTCUSD"]),
        ("forex/oanda/daily", 14952, ["EURGBP", "EURUSD", "GBPUSD", "NZDUSD"]),
        ("future/cme/daily", 203, None),
        ("future/cme/minute/es?kind=openinterest", 0, None),
        ("equity/usa/minute/aapl?kind=quote", 0, ["AAPL"]),
    ],
)
def test_every_form_is_read_whole(
    shared_data: Locate, place: str, rows: int, symbols: list[str] | None
) -> None:
    frame = read_all(LeanSource(f"{shared_data('lean')}/{place}"))
    assert frame.height == rows or (not rows and frame.height)
    assert symbols is None or sorted(frame["symbol"].unique()) == symbols


def test_an_option_has_strike_and_expiry_in_columns(shared_data: Locate) -> None:
    frame = read_all(LeanSource(f"{shared_data('lean')}/option/usa/minute/aapl"))
    assert frame.height == 22067
    row = frame.filter(symbol="AAPL_20150117_CALL_10000000").row(0, named=True)
    assert row["time"] == datetime(2014, 6, 6, 13, 30, tzinfo=UTC)
    assert [row[name] for name in ("open", "volume", "style", "right", "strike", "expiry")] == [
        1.7, 28, "american", "call", 1000.0, date(2015, 1, 17)
    ]  # fmt: skip


def test_a_future_is_named_by_root_and_expiry_and_filtered(shared_data: Locate) -> None:
    source = LeanSource(f"{shared_data('lean')}/future/cme/minute/es")
    assert "ES201312" in source.symbols()
    frame = read_all(source, ["ES201403"])
    assert frame["symbol"].unique().to_list() == ["ES201403"]
    assert frame["close"].is_between(1500, 2000).all()


def test_crypto_minutes_add_up_to_days(shared_data: Locate) -> None:
    place = shared_data("lean/crypto/coinbase")
    minutes, days = read_all(LeanSource(place / "minute")), read_all(LeanSource(place / "daily"))
    midnight = pl.col("time").dt.truncate("1d")
    made = minutes.group_by(midnight, maintain_order=True).agg(
        pl.first("open"), pl.max("high"), pl.min("low"), pl.last("close"), pl.sum("volume").alias("made")
    )
    both = made.join(days, on=["time", "open", "high", "low", "close"])
    assert both.height == 9
    assert ((both["made"] - both["volume"]).abs() < 1e-6).all()


def test_the_database_knows_that_an_index_is_in_chicago(shared_data: Locate) -> None:
    root = shared_data("lean")
    source = LeanSource(root / "index/usa/minute/spx")
    assert source.recipe.time.time_zone == "America/Chicago"
    assert read_all(source)["time"].min() == datetime(2021, 1, 4, 14, 30, tzinfo=UTC)
    with pytest.raises(
        ArgumentError, match=r"(?s)several zones: America/Chicago, America/New_York.*time_zone="
    ):
        LeanSource(root / "index/usa/minute")


def test_a_fixed_offset_keeps_its_hours_in_summer(tmp_path: Path) -> None:
    (tmp_path / "market-hours").mkdir()
    (tmp_path / "market-hours" / "market-hours-database.json").write_text(
        '{"entries": {"Forex-fxcm-[*]": {"dataTimeZone": "UTC-05"}}}'
    )
    place = tmp_path / "forex" / "fxcm" / "daily"
    place.mkdir(parents=True)
    with zipfile.ZipFile(place / "eurusd.zip", "w") as archive:
        archive.writestr("eurusd.csv", "20240702 00:00,1,1,1,1,0,,,,,\n")
    row = read_all(LeanSource(place)).row(0, named=True)
    assert row["time"] == datetime(2024, 7, 2, 5, tzinfo=UTC)
    assert row["ask_open"] is None


@pytest.mark.parametrize(
    ("times", "instants"),
    [
        ("1700000\n10800000\n", ["2024-11-03T04:28:20", "2024-11-03T08:00:00"]),  # before and after the hour
        ("5400000\n", None),  # half past one happens twice
    ],
)
def test_the_hour_that_clocks_repeat_is_never_guessed(
    tmp_path: Path, times: str, instants: list[str] | None
) -> None:
    place = tmp_path / "equity" / "usa" / "second" / "ibm"
    place.mkdir(parents=True)
    lines = "".join(f"{time},1815200,1815200,1815200,1815200,7\n" for time in times.split())
    with zipfile.ZipFile(place / "20241103_trade.zip", "w") as archive:
        archive.writestr("20241103_ibm_second_trade.csv", lines)
    source = LeanSource(place)
    if instants is None:
        with pytest.raises(SourceError, match="clocks in America/New_York repeat the local time"):
            read_all(source)
    else:
        assert read_all(source)["time"].dt.strftime("%FT%T").to_list() == instants


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("equity/usa", "Not a LEAN data folder"),
        ("equity/usa/weekly", "Not a LEAN data folder"),
        ("equity/usa/daily?kind=quote", "no quote data in equity/usa/daily"),
        ("forex/oanda/tick?kind=trade", "no trade data in forex/oanda/tick"),
        ("forex/oanda/daily?kind=trade", "no trade data in forex/oanda/daily"),
        ("equity/mars/daily", "equity/mars is in no zone that is known here"),
    ],
)
def test_a_place_that_means_nothing_is_refused(tmp_path: Path, place: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        LeanSource(f"{tmp_path}/{place}")


def test_a_lake_takes_lean_by_name_with_a_key(shared_data: Locate, tmp_path: Path) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    place = f"lean:{shared_data('lean')}/equity/usa/daily"
    lake.create("market_data.bars_1d", like=lakehouse.sources.open(place))
    report = lake.backfill("market_data.bars_1d", place, symbols=["IBM"])
    assert (report.quarantined, report.accepted > 5000) == (0, True)
    assert lake["market_data.bars_1d"].contract.schema.key == ("symbol", "time")
