"""As-of joins against polars, in every direction, over files, days and slabs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lakehouse
from lakehouse import analytics
from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.partitions import encoding
from lakehouse.queries import buckets
from tests.queries.analytics.conftest import START, Make, Ticks


def quotes(ticks: Ticks, rows: int, seed: int) -> pl.DataFrame:
    made = ticks(rows, seed=seed, nulls=0.1)
    return made.select("symbol", "time", pl.col("price").alias("bid"), "size", "venue")


def oracle(left: pl.DataFrame, right: pl.DataFrame, direction: Any, tolerance: int | None) -> pl.DataFrame:
    """Join with polars; for forward it is given the first of equal times, for backward the last."""
    keep: Any = "first" if direction == "forward" else "last"
    other = right.unique(["symbol", "time"], keep=keep, maintain_order=True)
    columns = {name: f"{name}_right" for name in other.columns if name in left.columns[2:]}
    sides = [each.with_columns(pl.col("time").to_physical()) for each in (left, other.rename(columns))]
    joined = sides[0].join_asof(
        sides[1], on="time", by="symbol", strategy=direction, tolerance=tolerance, check_sortedness=False
    )
    return joined.with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")))


@pytest.mark.usefixtures("cuts")
@pytest.mark.parametrize("tolerance", [None, 90 * 60 * 10**9])
@pytest.mark.parametrize("direction", ["backward", "forward"])
def test_joins_are_those_of_polars(make: Make, ticks: Ticks, direction: Any, tolerance: int | None) -> None:
    trades = make(ticks(400), ticks(400, seed=1))
    other = make(quotes(ticks, 1500, 2), quotes(ticks, 1500, 3), name="market_data.quotes")
    found = analytics.asof_join(trades, other, direction, tolerance=tolerance).read().to_polars()
    expected = oracle(trades.read().to_polars(), other.read().to_polars(), direction, tolerance)
    assert found.columns[5:] == ["bid", "size_right", "venue_right"]
    assert found.equals(expected, null_equal=True)


@pytest.mark.usefixtures("cuts")
def test_the_nearest_row_is_the_nearer_one_and_on_a_tie_the_one_before(make: Make, ticks: Ticks) -> None:
    trades = make(ticks(300))
    other = make(quotes(ticks, 900, 2), name="market_data.quotes")
    before, after, nearest = (
        analytics.asof_join(trades, other, direction, columns=["time"]).read().to_polars()["time_right"]
        for direction in ("backward", "forward", "nearest")
    )
    time = trades.read().to_polars()["time"]
    expected = pl.DataFrame([time, before.alias("b"), after.alias("f")]).select(
        pl.when(pl.col("b").is_null() | (pl.col("f") - pl.col("time") < pl.col("time") - pl.col("b")))
        .then("f")
        .otherwise("b")
    )
    assert nearest.equals(expected["f"].alias("time_right"), null_equal=True)
    assert 0 < (nearest == before).sum() < len(nearest)


def test_the_last_quote_of_an_earlier_day_serves_the_first_trade(make: Make) -> None:
    def at(days: list[float], **columns: list[float]) -> pl.DataFrame:
        times = pl.Series([int(START + day * 86_400 * 10**9) for day in days]).cast(pl.Datetime("ns", "UTC"))
        return pl.DataFrame({"symbol": ["IBM"] * len(days), "time": times, **columns})

    other = make(at([0.5, 0.75, 30.1], bid=[1.0, 2.0, 3.0]), name="market_data.quotes")
    trades = make(at([29.5, 29.75], price=[9.0, 9.5]))
    assert analytics.asof_join(trades, other).read().to_polars()["bid"].to_list() == [2.0, 2.0]
    assert analytics.asof_join(trades, other, "forward").read().to_polars()["bid"].to_list() == [3.0, 3.0]
    late = trades.scan(start=START + 29 * 86_400 * 10**9)
    assert (
        analytics.asof_join(late, other.scan(end=START + 86_400 * 10**9)).read().to_polars()["bid"][0] == 2.0
    )


ROWS = st.lists(st.tuples(st.sampled_from(["A", "B"]), st.integers(0, 60)), min_size=1, max_size=30)


def frame(rows: list[tuple[str, int]], name: str, base: int) -> pl.DataFrame:
    symbols, hours = zip(*rows, strict=True)
    times = pl.Series([START + hour * 3600 * 10**9 for hour in hours], dtype=pl.Int64)
    values = pl.Series(range(base, base + len(rows)), dtype=pl.Int64)
    return pl.DataFrame({"symbol": symbols, "time": times.cast(pl.Datetime("ns", "UTC")), name: values})


@settings(max_examples=12)
@given(ROWS, st.lists(ROWS, min_size=1, max_size=3), st.sampled_from(["backward", "forward"]), st.booleans())
def test_overlapping_files_of_quotes(
    left: list[tuple[str, int]], right: list[list[tuple[str, int]]], direction: Any, tiny: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        if tiny:
            patch.setattr(encoding, "LARGEST_ROW_GROUP", 4)
            patch.setattr(encoding, "OWN_ROW_GROUP", 2)
            patch.setattr(buckets, "MOST_ROWS", 4)
            patch.setattr(buckets, "_FEWEST_ROWS", 2)
            patch.setattr(buckets, "_SLAB_ROWS", 2)
        lake = lakehouse.open(Path(folder) / "lake", create=True)
        quoted = lake.create("m.quotes", like=frame(right[0], "bid", 0), key=(), layout="date=day")
        for number, rows in enumerate(right):
            quoted.append(frame(rows, "bid", 100 * number))
        traded = lake.create("m.trades", like=frame(left, "price", 0), key=(), layout="date=day")
        traded.append(frame(left, "price", 0))
        found = analytics.asof_join(traded, quoted, direction).read().to_polars()
        expected = oracle(traded.read().to_polars(), quoted.read().to_polars(), direction, None)
        assert found.equals(expected, null_equal=True)


def test_types_and_nulls_of_the_right_side_stay(make: Make, ticks: Ticks) -> None:
    other = quotes(ticks, 500, 2).with_columns(
        open=pl.col("size") > 100, seen=pl.col("time"), day=pl.col("time").dt.date()
    )
    trades = ticks(100)
    found = analytics.asof_join(trades, make(other, name="m.quotes"), columns=["open", "seen", "day", "size"])
    assert [str(kind) for kind in found.schema.types[5:]] == [
        "bool",
        "timestamp[ns, tz=UTC]",
        "date32[day]",
        "int32",
    ]
    read = found.read().to_polars()
    assert read["seen"].null_count() < read["open"].null_count() == read["size_right"].null_count()
    assert (read["seen"] <= read["time"]).drop_nulls().all()


def test_sides_without_symbols_and_symbols_of_one_side(ticks: Ticks) -> None:
    trades, other = ticks(50), quotes(ticks, 200, 1)
    alone = analytics.asof_join(trades.drop("symbol"), other.drop("symbol"), columns=["bid"]).read()
    assert alone.columns == ("time", "price", "size", "venue", "bid")
    none = analytics.asof_join(trades, other.with_columns(symbol=pl.lit("Z"))).read().to_polars()
    assert none["bid"].null_count() == 50
    assert analytics.asof_join(trades.clear(), other).read().num_rows == 0
    assert analytics.asof_join(trades, other.clear()).read().to_polars()["bid"].null_count() == 50


def test_columns_of_a_scan_are_kept_and_named_apart(make: Make, ticks: Ticks) -> None:
    trades = make(ticks(50))
    joined = analytics.asof_join(trades.scan(columns=["price"]), ticks(60).lazy(), suffix="_2")
    assert joined.schema.names == ["symbol", "time", "price", "price_2", "size", "venue"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda a, b: analytics.asof_join(a, b, "back"), ArgumentError, "'direction'"),  # type: ignore[arg-type]
        (lambda a, b: analytics.asof_join(a, b.drop("symbol")), ArgumentError, "One side"),
        (lambda a, b: analytics.asof_join(a, b, columns=["bids"]), NotFoundError, "'bids'"),
        (lambda a, b: analytics.asof_join(a, b, columns=["symbol"]), ArgumentError, "share"),
        (lambda a, b: analytics.asof_join(a, b, suffix=""), ArgumentError, "Both sides"),
        (lambda a, b: analytics.asof_join(a, b, tolerance=-1), ArgumentError, "'tolerance'"),
    ],
)
def test_bad_arguments(ticks: Ticks, call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(ticks(10), quotes(ticks, 10, 1))
