"""Volume curves against polars, CUSUM events against the loop of the book."""

from __future__ import annotations

import math

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from lakehouse import analytics
from lakehouse.errors import ArgumentError
from tests.queries.analytics.conftest import Make, Ticks


def curve(rows: pl.DataFrame, minutes: int) -> pl.DataFrame:
    minute = (pl.col("time").dt.hour().cast(pl.Int32) * 60 + pl.col("time").dt.minute()) // minutes * minutes
    cells = rows.with_columns(day=pl.col("time").dt.date(), minute=minute.cast(pl.Int32))
    totals = cells.group_by("symbol", "day").agg(total=pl.col("size").sum()).filter(pl.col("total") > 0)
    days = totals.group_by("symbol").agg(days=pl.len())
    shares = cells.join(totals, on=["symbol", "day"], how="left").join(days, on="symbol")
    return (
        shares.group_by("symbol", "minute")
        .agg(share=(pl.col("size") / pl.col("total")).sum() / pl.col("days").first())
        .sort("symbol", "minute")
    )


@pytest.mark.usefixtures("cuts")
@pytest.mark.parametrize("minutes", [1, 30])
def test_the_volume_curve_is_that_of_polars(make: Make, ticks: Ticks, minutes: int) -> None:
    product = make(ticks(), ticks(seed=1))
    found = analytics.volume_curve(product, f"{minutes}min", size="size").read()
    assert_frame_equal(found.to_polars(), curve(product.read().to_polars(), minutes))
    assert found.to_polars().group_by("symbol").agg(pl.col("share").sum())[
        "share"
    ].to_list() == pytest.approx([1.0] * 4)


def test_days_without_volume_do_not_count(ticks: Ticks) -> None:
    rows = ticks(400, nulls=0).with_columns(
        size=pl.when(pl.col("time").dt.day() == 2).then(0).otherwise("size")
    )
    assert_frame_equal(analytics.volume_curve(rows, size="size").read().to_polars(), curve(rows, 1))
    nothing = analytics.volume_curve(rows.with_columns(size=0), size="size").read().to_polars()
    assert nothing["share"].is_nan().all()
    assert analytics.volume_curve(rows.clear(), size="size").read().num_rows == 0


@pytest.mark.parametrize("every", ["7min", "30s", "2d"])
def test_spans_that_do_not_divide_a_day(ticks: Ticks, every: str) -> None:
    with pytest.raises(ArgumentError, match="whole number"):
        analytics.volume_curve(ticks(5), every, size="size")


def book(values: list[float], threshold: float, of: str) -> list[tuple[int, int]]:
    """Give (row, side) of the symmetric CUSUM filter, as in snippet 2.4 of the book."""
    events, up, down = [], 0.0, 0.0
    for row in range(1, len(values)):
        before, now = values[row - 1], values[row]
        change = {"value": now - before, "return": now / before - 1, "log_return": math.log(now / before)}[of]
        up, down = max(0.0, up + change), min(0.0, down + change)
        if down < -threshold:
            down = 0.0
            events.append((row, -1))
        elif up > threshold:
            up = 0.0
            events.append((row, 1))
    return events


@pytest.mark.usefixtures("cuts")
@pytest.mark.parametrize(("of", "threshold"), [("value", 4.0), ("return", 0.03), ("log_return", 0.03)])
def test_cusum_events_are_those_of_the_book(make: Make, ticks: Ticks, of: str, threshold: float) -> None:
    product = make(ticks(600), ticks(600, seed=1))
    found = analytics.cusum_events(product, threshold, of=of).read().to_polars()  # type: ignore[arg-type]
    assert found.columns == ["symbol", "time", "price", "side"]
    for (symbol,), rows in product.read().to_polars().drop_nulls("price").group_by("symbol"):
        events = book(rows["price"].to_list(), threshold, of)
        mine = found.filter(pl.col("symbol") == symbol)
        assert mine["side"].to_list() == [side for _, side in events]
        assert mine["time"].to_list() == [rows["time"][row] for row, _ in events]
    assert set(found["side"]) == {-1, 1}


def test_cusum_of_bad_arguments(ticks: Ticks) -> None:
    with pytest.raises(ArgumentError, match="'threshold'"):
        analytics.cusum_events(ticks(5), 0)
    with pytest.raises(ArgumentError, match="'of'"):
        analytics.cusum_events(ticks(5), 1, of="price")  # type: ignore[arg-type]


def test_events_feed_the_triple_barrier(ticks: Ticks) -> None:
    rows = ticks(3000, nulls=0)
    events = analytics.cusum_events(rows, 0.05).read()
    labels = analytics.triple_barrier(rows, events, width=0.02, horizon="1d").read()
    assert labels.columns == ("symbol", "time", "price", "side", "label", "exit_time", "exit_price", "gain")
    assert len(labels) == len(events) > 50
