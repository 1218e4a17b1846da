"""A product of ticks to stream to, and two looks at it: what is in the tail, and what is in the version."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

import lakehouse
from lakehouse.catalog.contract import Contract
from lakehouse.catalog.rule import Rule
from lakehouse.names import ProductName
from lakehouse.partitions.tail import open_tail
from lakehouse.product import PinnedProduct, Product, ReadableProduct
from lakehouse.schema import Column, TableSchema

START_NS = 1_704_189_600_000_000_000
"""2024-01-02 10:00 UTC"""

SCHEMA = TableSchema(
    (
        Column("symbol", "string", nullable=False),
        Column("time", "timestamp[ns]", nullable=False),
        Column("price", "float64"),
        Column("size", "int32"),
        Column("venue", "string"),
    ),
    symbol="symbol",
    time="time",
)
RULES = (
    Rule("real_price", "positive", ("price",)),
    Rule("sane_size", "range", ("size",), {"max": 1_000_000}, "reject"),
)


@dataclass(frozen=True)
class Ticks:
    """A lake with a product of ticks; the size of a tick is its number."""

    lake: lakehouse.Lake
    name: str = "market_data.ticks"

    def tick(self, number: int, symbol: str = "IBM", price: float = 190.5) -> dict[str, object]:
        """Return a row."""
        time = START_NS + number * 1_000
        return {"symbol": symbol, "time": time, "price": price, "size": number, "venue": "N"}

    def frame(self, numbers: Iterable[int], price: float = 190.5) -> pl.DataFrame:
        """Return rows as a frame."""
        rows = [self.tick(number, price=price) for number in numbers]
        schema = {name: pl.Series([value]).dtype for name, value in self.tick(0).items()}
        frame = pl.DataFrame(rows, schema=schema | {"size": pl.Int32})
        return frame.with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")))

    @property
    def product(self) -> Product:
        """The product, seen through a lake that was opened just now."""
        return lakehouse.open(self.lake.url)[self.name]

    def tail(self, symbols: list[str] | None = None) -> list[int]:
        """Return the numbers of the ticks that are in no version, in order of arrival."""
        product = self.product
        found = open_tail(self.lake.store, product.table.path)
        state = product.state()
        if found is None:
            return []
        return [
            int(size)
            for size in found.unsealed(state.schema, state.transactions, symbols)["size"].to_pylist()
        ]

    def version(self) -> list[int]:
        """Return the numbers of the ticks of the newest version."""
        product = self.product
        return self.sizes(PinnedProduct(product.state(version=product.state().version)))

    def sizes(self, product: ReadableProduct) -> list[int]:
        """Return the numbers of the ticks of a product."""
        return [int(size) for size in product.read().to_polars()["size"]]


def wait_until(happened: Callable[[], object]) -> None:
    """Look again and again, for as long as a machine may take that does much else."""
    end = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


@pytest.fixture
def make_ticks(tmp_path: Path) -> Callable[..., Ticks]:
    """Return what makes a lake with a product of ticks under a contract."""

    def make(rules: tuple[Rule, ...] = RULES, schema: TableSchema = SCHEMA) -> Ticks:
        ticks = Ticks(lakehouse.open(tmp_path / "lake", create=True))
        ticks.lake.create(Contract(ProductName.parse(ticks.name), "1.0.0", schema, rules=rules))
        return ticks

    return make


@pytest.fixture
def ticks(make_ticks: Callable[..., Ticks]) -> Ticks:
    """Give such a lake."""
    return make_ticks()
