"""Kernels get the same rows from the column cache, in one piece or in many, as from the data files."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

import lakehouse
from lakehouse import analytics
from lakehouse.partitions.columns import VARIABLE, ColumnCache
from lakehouse.queries import gathering

Make = Callable[..., lakehouse.Product]
Ticks = Callable[..., pl.DataFrame]


def answers(product: lakehouse.Product) -> list[lakehouse.Result]:
    """Ask for rows of all symbols, of two that are no neighbours, and of some alone."""
    scans = [product.scan(), product.scan(["A", "日経"])]
    return [
        *(analytics.rolling(scan, "price", 3, "std", of="log_return").read() for scan in scans),
        *(analytics.ewma(scan, "size", alpha=0.5, drop_nan=True).read() for scan in scans),
        *(analytics.market_snapshot(scan, "1970-01-04", columns=["price", "venue"]).read() for scan in scans),
        analytics.volume_curve(product.scan(), every="1h", size="tiny").read(),
    ]


@pytest.mark.usefixtures("small_groups")
def test_kernels_get_the_same_from_the_cache(
    columns: ColumnCache, product: Make, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = product(ticks(400), ticks(300, seed=1, first=500))
    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, "0")
        expected = answers(made)
    split: list[int] = []
    by_chunk = gathering._by_chunk

    def counted(spans: gathering._Spans, selections: object, tables: list[object]) -> object:
        found = by_chunk(spans, selections, tables)  # type: ignore[arg-type]
        split.append(len(found[1]) - len(tables))
        return found

    monkeypatch.setattr(gathering, "_by_chunk", counted)
    for _ in range(3):
        assert all(mine.equals(other) for mine, other in zip(answers(made), expected, strict=True))
        columns.flush()
    assert max(split) > 0
