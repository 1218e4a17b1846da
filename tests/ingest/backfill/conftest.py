"""Folders of one Parquet file a symbol, and empty products for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

import lakehouse

NAME = "market_data.bars_1d"
Vendor = Callable[..., Path]


def bars_of(symbol: str, days: int) -> pl.DataFrame:
    """Make daily bars from 2024-01-02 on, every calendar day."""
    times = pl.datetime_range(
        date(2024, 1, 2), interval="1d", end=date.fromordinal(date(2024, 1, 1).toordinal() + days), eager=True
    )
    start = float(sum(map(ord, symbol)))
    return pl.DataFrame(
        {
            "symbol": [symbol] * days,
            "time": times.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            "close": [start + day for day in range(days)],
            "volume": range(days),
        }
    )


@pytest.fixture
def vendor(tmp_path: Path) -> Vendor:
    """Give what writes a folder of symbols."""

    def write(symbols: int, days: int = 4) -> Path:
        folder = tmp_path / "vendor"
        folder.mkdir()
        for number in range(symbols):
            symbol = f"S{number:03}"
            bars_of(symbol, days).write_parquet(folder / f"{symbol}.parquet")
        return folder

    return write


@pytest.fixture
def lake(tmp_path: Path) -> lakehouse.Lake:
    """Give a lake with an empty product of daily bars."""
    made = lakehouse.open(tmp_path / "lake", create=True)
    made.create(NAME, like=bars_of("A", 1), key=("symbol", "time"))
    return made


@pytest.fixture
def serial(tmp_path: Path) -> Callable[[Path], str]:
    """Give the digest that a folder has when it is loaded alone, in another lake."""

    def load(folder: Path) -> str:
        other = lakehouse.open(tmp_path / "serial", create=True)
        other.create(NAME, like=bars_of("A", 1), key=("symbol", "time"))
        return other.backfill(NAME, folder, executor="threads", workers=1).digest

    return load
