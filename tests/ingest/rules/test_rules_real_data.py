"""What the rules find in real files with known defects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from lakehouse.catalog.rule import Rule
from lakehouse.ingest.rules import evaluate_rules
from lakehouse.schema import Column, TableSchema

Shared = Callable[[str], Path]
PRICES = ("open", "high", "low", "close")
SCHEMA = TableSchema(
    (Column("time", "timestamp[us]", nullable=False), *(Column(name, "float64") for name in PRICES)),
    time="time",
)
BAR = Rule("bar", "ohlc")
SPIKE = Rule("spike", "spike", ("close",), {"window": 9, "threshold": 10})


def yahoo(file: Path) -> pl.DataFrame:
    frame = pl.read_csv(file, infer_schema_length=None)
    time = pl.first().str.to_datetime("%Y-%m-%d %H:%M:%S%z", time_unit="us", time_zone="UTC").alias("time")
    return frame.select(time, *(pl.col(name.title()).cast(pl.Float64).alias(name) for name in PRICES))


def broken(frame: pl.DataFrame, rule: Rule) -> pl.Series:
    return evaluate_rules(frame, [rule], SCHEMA)[rule.name]


def test_vix_daily_has_its_47_impossible_bars(shared_data: Shared) -> None:
    frame = pl.read_csv(shared_data("datasets_hub/vix-daily.csv.gz"), try_parse_dates=True).rename(str.lower)
    schema = TableSchema((Column("date", "date", nullable=False), *SCHEMA.columns[1:]), time="date")
    found = frame.filter(evaluate_rules(frame, [BAR], schema)["bar"])
    assert found.height == 47
    assert (str(found["date"].min()), str(found["date"].max())) == ("1992-02-11", "2006-02-08")


def test_funding_rates_written_into_open_are_no_bars(shared_data: Shared) -> None:
    file = shared_data("freqtrade/futures/XRP_USDT_USDT-8h-funding_rate.feather")
    frame = pl.read_ipc(file).rename({"date": "time"})
    assert (broken(frame, BAR).sum(), frame.height) == (91, 91)


@pytest.mark.parametrize(("name", "count"), [("ABDP-L-1d-bad-div", 44), ("CLC-L-1d-bad-div", 8)])
def test_london_bars_that_their_vendor_broke_are_found(shared_data: Shared, name: str, count: int) -> None:
    assert broken(yahoo(shared_data(f"yfinance_repair/{name}.csv")), BAR).sum() == count


def test_a_missed_split_is_a_spike_on_its_first_day_and_its_correction_is_none(shared_data: Shared) -> None:
    bad = yahoo(shared_data("yfinance_repair/4063-T-1d-bad-stock-split.csv"))
    fixed = yahoo(shared_data("yfinance_repair/4063-T-1d-bad-stock-split-fixed.csv"))
    wrong = bad.filter(bad["close"] != fixed["close"])["time"]
    found = bad.filter(broken(bad, SPIKE))["time"]
    assert wrong.len() == 9
    assert found.min() == bad.filter(pl.col("time") > wrong.max())["time"].min()
    assert not broken(fixed, SPIKE).any()
