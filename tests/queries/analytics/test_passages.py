"""What follows an event, against slow loops over sorted rows."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from lakehouse import analytics
from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.queries.kernels import passages
from tests.queries.analytics.conftest import Make, Ticks

DAY = 86_400 * 10**9


def later_rows(rows: pl.DataFrame, symbol: str, time: int, last: int) -> list[tuple[int, float, float]]:
    mine = rows.filter(pl.col("symbol") == symbol, pl.col("time").to_physical().is_between(time, last))
    return list(zip(mine["time"].to_physical(), mine["price"], mine["size"], strict=True))


def slow_passage(rows: pl.DataFrame, order: dict[str, Any], multiple: float, last: int) -> Any:
    if order["size"] is None:
        return None, None
    traded = 0.0
    for time, price, size in later_rows(rows, order["symbol"], order["time"] + 1, last):
        traded += size
        if traded >= multiple * order["size"]:
            return time, price
    return None, None


@pytest.mark.usefixtures("cuts")
@pytest.mark.parametrize(("within", "same_day"), [(None, False), (None, True), ("3h", False)])
def test_passages_are_those_of_a_slow_loop(
    make: Make, ticks: Ticks, within: str | None, same_day: bool
) -> None:
    product = make(ticks(1000), ticks(1000, seed=1))
    orders = ticks(80, seed=2, nulls=0.1).select("symbol", "time", "size", id=pl.int_range(80))
    found = analytics.first_passage(product, orders, multiple=7, within=within, same_day=same_day).read()
    trades = product.read().to_polars().drop_nulls(["price", "size"])
    for order in found.to_polars().with_columns(pl.col("time", "exit_time").to_physical()).to_dicts():
        last = order["time"] + 3 * 3600 * 10**9 if within else 2**63 - 2
        if same_day:
            last = order["time"] // DAY * DAY + DAY - 1
        assert (order["exit_time"], order["exit_price"]) == slow_passage(trades, order, 7, last)
    assert found.columns == ("symbol", "time", "size", "id", "exit_time", "exit_price")
    assert found.to_polars()["exit_time"].null_count() < 70


def test_long_waits_leap_over_blocks_of_volume(ticks: Ticks) -> None:
    trades = ticks(6000, nulls=0.02)
    orders = ticks(20, seed=2, nulls=0).select("symbol", "time", "size")
    assert passages._BLOCK == 256
    found = analytics.first_passage(trades, orders, multiple=2000, within="2d").read().to_polars()
    rows = trades.sort("symbol", "time", maintain_order=True).drop_nulls(["price", "size"])
    for order in found.with_columns(pl.col("time", "exit_time").to_physical()).to_dicts():
        expected = slow_passage(rows, order, 2000, order["time"] + 2 * DAY)
        assert (order["exit_time"], order["exit_price"]) == expected
    assert 0 < found["exit_time"].null_count() < 20


def slow_barrier(rows: pl.DataFrame, event: dict[str, Any], last: int, upper: float, lower: float) -> Any:
    width, side = event["width"], event["side"]
    path = later_rows(rows, event["symbol"], event["time"], last)
    if width is None or side is None or not path:
        return None, None, None
    entry = path[0][1]
    for time, price, _ in path:
        gain = side * (price / entry - 1.0)
        if gain >= upper * width:
            return 1, time, price
        if gain <= -lower * width:
            return -1, time, price
    more = later_rows(rows, event["symbol"], last + 1, 2**63 - 2)
    return (0, *path[-1][:2]) if more else (None, None, None)


@pytest.mark.usefixtures("cuts")
def test_barriers_are_those_of_a_slow_loop(make: Make, ticks: Ticks) -> None:
    product = make(ticks(600), ticks(600, seed=1))
    events = ticks(90, seed=2, nulls=0.1).select(
        "symbol",
        "time",
        width=pl.col("size") / 15_000,
        side=pl.when(pl.col("venue") == "N").then(1).when(pl.col("venue") == "Q").then(-1),
    )
    found = analytics.triple_barrier(
        product, events, width="width", horizon="4h", upper=1.5, lower=1.0, side="side"
    ).read()
    rows = product.read().to_polars().drop_nulls("price").with_columns(size=1)
    for event in found.to_polars().with_columns(pl.col("time", "exit_time").to_physical()).to_dicts():
        # Rows without a price are no rows, but they show that the horizon has passed.
        expected = slow_barrier(rows, event, event["time"] + 4 * 3600 * 10**9, 1.5, 1.0)
        if event["label"] == 0 and expected[0] is None:
            continue
        assert (event["label"], event["exit_time"], event["exit_price"]) == expected
    assert set(found.to_polars()["label"]) == {None, -1, 0, 1}


def test_barriers_that_are_not_there_are_never_touched(ticks: Ticks) -> None:
    rows = ticks(2000, nulls=0)
    events = ticks(60, seed=2, nulls=0).select("symbol", "time")
    above = analytics.triple_barrier(rows, events, width=0.01, horizon=None, lower=None).read().to_polars()
    assert set(above["label"].drop_nulls()) == {1}
    assert (above["gain"].drop_nulls() >= 0.01).all()
    both = analytics.triple_barrier(rows, events, width=0.01, horizon="1h").read().to_polars()
    assert set(both["label"].drop_nulls()) == {-1, 0, 1}
    done = both.drop_nulls("exit_time")
    assert ((done["exit_time"] - done["time"]).dt.total_minutes() <= 60).all()


def test_empty_sides_and_unknown_symbols(ticks: Ticks) -> None:
    orders = ticks(5, nulls=0).select("symbol", "time", "size")
    assert analytics.first_passage(ticks(50), orders.clear()).read().num_rows == 0
    for trades in (ticks(50).clear(), ticks(50).with_columns(symbol=pl.lit("Z"))):
        assert analytics.first_passage(trades, orders).read().to_polars()["exit_time"].null_count() == 5


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t, o: analytics.first_passage(t, o, multiple=0), ArgumentError, "'multiple'"),
        (lambda t, o: analytics.first_passage(t, o.drop("size")), NotFoundError, "'size'"),
        (lambda t, o: analytics.first_passage(t, o.drop("symbol")), ArgumentError, "One side"),
        (lambda t, o: analytics.first_passage(t, o.with_columns(exit_time=1)), ArgumentError, "rename"),
        (lambda t, o: analytics.triple_barrier(t, o, width=-1.0, horizon="1d"), ArgumentError, "'width'"),
        (lambda t, o: analytics.triple_barrier(t, o, width="w", horizon="1d"), NotFoundError, "'w'"),
        (
            lambda t, o: analytics.triple_barrier(t, o, width=1, horizon="1d", upper=-1),
            ArgumentError,
            "barrier",
        ),
    ],
)
def test_bad_arguments(ticks: Ticks, call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(ticks(10), ticks(10).select("symbol", "time", "size"))
