"""Shipped recipes fill the starter contracts from real files, with nothing for the write gate to refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from lakehouse.catalog.contract import Contract
from lakehouse.ingest.sources import FileSource
from lakehouse.times import Interval

ROOT = Path(__file__).parents[3]
CASES = (
    ("lean/equity/usa/daily/aapl.zip", "lean_equity_daily", "bars_1d", 5849),
    ("lean/equity/usa/minute/aapl/20140605_trade.zip", "lean_equity_minute", "bars_1m", 686),
    ("lean/equity/usa/tick/ibm/20131007_trade.zip", "lean_equity_trade_tick", "trades", 24_293),
    ("lean/equity/usa/tick/ibm/20131007_quote.zip", "lean_equity_quote_tick", "quotes", 109_067),
    ("lean/forex/oanda/tick/eurusd/20140506_quote.zip", "lean_forex_tick", "quotes", 44_864),
    ("freqtrade/UNITTEST_BTC-1m.json.gz", "freqtrade_bars", "bars_1m", 13_681),
    ("freqtrade/XRP_ETH-trades.json.gz", "freqtrade_trades", "trades", 12_477),
    ("freqtrade/kraken/trades_csv/BCHEUR.csv", "kraken_trades", "trades", 148),
)


@pytest.mark.parametrize(("place", "recipe", "product", "rows"), CASES)
def test_a_shipped_recipe_fills_its_contract(
    shared_data: Callable[[str], Path], place: str, recipe: str, product: str, rows: int
) -> None:
    text = (ROOT / "catalog" / "products" / "market_data" / product / "1.0.0.yaml").read_text("utf-8")
    schema = Contract.from_yaml(text).schema
    source = FileSource(shared_data(place), recipe)
    (chunk,) = source.chunks(schema, None, Interval())
    frame = pl.DataFrame(source.read(chunk, schema))
    assert frame.columns == list(schema.names)
    assert frame.height == rows
    required = [column.name for column in schema.columns if not column.nullable]
    assert frame.select(required).null_count().row(0) == (0,) * len(required)
