"""Rolling statistics of products and frames, against polars and pandas, whatever the files look like."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import lakehouse
from lakehouse import analytics
from lakehouse.errors import ArgumentError, NotFoundError
from tests.queries.analytics.conftest import Make, ticks

Expression = Callable[[pl.Expr], pl.Expr]

PRICE = pl.col("price")
POLARS: dict[str, Expression] = {
    "mean": lambda values: values.rolling_mean(5),
    "std": lambda values: values.rolling_std(5),
    "zscore": lambda values: (values - values.rolling_mean(5)) / values.rolling_std(5),
    "min": lambda values: values.rolling_min(5),
    "max": lambda values: values.rolling_max(5),
    "quantile": lambda values: values.rolling_quantile(0.3, "linear", window_size=5),
}
OF: dict[str, Expression] = {
    "value": lambda values: values,
    "return": lambda values: values / values.shift(1) - 1,
    "log_return": lambda values: (values / values.shift(1)).log(),
}


def in_order(*frames: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(frames).sort("symbol", "time", maintain_order=True)


def expected(frame: pl.DataFrame, values: pl.Expr, name: str) -> pl.DataFrame:
    column = values.over("symbol").fill_null(math.nan).alias(name)
    return frame.select("symbol", "time", column)


@pytest.mark.parametrize("statistic", list(POLARS))
@pytest.mark.parametrize("of", list(OF))
@pytest.mark.usefixtures("small_groups")
def test_a_window_crosses_files_and_days(make: Make, statistic: Any, of: Any) -> None:
    first, second = ticks(300), ticks(200, seed=1)
    product = make(first, second)
    quantile = 0.3 if statistic == "quantile" else None
    result = analytics.rolling(product, "price", 5, statistic, of=of, quantile=quantile).read().to_polars()
    frame = in_order(first, second)
    assert_frame_equal(result, expected(frame, POLARS[statistic](OF[of](PRICE)), statistic), rel_tol=1e-9)
    assert result[statistic].is_finite().sum() > 100


@pytest.mark.parametrize("statistic", ["covariance", "correlation", "beta"])
def test_two_columns(make: Make, statistic: Any) -> None:
    frame = ticks(400)
    result = analytics.rolling(make(frame), "price", 6, statistic, other="size").read().to_polars()
    both = in_order(frame).with_columns(pl.col("size").cast(pl.Float64))
    pair = {"ddof": 1, "window_size": 6, "min_samples": 6}
    covariance = pl.rolling_cov("price", "size", **pair)
    values = {
        "covariance": covariance,
        "correlation": covariance / (PRICE.rolling_std(6) * pl.col("size").rolling_std(6)),
        "beta": covariance / pl.col("size").rolling_var(6),
    }
    there = pl.when(PRICE.is_not_null() & pl.col("size").is_not_null())
    both = both.with_columns(there.then(PRICE).alias("price"), there.then("size").alias("size"))
    assert_frame_equal(result, expected(both, values[statistic], statistic), rel_tol=1e-7, abs_tol=1e-9)


def test_volatility_is_the_scaled_deviation_of_log_returns(make: Make) -> None:
    frame = ticks(500)
    result = analytics.volatility(make(frame), "price", 10, periods_a_year=365).read().to_polars()
    values = OF["log_return"](PRICE).rolling_std(10) * math.sqrt(365)
    assert_frame_equal(result, expected(in_order(frame), values, "volatility"), rel_tol=1e-9)


def test_rows_without_a_result_can_be_left_out(make: Make) -> None:
    product = make(ticks(300))
    whole = analytics.volatility(product, "price", 3, name="vol").read().to_polars()
    short = analytics.volatility(product, "price", 3, name="vol", drop_nan=True).read().to_polars()
    assert 0 < len(short) < len(whole)
    assert_frame_equal(short, whole.filter(pl.col("vol").is_not_nan()))


def test_a_frame_a_scan_a_product_and_an_executor_give_the_same(make: Make) -> None:
    frame = ticks(300)
    product = make(frame)
    result = analytics.rolling(product, "price", 4, "max").read()
    with ThreadPoolExecutor(2) as pool:
        for rows, executor in ((frame, None), (product.scan(), None), (product, pool)):
            assert analytics.rolling(rows, "price", 4, "max", executor=executor).read().equals(result)


def test_a_date_stays_a_date_and_no_symbol_needs_to_be_there() -> None:
    frame = pl.DataFrame({"day": [date(2024, 1, 3), date(2024, 1, 2)], "close": [3, 1]})
    result = analytics.rolling(frame, "close", 2).read().to_polars()
    assert result.schema == {"day": pl.Date, "mean": pl.Float64}
    assert result["day"].to_list() == [date(2024, 1, 2), date(2024, 1, 3)]
    assert result["mean"][1] == 2.0


def test_no_rows_give_no_rows(make: Make) -> None:
    frame = ticks(10).clear()
    assert analytics.rolling(frame, "price", 2).read().num_rows == 0
    assert analytics.drawdown(frame, "price").read().columns == (
        "symbol",
        "time",
        "drawdown",
        "peak",
        "duration",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 0}, "whole number of rows, 1 or more; got 0"),
        ({"window": 1, "statistic": "std"}, "2 or more; got 1"),
        ({"window": 2.5}, r"got 2\.5"),
        ({"window": True}, "got True"),
        ({"window": 3, "statistic": "medium"}, "must be one of 'mean', 'std'.*got 'medium'"),
        ({"window": 3, "of": "change"}, "'log_return'; got 'change'"),
        ({"window": 3, "statistic": "beta"}, "needs the argument 'other'"),
        ({"window": 3, "other": "size"}, "takes no argument 'other'"),
        ({"window": 3, "statistic": "quantile"}, "needs the argument 'quantile'"),
        ({"window": 3, "quantile": 0.5}, "takes no argument 'quantile'"),
        ({"window": 3, "statistic": "quantile", "quantile": 1.5}, r"from 0 to 1; got 1\.5"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        analytics.rolling(ticks(5), "price", **arguments)


@pytest.mark.parametrize("statistic", ["mean", "std", "min", "quantile", "beta"])
def test_a_window_longer_than_all_rows_takes_no_memory_for_it(statistic: Any) -> None:
    """A window of a billion rows wanted gigabytes a symbol."""
    choices: dict[str, dict[str, Any]] = {"quantile": {"quantile": 0.5}, "beta": {"other": "size"}}
    more = choices.get(statistic, {})
    found = analytics.rolling(ticks(50), "price", 10**9, statistic, **more).read().to_polars()
    assert found[statistic].is_nan().all()


def test_a_column_that_is_not_there_or_holds_no_numbers_is_refused() -> None:
    with pytest.raises(NotFoundError, match="prise"):
        analytics.rolling(ticks(5), "prise", 3)
    with pytest.raises(ArgumentError, match="'venue' is"):
        analytics.rolling(ticks(5), "venue", 3)
    with pytest.raises(ArgumentError, match="'time' is that of the rows"):
        analytics.rolling(ticks(5), "price", 3, name="time")
    with pytest.raises(ArgumentError, match="periods_a_year"):
        analytics.volatility(ticks(5), "price", periods_a_year=0)


def test_a_column_of_a_later_version_is_nan_before_it(tmp_path: Any) -> None:
    """An old file has no such column: its rows are NaN, and a window that reaches into them is too."""
    lake = lakehouse.open(tmp_path / "lake", create=True)
    old = pl.DataFrame(
        {"symbol": ["A"] * 3, "day": [date(2024, 1, day) for day in (2, 3, 4)], "close": [1.0, 2.0, 3.0]}
    )
    product = lake.create("market_data.bars_1d", like=old)
    product.append(old)
    contract = product.contract
    schema = dataclasses.replace(
        contract.schema, columns=(*contract.schema.columns, lakehouse.Column("depth", "float64"))
    )
    product = lake.apply(dataclasses.replace(contract, version="1.1.0", schema=schema))
    product.append(old.with_columns(pl.col("day") + pl.duration(days=7), depth=pl.Series([1.0, 2.0, 3.0])))
    result = analytics.rolling(product, "depth", 2).read().to_polars()["mean"].to_list()
    assert [value if value == value else None for value in result] == [None, None, None, None, 1.5, 2.5]
