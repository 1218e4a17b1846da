"""Bars against polars and against slow loops, over files, days and slabs."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from lakehouse import analytics
from lakehouse.errors import ArgumentError, NotFoundError
from tests.queries.analytics.conftest import Make, Ticks

COLUMNS = ["symbol", "time", "open", "high", "low", "close", "volume", "trades"]


def by_group(rows: pl.DataFrame, start: pl.Expr, group: list[str]) -> pl.DataFrame:
    prices = rows.filter(pl.col("price").is_not_null())
    return (
        prices.group_by(group, maintain_order=True)
        .agg(
            start.alias("start"),
            pl.col("price").first().alias("open"),
            pl.col("price").max().alias("high"),
            pl.col("price").min().alias("low"),
            pl.col("price").last().alias("close"),
            pl.col("size").sum().cast(pl.Int64).alias("volume"),
            pl.len().cast(pl.Int64).alias("trades"),
        )
        .rename({"start": "time"})
        .select(COLUMNS)
    )


@pytest.mark.usefixtures("cuts")
@pytest.mark.parametrize("every", ["1min", "7min", "1h", "1d"])
def test_time_bars_are_those_of_polars(make: Make, ticks: Ticks, every: str) -> None:
    product = make(ticks(1500), ticks(1500, seed=1))
    rows = product.read().to_polars()
    bars = rows.with_columns(pl.col("time").dt.truncate(every.replace("min", "m")).alias("bar"))
    expected = by_group(bars, pl.col("bar").first(), ["symbol", "bar"])
    assert analytics.time_bars(product, every).read().to_polars().equals(expected)


def activity(rows: pl.DataFrame, amount: pl.Expr, target: float) -> pl.DataFrame:
    """Number the bars with a slow loop, and leave out the last one of each symbol."""
    prices = rows.filter(pl.col("price").is_not_null())
    bars: list[int | None] = []
    for symbol in prices["symbol"].unique(maintain_order=True):
        done, bar, amounts = 0.0, 0, prices.filter(pl.col("symbol") == symbol).select(amount).to_series()
        mine: list[int] = []
        for each in amounts.fill_null(0):
            mine.append(bar)
            done += each
            if done >= target:
                done, bar = 0.0, bar + 1
        bars += [number if number < bar else None for number in mine]
    numbered = prices.with_columns(pl.Series("bar", bars, pl.Int64)).filter(pl.col("bar").is_not_null())
    return by_group(numbered, pl.col("time").first(), ["symbol", "bar"])


@pytest.mark.usefixtures("cuts")
def test_activity_bars_are_those_of_a_slow_loop(make: Make, ticks: Ticks) -> None:
    product = make(ticks(1000), ticks(1000, seed=1))
    rows = product.read().to_polars()
    found = analytics.tick_bars(product, 13).read().to_polars()
    assert found.equals(activity(rows, pl.lit(1).repeat_by(pl.len()).explode(), 13))
    found = analytics.volume_bars(product, 2500).read().to_polars()
    assert found.equals(activity(rows, pl.col("size"), 2500))
    found = analytics.dollar_bars(product, 3e5).read().to_polars()
    assert found.equals(activity(rows, pl.col("size") * pl.col("price"), 3e5))


def imbalance(rows: list[tuple[int, float, float]], ticks: int, alpha: float, low: float, high: float) -> Any:
    """Cut imbalance bars of one symbol, in the words of the book."""
    bars, bar, signs = [], [], [0]
    expected_ticks, expected = float(ticks), None
    last = None
    for time, price, size in rows:
        change = 0 if last is None or price == last else (1 if price > last else -1)
        signs.append(change or signs[-1])
        last = price
        bar.append((time, price, size, signs[-1] * size))
        signed = sum(row[3] for row in bar)
        full = (
            len(bar) >= expected_ticks if expected is None else abs(signed) >= expected_ticks * abs(expected)
        )
        if len(bar) >= int(high * ticks) or (full and len(bar) >= np.ceil(low * ticks)):
            bars.append((bar[0][0], len(bar)))
            mean = signed / len(bar)
            expected = mean if expected is None else (1 - alpha) * expected + alpha * mean
            expected_ticks = (1 - alpha) * expected_ticks + alpha * len(bar)
            bar = []
    return bars


@pytest.mark.usefixtures("cuts")
def test_imbalance_bars_are_those_of_a_slow_loop(make: Make, ticks: Ticks) -> None:
    product = make(ticks(2000, nulls=0))
    found = analytics.imbalance_bars(product, 20, "volume", alpha=0.2, bounds=(0.2, 3)).read().to_polars()
    for (symbol,), rows in product.read().to_polars().group_by("symbol"):
        triples = list(zip(rows["time"].to_physical(), rows["price"], rows["size"], strict=True))
        mine = found.filter(pl.col("symbol") == symbol)
        bars = list(zip(mine["time"].to_physical(), mine["trades"], strict=True))
        assert bars == imbalance(triples, 20, 0.2, 0.2, 3)
    assert found["trades"].n_unique() > 10


@pytest.mark.parametrize("of", ["tick", "dollar"])
def test_imbalance_bars_of_other_measures_partition_the_trades(ticks: Ticks, of: Any) -> None:
    rows = ticks(3000, nulls=0)
    found = analytics.imbalance_bars(rows, 25, of).read().to_polars()
    counts = rows.group_by("symbol").len().rename({"len": "rows"})
    sums = found.group_by("symbol").agg(pl.col("trades").sum()).join(counts, on="symbol")
    assert (sums["trades"] <= sums["rows"]).all()
    assert (sums["rows"] - sums["trades"] < 250).all()
    assert found["trades"].is_between(3, 250).all()


def test_float_sizes_give_float_volumes_and_nan_is_none(ticks: Ticks) -> None:
    rows = ticks(500).with_columns(pl.col("size").cast(pl.Float32).fill_null(float("nan")))
    found = analytics.time_bars(rows, "1d").read().to_polars()
    assert found["volume"].dtype == pl.Float64
    expected = rows.filter(pl.col("price").is_not_null())["size"].fill_nan(None).sum()
    assert found["volume"].sum() == pytest.approx(expected)


def test_weeks_begin_on_mondays(ticks: Ticks) -> None:
    found = analytics.time_bars(ticks(300, days=20), "1w").read().to_polars()
    assert set(found["time"].dt.weekday()) == {1}


def test_one_trade_and_no_trade(ticks: Ticks) -> None:
    one = ticks(1, nulls=0)
    assert analytics.time_bars(one).read().to_polars()["trades"].to_list() == [1]
    assert analytics.time_bars(one.clear()).read().num_rows == 0
    assert analytics.time_bars(ticks(5, nulls=2.0)).read().num_rows == 0
    assert analytics.tick_bars(one, 2).read().columns == tuple(COLUMNS)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda rows: analytics.time_bars(rows, "1mo"), ArgumentError, "no fixed length"),
        (lambda rows: analytics.time_bars(rows, "soon"), ArgumentError, "no duration"),
        (lambda rows: analytics.time_bars(rows, price="last"), NotFoundError, "'last'"),
        (lambda rows: analytics.time_bars(rows, price="venue"), ArgumentError, "needs a column of numbers"),
        (lambda rows: analytics.tick_bars(rows, 0), ArgumentError, "'ticks'"),
        (lambda rows: analytics.tick_bars(rows, 1.5), ArgumentError, "'ticks'"),  # type: ignore[arg-type]
        (lambda rows: analytics.volume_bars(rows, -1), ArgumentError, "'volume'"),
        (lambda rows: analytics.dollar_bars(rows, float("nan")), ArgumentError, "'dollars'"),
        (lambda rows: analytics.imbalance_bars(rows, 5, "trades"), ArgumentError, "'of'"),  # type: ignore[arg-type]
        (lambda rows: analytics.imbalance_bars(rows, 5, alpha=2), ArgumentError, "'alpha'"),
        (lambda rows: analytics.imbalance_bars(rows, 5, bounds=(2, 3)), ArgumentError, "bounds"),
    ],
)
def test_bad_arguments(ticks: Ticks, call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(ticks(10))
