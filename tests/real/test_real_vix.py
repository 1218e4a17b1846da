"""The daily VIX has 47 bars that can not be: they go to quarantine, and everything else lands."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse.errors import NotFoundError

PRICES = ["open", "high", "low", "close"]
VIX = {"constants": {"symbol": "VIX"}}


@pytest.fixture
def vix(lake: lakehouse.Lake, contracts: Any, shared_data: Any) -> lakehouse.Product:
    product = lake.apply(contracts["market_data.bars_1d"])
    lake.backfill("market_data.bars_1d", shared_data("datasets_hub/vix-daily.csv.gz"), recipe=VIX)
    return product


def corrected(refused: pl.DataFrame) -> pl.DataFrame:
    """Widen high and low to hold open and close, as a vendor would."""
    high, low = pl.max_horizontal(PRICES).alias("high"), pl.min_horizontal(PRICES).alias("low")
    return refused.with_columns(high, low).select("symbol", "date", *PRICES)


def test_47_rows_break_the_rule_ohlc_and_all_others_land(real: Any) -> None:
    report = real.load("vix")
    assert report.rules == {"ohlc": 47}
    assert (report.rows_in, report.accepted, report.duplicates) == (9_235, 9_188, 0)
    assert real.lake["market_data.bars_1d"].read("VIX").num_rows == 9_188


def test_the_refused_rows_are_exactly_the_impossible_ones(vix: lakehouse.Product, shared_data: Any) -> None:
    given = pl.read_csv(shared_data("datasets_hub/vix-daily.csv.gz"), try_parse_dates=True).rename(str.lower)
    low, high = pl.min_horizontal(PRICES), pl.max_horizontal(PRICES)
    impossible = given.filter((pl.col("low") > low) | (pl.col("high") < high))
    refused = vix.quarantine.read().to_polars()
    assert refused["_broke_ohlc"].all()
    assert refused.select("date", *PRICES).equals(impossible)
    assert given["date"].gather(refused["_row"]).equals(refused["date"])
    assert (str(refused["date"].min()), str(refused["date"].max())) == ("1992-02-11", "2006-02-08")


def test_the_list_names_the_commit_the_rule_and_the_file(vix: lakehouse.Product) -> None:
    row = vix.quarantine.list().to_polars().row(0, named=True)
    assert (row["version"], row["rows"], row["rules"], row["replayed"]) == (1, 47, "ohlc: 47", False)
    assert row["source"].endswith("vix-daily.csv.gz")


def test_corrected_rows_are_replayed_once(vix: lakehouse.Product) -> None:
    refused = vix.quarantine.read(1).to_polars()
    commit = vix.quarantine.replay(1, corrected(refused))
    assert (commit.rows_in, commit.accepted, commit.quarantined, commit.duplicates) == (47, 47, 0, 0)
    assert vix.read("VIX").num_rows == 9_235
    again = vix.quarantine.replay(1, corrected(refused))
    assert (again.repeated, again.version, vix.version) == (True, commit.version, commit.version)
    assert vix.quarantine.list().to_polars()["replayed"].to_list() == [True]


def test_rows_replayed_as_they_came_are_refused_again(vix: lakehouse.Product) -> None:
    commit = vix.quarantine.replay(1)
    assert (commit.rows_in, commit.accepted, commit.quarantined) == (47, 0, 47)
    assert vix.read("VIX").num_rows == 9_188
    assert vix.quarantine.list().to_polars()["rows"].to_list() == [47, 47]


def test_a_version_without_quarantine_is_not_found(vix: lakehouse.Product) -> None:
    with pytest.raises(NotFoundError, match=r"Unknown quarantine of market_data\.bars_1d '7'"):
        vix.quarantine.read(7)
