"""Trades and quotes stored in many ways, and cut so small that every border is crossed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import lakehouse
from lakehouse.partitions import encoding
from lakehouse.queries import buckets
from lakehouse.times import NS_PER_DAY

Make = Callable[..., lakehouse.Product]
Ticks = Callable[..., pl.DataFrame]

START = DAY = 19_724 * NS_PER_DAY
SYMBOLS = ("A", "BRK/B", "IBM", "日経225")


def ticks(rows: int, *, seed: int = 0, symbols: tuple[str, ...] = SYMBOLS, days: int = 3) -> pl.DataFrame:
    """Make trades in random order, with equal times, null prices and null sizes among them."""
    random = np.random.default_rng(seed)
    times = DAY + random.integers(0, days * 1440, rows) * 60 * 10**9 + random.integers(0, 3, rows)
    frame = pl.DataFrame(
        {
            "symbol": random.choice(np.array(symbols), rows),
            "time": pl.Series(times).cast(pl.Datetime("ns", "UTC")),
            "price": np.round(100 + random.normal(0, 2, rows), 2),
            "size": random.integers(1, 500, rows).astype(np.int32),
            "venue": random.choice(np.array(["N", "Q"]), rows),
        }
    )
    return frame.with_columns(
        pl.when(pl.Series(random.random(rows) < 0.05)).then(None).otherwise("price").alias("price"),
        pl.when(pl.Series(random.random(rows) < 0.05)).then(None).otherwise("size").alias("size"),
    )


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut row groups, buckets and slabs after a few rows, so that small data crosses every border."""
    monkeypatch.setattr(encoding, "LARGEST_ROW_GROUP", 16)
    monkeypatch.setattr(encoding, "OWN_ROW_GROUP", 8)
    monkeypatch.setattr(buckets, "MOST_ROWS", 40)
    monkeypatch.setattr(buckets, "_FEWEST_ROWS", 10)
    monkeypatch.setattr(buckets, "_SLAB_ROWS", 10)


@pytest.fixture(name="ticks")
def skewed_ticks() -> Ticks:
    """Give a function that makes trades in random order, with equal times and nulls among them."""

    def make(
        rows: int = 2000, *, seed: int = 0, days: int = 4, nulls: float = 0.05, minutes: int = 1440
    ) -> pl.DataFrame:
        random = np.random.default_rng(seed)
        times = START + random.integers(0, days, rows) * NS_PER_DAY
        times += random.integers(0, minutes, rows) * 60 * 10**9 + random.integers(0, 2, rows)
        frame = pl.DataFrame(
            {
                "symbol": random.choice(np.array(SYMBOLS), rows, p=[0.7, 0.1, 0.1, 0.1]),
                "time": pl.Series(times).cast(pl.Datetime("ns", "UTC")),
                "price": np.round(100 + random.normal(0, 2, rows), 2),
                "size": random.integers(1, 500, rows).astype(np.int32),
                "venue": random.choice(np.array(["N", "Q"]), rows),
            }
        )
        return frame.with_columns(
            pl.when(pl.Series(random.random(rows) >= nulls)).then("price").alias("price"),
            pl.when(pl.Series(random.random(rows) >= nulls)).then("size").alias("size"),
            pl.when(pl.Series(random.random(rows) >= nulls)).then("venue").alias("venue"),
        )

    return make


@pytest.fixture(params=["as it is", "cut small"])
def cuts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test twice: as it is, and with tiny row groups, buckets and slabs."""
    if request.param == "cut small":
        monkeypatch.setattr(encoding, "LARGEST_ROW_GROUP", 64)
        monkeypatch.setattr(encoding, "OWN_ROW_GROUP", 16)
        monkeypatch.setattr(buckets, "MOST_ROWS", 128)
        monkeypatch.setattr(buckets, "_FEWEST_ROWS", 32)
        monkeypatch.setattr(buckets, "_SLAB_ROWS", 32)
    return str(request.param)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Give a function that stores frames, one commit each."""
    lake = lakehouse.open(tmp_path / "lake", create=True)

    def product(
        *frames: pl.DataFrame, name: str = "market_data.trades", layout: str = "date=day,symbol=row_groups"
    ) -> lakehouse.Product:
        made = lake.create(name, like=frames[0], layout=layout, key=())
        for frame in frames:
            made.append(frame)
        return made

    return product
