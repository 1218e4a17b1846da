"""A fresh lake, ticks, and a product whose rows lie in many files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse.ingest import write
from lakehouse.partitions.parquet_files import write_data_files
from lakehouse.times import NS_PER_DAY

NAME = "market_data.ticks"
Rows = list[tuple[str, float, float]]


@pytest.fixture
def lake(tmp_path: Path) -> lakehouse.Lake:
    """Give an empty lake on the local disk."""
    return lakehouse.open(tmp_path / "lake", create=True)


@pytest.fixture
def ticks() -> Callable[[Rows], pl.DataFrame]:
    """Give a function that makes ticks of (symbol, day, price)."""

    def make(rows: Rows) -> pl.DataFrame:
        times = pl.Series([int(day * NS_PER_DAY) for _, day, _ in rows], dtype=pl.Int64)
        symbols = [symbol for symbol, _, _ in rows]
        prices = [float(price) for _, _, price in rows]
        return pl.DataFrame(
            {"symbol": symbols, "time": times.cast(pl.Datetime("ns", "UTC")), "price": prices},
            schema_overrides={"symbol": pl.String},
        )

    return make


@pytest.fixture
def product(lake: lakehouse.Lake, ticks: Any) -> Callable[..., lakehouse.Product]:
    """Give a function that makes a product and appends lists of rows, each in a commit of its own."""

    def make(*appends: Rows, **settings: Any) -> lakehouse.Product:
        given = {"key": (), "layout": "date=month,symbol=row_groups", **settings}
        made = lake.create(NAME, like=ticks([("A", 0, 1)]), **given)
        for rows in appends:
            made.append(ticks(rows))
        return made

    return make


def files_of(product: lakehouse.Product) -> list[str]:
    """Return the paths of the live files."""
    return [file.path for file in product.state().files]


def parquet_files(lake: lakehouse.Lake) -> set[Path]:
    """Return every data file on the disk, live or not."""
    return set(Path(lake.url).rglob("part-*.parquet"))


def loses_the_first_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every data file that is written lack a row."""

    real: Any = write_data_files

    def short(*args: Any, writer: str) -> Any:
        return real(*args[:4], args[4].slice(1), writer=writer)

    monkeypatch.setattr(write, "write_data_files", short)
