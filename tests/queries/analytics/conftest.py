"""Products of trades, stored in many ways: overlapping files, tiny row groups, other layouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import lakehouse
from lakehouse.partitions import encoding
from lakehouse.times import NS_PER_DAY

Make = Callable[..., lakehouse.Product]
DAY = 19_724 * NS_PER_DAY
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
    from lakehouse.queries import buckets

    monkeypatch.setattr(encoding, "LARGEST_ROW_GROUP", 16)
    monkeypatch.setattr(encoding, "OWN_ROW_GROUP", 8)
    monkeypatch.setattr(buckets, "MOST_ROWS", 40)
    monkeypatch.setattr(buckets, "_FEWEST_ROWS", 10)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Give a function that stores frames, one commit each."""
    lake = lakehouse.open(tmp_path / "lake", create=True)

    def product(
        *frames: pl.DataFrame, name: str = "market_data.trades", layout: str = "date=day,symbol=row_groups"
    ) -> lakehouse.Product:
        made = lake.create(name, like=frames[0], layout=layout)
        for frame in frames:
            made.append(frame)
        return made

    return product
