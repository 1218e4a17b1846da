"""The market at an instant: the last row of each symbol, from one row group of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from lakehouse import analytics
from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.partitions import blocks
from lakehouse.partitions.row_groups import read_groups
from lakehouse.partitions.selection import Selection
from tests.queries.analytics.conftest import START, Make, Ticks


@pytest.mark.usefixtures("cuts")
@pytest.mark.parametrize("layout", ["date=day,symbol=row_groups", "date=none,symbol=row_groups"])
def test_the_snapshot_is_the_last_row_of_a_read(make: Make, ticks: Ticks, layout: str) -> None:
    product = make(ticks(800), ticks(800, seed=1), ticks(50, seed=2), layout=layout)
    read = product.read().to_polars()
    random = np.random.default_rng(0)
    for instant in [START - 1, START, *(START + random.integers(0, 5 * 86_400 * 10**9, 12)).tolist()]:
        before = read.filter(pl.col("time").to_physical() <= instant)
        found = analytics.market_snapshot(product, int(instant)).read().to_polars()
        expected = before.group_by("symbol", maintain_order=True).last().select(read.columns)
        assert found.equals(expected, null_equal=True)
        assert analytics.market_snapshot(read, int(instant)).read().to_polars().equals(found, null_equal=True)


@pytest.mark.parametrize("cuts", ["cut small"], indirect=True)
@pytest.mark.usefixtures("cuts")
def test_one_row_group_of_each_symbol_is_decoded(
    make: Make, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ticks(4000).unique(["symbol", "time"])
    product = make(rows)
    decoded: list[int] = []

    def counted(store: Any, selection: Selection, columns: list[str], **more: Any) -> Any:
        decoded.extend(selection.groups)
        return read_groups(store, selection, columns, **more)

    monkeypatch.setattr(blocks, "read_groups", counted)
    found = analytics.market_snapshot(product, START + 2 * 86_400 * 10**9 + 12 * 3600 * 10**9).read()
    assert len(found) == 4
    assert len(decoded) <= 4


def test_dates_columns_and_intervals(make: Make, ticks: Ticks) -> None:
    rows = ticks(200).with_columns(pl.col("time").cast(pl.Date))
    product = make(rows, layout="date=year,symbol=row_groups")
    found = analytics.market_snapshot(product, "2024-01-03T12:00", columns=["price"]).read()
    read = product.read(end="2024-01-04").to_polars()
    expected = read.group_by("symbol", maintain_order=True).last().select("symbol", "time", "price")
    assert found.to_polars().equals(expected, null_equal=True)
    later = analytics.market_snapshot(product.scan(start="2024-01-03"), "2024-01-02").read()
    assert later.num_rows == 0


def test_bad_arguments(ticks: Ticks) -> None:
    with pytest.raises(ArgumentError, match="point in time"):
        analytics.market_snapshot(ticks(5), "noon")
    with pytest.raises(NotFoundError, match="'bid'"):
        analytics.market_snapshot(ticks(5), START, columns=["bid"])
    with pytest.raises(ArgumentError, match="last one"):
        analytics.market_snapshot(ticks(5), 2**63 - 1)
