"""A small contract and a fresh lake that the catalog's tests start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.catalog.contract import Contract, Rule
from lakehouse.catalog.lake_document import create_lake
from lakehouse.names import ProductName
from lakehouse.schema import Column, TableSchema
from lakehouse.store import LocalStore, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give an empty lake."""
    made = LocalStore(tmp_path / "lake")
    create_lake(made)
    return made


@pytest.fixture
def bars() -> Contract:
    """Give the contract of daily bars, with something in every field."""
    prices = tuple(Column(name, "float64", unit="USD per share") for name in ("open", "high", "low", "close"))
    schema = TableSchema(
        (
            Column("symbol", "string", nullable=False, description="Ticker of the listing."),
            Column("date", "date", nullable=False),
            *prices,
            Column("volume", "int64", unit="shares"),
        ),
        symbol="symbol",
        time="date",
        key=("symbol", "date"),
    )
    rules = (
        Rule("ohlc", "ohlc"),
        Rule("positive", "positive", ("open", "close"), level="reject", description="No free shares."),
        Rule("liquid", "sql", (), {"expression": "volume > 0 or close is null"}, level="warn"),
    )
    return Contract(
        ProductName("market_data", "bars"),
        "1.2.0",
        schema,
        owners=("ada", "grace"),
        description="Daily bars: one row a symbol and day.",
        layout="date=year,symbol=row_groups",
        rules=rules,
        retention="10y",
        freshness="1d",
        on_bad_value="reject",
    )
