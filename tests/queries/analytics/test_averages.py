"""Average prices against polars and a slow loop."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from lakehouse import analytics
from tests.queries.analytics.conftest import Make, Ticks


@pytest.mark.usefixtures("cuts")
@pytest.mark.parametrize("every", ["5min", "1d"])
def test_vwap_of_cells(make: Make, ticks: Ticks, every: str) -> None:
    product = make(ticks(), ticks(seed=1))
    rows = product.read().to_polars().drop_nulls(["price", "size"])
    expected = (
        rows.group_by("symbol", pl.col("time").dt.truncate(every.replace("min", "m")), maintain_order=True)
        .agg(((pl.col("price") * pl.col("size")).sum() / pl.col("size").sum()).alias("vwap"))
        .sort("symbol", "time")
    )
    assert_frame_equal(analytics.vwap(product, every).read().to_polars(), expected)


@pytest.mark.usefixtures("cuts")
def test_vwap_of_all_rows(make: Make, ticks: Ticks) -> None:
    product = make(ticks())
    rows = product.read().to_polars().drop_nulls(["price", "size"])
    expected = rows.group_by("symbol", maintain_order=True).agg(
        ((pl.col("price") * pl.col("size")).sum() / pl.col("size").sum()).alias("vwap")
    )
    assert_frame_equal(analytics.vwap(product).read().to_polars(), expected)


def slow_twap(times: list[int], prices: list[float]) -> float:
    held = np.diff(times)
    if held.sum() == 0:
        return float(np.mean(prices))
    return float(np.sum(np.array(prices[:-1]) * held) / held.sum())


@pytest.mark.usefixtures("cuts")
@pytest.mark.parametrize("every", ["30min", None])
def test_twap_is_that_of_a_slow_loop(make: Make, ticks: Ticks, every: str | None) -> None:
    product = make(ticks(), ticks(seed=1))
    rows = product.read().to_polars().drop_nulls("price")
    keys = ["symbol"] if every is None else ["symbol", "cell"]
    cells = rows.with_columns(pl.col("time").dt.truncate((every or "1d").replace("min", "m")).alias("cell"))
    expected = [
        slow_twap(cell["time"].to_physical().to_list(), cell["price"].to_list())
        for _, cell in cells.group_by(keys, maintain_order=True)
    ]
    found = analytics.twap(product, every).read().to_polars()
    assert found.columns == (["symbol", "twap"] if every is None else ["symbol", "time", "twap"])
    assert found["twap"].to_list() == pytest.approx(expected)


def test_a_cell_without_volume_is_nan(ticks: Ticks) -> None:
    rows = ticks(20).with_columns(size=pl.lit(0))
    assert analytics.vwap(rows).read().to_polars()["vwap"].is_nan().all()
    assert analytics.vwap(rows, "1d").read().to_polars()["vwap"].is_nan().all()


def test_one_price_is_its_own_average(ticks: Ticks) -> None:
    one = ticks(1, nulls=0)
    assert analytics.twap(one).read().to_polars()["twap"].to_list() == one["price"].to_list()
