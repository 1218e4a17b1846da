"""Fixtures of the column cache: a folder of its own, files of any size, and small row groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import lakehouse
from lakehouse.partitions import encoding
from lakehouse.partitions.columns import VARIABLE, ColumnCache, cache, column_cache
from lakehouse.times import NS_PER_DAY

NAME = "m.ticks"
SYMBOLS = ["A", "BRK/B", "日経"]

Make = Callable[..., lakehouse.Product]


@pytest.fixture
def columns(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ColumnCache]:
    """Turn the cache on, for files of any size."""
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv(VARIABLE, "1GB")
    monkeypatch.setattr(cache, "SMALLEST_FILE_IN_ROWS", 1)
    made = column_cache()
    assert made is not None
    yield made
    made.flush()


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut row groups of a dozen rows or so."""
    monkeypatch.setattr(encoding, "LARGEST_ROW_GROUP", 12)
    monkeypatch.setattr(encoding, "OWN_ROW_GROUP", 8)


def made_ticks(rows: int, *, seed: int = 0, first: int = 0) -> pl.DataFrame:
    """Return rows of all types, some of them null, in order of time."""
    rng = np.random.default_rng(seed)
    missing = pl.Series(rng.random(rows) < 0.2)
    frame = pl.DataFrame(
        {
            "symbol": rng.choice(SYMBOLS, rows),
            "time": (first + np.sort(rng.integers(0, rows, rows))) * (NS_PER_DAY // 50),
            "price": rng.normal(size=rows),
            "size": rng.integers(-(2**40), 2**40, rows),
            "flag": rng.random(rows) < 0.5,
            "small": rng.normal(size=rows).astype(np.float32),
            "tiny": rng.integers(-100, 100, rows).astype(np.int8),
            "day": rng.integers(0, 20_000, rows).astype(np.int32),
            "venue": rng.choice(["N", "Q", "", "大阪"], rows),
        }
    ).with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")), pl.col("day").cast(pl.Date))
    masked = [
        pl.when(missing).then(None).otherwise(pl.col(name)).alias(name)
        for name in ("size", "flag", "day", "venue")
    ]
    return frame.with_columns(masked)


@pytest.fixture
def ticks() -> Callable[..., pl.DataFrame]:
    """Give the maker of rows: `ticks(rows, seed=, first=)`."""
    return made_ticks


@pytest.fixture
def product(tmp_path: Path) -> Make:
    """Give a maker of products, from frames that are appended one by one."""

    def make(*parts: pl.DataFrame, layout: str = "date=month,symbol=row_groups") -> lakehouse.Product:
        lake = lakehouse.open(tmp_path / "lake", create=True)
        made = lake.create(NAME, like=made_ticks(50), key=(), layout=layout)
        for part in parts:
            made.append(part)
        return made

    return make
