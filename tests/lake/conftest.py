"""A fresh lake, and frames of daily bars and ticks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import lakehouse
from lakehouse.partitions.commit_record import Commit
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.parquet_files import write_data_files
from lakehouse.partitions.reading import read_stored
from lakehouse.partitions.selection import select_pieces
from lakehouse.partitions.table import Change
from lakehouse.times import NS_PER_DAY, Interval

Bars = Callable[..., pl.DataFrame]


@pytest.fixture
def lake(tmp_path: Path) -> lakehouse.Lake:
    """Give an empty lake on the local disk."""
    return lakehouse.open(tmp_path / "lake", create=True)


@pytest.fixture
def bars() -> Bars:
    """Give a function that makes minute bars: symbols, number of days, first day, and the price of all."""

    def make(
        symbols: tuple[str, ...] = ("IBM", "BRK/B"),
        days: int = 3,
        *,
        first: int = 19_724,
        price: float = 100.0,
    ) -> pl.DataFrame:
        times = [(first + day) * NS_PER_DAY + 14 * 3600 * 10**9 for day in range(days)]
        return pl.DataFrame(
            {
                "symbol": [symbol for symbol in symbols for _ in times],
                "time": pl.Series(times * len(symbols), dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")),
                "open": [price] * (days * len(symbols)),
                "high": [price + 1] * (days * len(symbols)),
                "low": [price - 1] * (days * len(symbols)),
                "close": [price + 0.5] * (days * len(symbols)),
                "volume": list(range(days * len(symbols))),
            }
        )

    return make


@pytest.fixture
def product(lake: lakehouse.Lake, bars: Bars) -> lakehouse.Product:
    """Give a product of bars, keyed by symbol and time, with three days of two symbols in version 1."""
    made = lake.create(
        "market_data.bars_1m", like=bars(), key=("symbol", "time"), layout="date=month,symbol=row_groups"
    )
    made.append(bars())
    return made


@pytest.fixture(scope="session")
def rewrite() -> Callable[[lakehouse.Product], Commit]:
    """Give a function that puts all rows of a product into new files, as a compaction does."""

    def act(product: lakehouse.Product) -> Commit:
        state, table, done = product.state(), product.table, Commit("", 0, "compact", "")
        rows = read_stored(state, select_pieces(state, None, Interval()))
        written = write_data_files(
            table.store, table.path, state.schema, state.layout or Layout(), rows, writer="test"
        )
        return table.commit(state, Change(add=written, remove=tuple(state.files)), done)

    return act
