"""A product of ticks to stream to."""

from __future__ import annotations

from pathlib import Path

import pytest

import lakehouse
from lakehouse.catalog.contract import Contract
from lakehouse.catalog.rule import Rule
from lakehouse.names import ProductName
from lakehouse.schema import Column, TableSchema

TICKS = "market_data.ticks"
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
    Rule("sane_size", "range", ("size",), {"max": 1_000}, "reject"),
)


def tick(number: int, symbol: str = "IBM", price: float = 190.5) -> dict[str, object]:
    """Return the tick of a number, which is its size too."""
    return {"symbol": symbol, "time": START_NS + number * 1_000, "price": price, "size": number, "venue": "N"}


@pytest.fixture
def lake(tmp_path: Path) -> lakehouse.Lake:
    """Give a lake with the product `TICKS`."""
    made = lakehouse.open(tmp_path / "lake", create=True)
    made.create(Contract(ProductName.parse(TICKS), "1.0.0", SCHEMA, rules=RULES))
    return made
