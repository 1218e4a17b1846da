"""Correlations of all symbols, against pandas, whatever the files and blocks look like."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse import analytics
from lakehouse.errors import ArgumentError
from lakehouse.queries import matrix
from lakehouse.times import NS_PER_DAY
from tests.queries.analytics.conftest import DAY, SYMBOLS, Make, ticks

if TYPE_CHECKING:
    import pandas as pd

MINUTE = 60 * 10**9


def wide(frame: pl.DataFrame, of: str, fill: str | None) -> pd.DataFrame:
    """Pivot, fill and difference in pandas; the last row of a time that has a price counts."""
    rows = frame.sort("symbol", "time", maintain_order=True).to_pandas()
    times = sorted(rows["time"].unique())
    known = rows.dropna(subset=["price"]).drop_duplicates(["symbol", "time"], keep="last")
    table = known.pivot(index="time", columns="symbol", values="price").reindex(times)
    table = table.reindex(columns=sorted(rows["symbol"].unique()))
    table = table.ffill() if fill == "forward" else table
    if of == "value":
        return table
    ratio = table / table.shift(1)
    return ratio - 1.0 if of == "return" else ratio.apply(np.log)


def square(result: Any) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    column: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = result.to_arrow().columns[2].to_numpy()
    side = round(len(column) ** 0.5)
    return column.reshape(side, side)


def bars(day: int, seed: int) -> pl.DataFrame:
    """Make bars of every third minute of a day, a fifth of them missing, some twice, some without a price."""
    random = np.random.default_rng(seed)
    times = DAY + day * NS_PER_DAY + np.repeat(np.arange(0, 600, 3), 4) * MINUTE
    prices = np.round(100 + random.normal(0, 2, len(times)), 2)
    frame = pl.DataFrame({"symbol": SYMBOLS * 200, "time": times, "price": prices})
    frame = frame.with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")))
    frame = frame.with_columns(pl.when(pl.Series(random.random(800) < 0.95)).then("price").alias("price"))
    again = frame.sample(20, seed=seed).with_columns(pl.col("price") + 1)
    return pl.concat([frame.filter(pl.Series(random.random(800) < 0.8)), again])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut slabs and blocks after a few rows."""
    monkeypatch.setattr(matrix, "SLAB_ROWS", 100)
    monkeypatch.setattr(matrix, "BLOCK_NUMBERS", 1)
    monkeypatch.setattr(matrix, "_GUESSED_FROM", 1)


@pytest.mark.parametrize("of", ["value", "return", "log_return"])
@pytest.mark.parametrize("fill", ["forward", None])
@pytest.mark.usefixtures("small_groups")
def test_it_is_what_pandas_says(make: Make, of: Any, fill: Any) -> None:
    first, second = bars(0, 0), pl.concat([bars(0, 1), bars(1, 2)])
    product = make(first, second)
    expected = wide(pl.concat([first, second]), of, fill)
    correlation = analytics.correlation(product, "price", of=of, fill=fill).read()
    covariance = analytics.covariance(product, "price", of=of, fill=fill).read()
    assert np.isfinite(expected.corr().to_numpy()).all()
    np.testing.assert_allclose(square(correlation), expected.corr(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(square(covariance), expected.cov(), rtol=1e-9, atol=1e-12)


def test_pairs_are_named_and_sorted(make: Make) -> None:
    result = analytics.correlation(make(ticks(50)), "price").read().to_polars()
    names = ["A", "BRK/B", "IBM", "日経225"]
    assert result.columns == ["symbol", "other", "correlation"]
    assert result["symbol"].to_list() == [name for name in names for _ in names]
    assert result["other"].to_list() == names * 4


def test_a_symbol_that_comes_late_meets_the_others_from_then_on(make: Make) -> None:
    frame = ticks(600)
    late = frame.filter((pl.col("symbol") != "IBM") | (pl.col("time").dt.day() > 2))
    expected = wide(late, "return", "forward").corr()
    result = analytics.correlation(make(late), "price").read()
    np.testing.assert_allclose(square(result), expected, rtol=1e-9)


def test_cells_of_time_are_compared_at_their_ends(make: Make) -> None:
    frame = ticks(2000).drop_nulls()
    result = analytics.correlation(make(frame), "price", every="30min").read()
    cells = frame.sort("time", maintain_order=True).with_columns(pl.col("time").dt.truncate("30m"))
    last = cells.group_by("symbol", "time", maintain_order=True).last()
    np.testing.assert_allclose(square(result), wide(last, "return", "forward").corr(), rtol=1e-9)


def test_a_frame_a_scan_a_product_and_an_executor_give_the_same(make: Make) -> None:
    frame = ticks(300)
    product = make(frame)
    result = analytics.correlation(product, "price").read()
    with ThreadPoolExecutor(1) as pool:
        for rows, executor in ((frame, None), (product.scan(), None), (product, pool)):
            found = analytics.correlation(rows, "price", executor=executor).read()
            np.testing.assert_allclose(square(found), square(result), rtol=1e-9, atol=1e-12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("ABC"), st.integers(0, 9), st.sampled_from([1.0, 2.0, 3.0, None])),
        max_size=40,
    ),
    fill=st.sampled_from(["forward", None]),
)
def test_any_rows(rows: list[tuple[str, int, float | None]], fill: Any) -> None:
    schema = {"symbol": pl.String, "minute": pl.Int64, "price": pl.Float64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    time = (DAY + pl.col("minute") * MINUTE).cast(pl.Datetime("ns", "UTC")).alias("time")
    frame = frame.select("symbol", time, "price")
    found = square(analytics.covariance(frame, "price", fill=fill).read())
    expected = wide(frame, "return", fill).cov().to_numpy() if rows else np.zeros((0, 0))
    np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=1e-9, atol=1e-9)


def test_a_symbol_without_a_row_in_the_interval_is_left_out_however_rows_are_stored(make: Make) -> None:
    """The row groups of the interval had rows of B: so it came out, with NaN, in one layout alone."""
    times = pl.Series([DAY + minute * MINUTE for minute in (0, 5, 1, 2, 9)]).cast(pl.Datetime("ns", "UTC"))
    frame = pl.DataFrame({"symbol": list("AABBB"), "time": times, "price": [1.0, 2.0, 3.0, 4.0, 5.0]})
    scan = make(frame).scan(start=DAY + 3 * MINUTE, end=DAY + 6 * MINUTE)
    assert analytics.correlation(scan, "price").read().to_arrow()["symbol"].to_pylist() == ["A"]


def test_what_does_not_vary_where_both_have_numbers_is_nan_and_no_rounding() -> None:
    """A is 0.1 wherever B has a number: what was left of its variance were rounding errors."""
    times = pl.Series([DAY + minute * MINUTE for minute in range(60)]).cast(pl.Datetime("ns", "UTC"))
    random = np.random.default_rng(0)
    steady = pl.DataFrame({"symbol": "A", "time": times, "price": [0.7, 0.3, 0.9, *([0.1] * 57)]})
    moving = pl.DataFrame(
        {"symbol": "B", "time": times, "price": [None] * 3 + random.normal(0, 1, 57).tolist()}
    )
    found = analytics.correlation(pl.concat([steady, moving]), "price", of="value", fill=None).read()
    matrix = square(found)
    assert np.isnan(matrix[0, 1])
    assert np.isnan(matrix[1, 0])
    np.testing.assert_allclose(np.diagonal(matrix), 1.0)


def test_what_can_not_be_compared_is_refused() -> None:
    with pytest.raises(ArgumentError, match="no symbol column"):
        analytics.correlation(ticks(5).drop("symbol"), "price")
    with pytest.raises(ArgumentError, match="'fill' must be one of 'forward'; got 'backward'"):
        analytics.correlation(ticks(5), "price", fill="backward")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="no fixed length"):
        analytics.correlation(ticks(5), "price", every="1mo")
