"""Returns, weighted statistics and drawdowns of products, against polars and pandas."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from lakehouse import analytics
from lakehouse.errors import ArgumentError
from tests.queries.analytics.conftest import Make, ticks

if TYPE_CHECKING:
    import pandas as pd

PRICE = pl.col("price")


def in_order(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sort("symbol", "time", maintain_order=True)


@pytest.mark.usefixtures("small_groups")
def test_returns_cross_files_and_days(make: Make) -> None:
    frame = ticks(400)
    ratio = (PRICE / PRICE.shift(1)).over("symbol")
    product = make(frame)
    simple = analytics.returns(product, "price").read().to_polars()
    expected = in_order(frame).select("symbol", "time", (ratio - 1).fill_null(math.nan).alias("return"))
    assert_frame_equal(simple, expected, rel_tol=1e-12)
    logs = analytics.returns(product, "price", of="log_return", name="r", drop_nan=True).read().to_polars()
    assert_frame_equal(
        logs, in_order(frame).select("symbol", "time", r=ratio.log()).drop_nulls(), rel_tol=1e-9
    )


@pytest.mark.parametrize(
    ("weight", "alpha"),
    [({"alpha": 0.06}, 0.06), ({"halflife": 10}, 1 - 0.5**0.1), ({"span": 9}, 0.2)],
)
@pytest.mark.usefixtures("small_groups")
def test_the_variance_of_log_returns_is_that_of_risk_metrics(
    make: Make, weight: dict[str, Any], alpha: float
) -> None:
    frame = ticks(500).drop_nulls()
    result = analytics.ewma(
        make(frame), "price", **weight, statistic="variance", of="log_return", drop_nan=True
    )
    change = (PRICE / PRICE.shift(1)).log().over("symbol")
    squares = in_order(frame).select("symbol", "time", r=change).drop_nulls().with_columns(pl.col("r") ** 2)
    ewma = pl.col("r").ewm_mean(alpha=alpha, adjust=False).over("symbol").alias("ewma")
    assert_frame_equal(result.read().to_polars(), squares.select("symbol", "time", ewma), rel_tol=1e-9)


@pytest.mark.parametrize("statistic", ["mean", "variance"])
def test_around_the_mean_it_is_what_pandas_says(make: Make, statistic: Any) -> None:
    frame = ticks(400)
    result = analytics.ewma(make(frame), "price", alpha=0.1, statistic=statistic, around="mean")
    pandas = in_order(frame).to_pandas()

    def weigh(values: pd.Series[float]) -> pd.Series[float]:
        weighted = values.ewm(alpha=0.1, adjust=False, ignore_na=True)
        found = weighted.mean() if statistic == "mean" else weighted.var(bias=True)
        return found.mask(values.isna())

    expected = pandas.groupby("symbol")["price"].transform(weigh)
    found = result.read().to_arrow()["ewma"].to_numpy()
    np.testing.assert_allclose(found, expected.to_numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.usefixtures("small_groups")
def test_a_drawdown_crosses_files_and_days(make: Make) -> None:
    frame = ticks(400)
    result = analytics.drawdown(make(frame), "price").read().to_polars()
    peak = PRICE.cum_max().forward_fill().over("symbol")
    rows = in_order(frame).with_columns(peak=peak)
    at_peak = pl.when(pl.col("peak") == PRICE).then("time").forward_fill().over("symbol")
    expected = rows.select(
        "symbol",
        "time",
        (PRICE / pl.col("peak") - 1).fill_null(math.nan).alias("drawdown"),
        pl.col("peak").fill_null(math.nan),
        (pl.col("time") - at_peak).alias("duration"),
    )
    assert_frame_equal(result, expected, rel_tol=1e-12)
    assert (result["duration"] > timedelta(hours=12)).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Give one of 'alpha', 'halflife' and 'span'; got none"),
        ({"alpha": 0.1, "span": 3}, "got alpha, span"),
        ({"alpha": 0}, "'alpha' must be above 0"),
        ({"alpha": 1.5}, "'alpha' must be at most 1"),
        ({"span": 0.5}, "'span' must be 1 or more"),
        ({"halflife": -1}, "'halflife' must be above 0"),
        ({"alpha": 0.1, "statistic": "median"}, "one of 'mean', 'variance'; got 'median'"),
        ({"alpha": 0.1, "around": "one"}, "one of 'zero', 'mean'; got 'one'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        analytics.ewma(ticks(5), "price", **arguments)
    with pytest.raises(ArgumentError, match="'of' must be one of 'return', 'log_return'"):
        analytics.returns(ticks(5), "price", of="value")  # type: ignore[arg-type]
