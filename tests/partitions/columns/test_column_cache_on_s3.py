"""A lake in a bucket, read again from cached columns: data files are neither downloaded nor asked for."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse.partitions import footers
from lakehouse.partitions.columns import VARIABLE, ColumnCache, cache, column_cache

Ticks = Callable[..., pl.DataFrame]


@pytest.fixture
def columns(s3_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> ColumnCache:
    """Turn the cache on, with the variables of the server."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(VARIABLE, "1GB")
    monkeypatch.setattr(cache, "SMALLEST_FILE_IN_ROWS", 1)
    made = column_cache()
    assert made is not None
    return made


def test_columns_are_read_without_their_data_files(
    columns: ColumnCache, s3_server: Any, ticks: Ticks
) -> None:
    bucket, prefix = s3_server.new_bucket(), uuid.uuid4().hex
    lake = lakehouse.open(f"s3://{bucket}/{prefix}", create=True)
    product = lake.create("m.ticks", like=ticks(50), key=(), layout="date=month,symbol=row_groups")
    for part in range(2):
        product.append(ticks(2000, seed=part, first=5000 * part))
    good = lakehouse.open(lake.url)["m.ticks"].read().to_polars()
    assert columns.flush()

    client = s3_server.client()
    for file in product.state().files:
        client.delete_object(Bucket=bucket, Key=f"{prefix}/{file.path}")
    shutil.rmtree(columns.folder.parent / "objects")
    footers._footers.clear()

    again = lakehouse.open(lake.url)["m.ticks"]
    assert again.read().to_polars().equals(good)
    assert (
        again.read("A", columns=["price"])
        .to_polars()
        .equals(good.filter(pl.col("symbol") == "A").select("price"))
    )
