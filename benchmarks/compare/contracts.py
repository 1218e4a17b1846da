"""The contracts of the comparison: the columns of its data, under the rules of the starter's contracts."""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.rule import Rule
from lakehouse.names import ProductName
from lakehouse.schema import Column, TableSchema

_SYMBOL, _TIME = Column("symbol", "string", nullable=False), Column("ts", "timestamp[ns]", nullable=False)
_OHLC = ("open", "high", "low", "close")
_BAR = (*(Column(name, "float64") for name in _OHLC), Column("volume", "int64"))
_RULES_OF_BARS = (
    Rule("ohlc", "ohlc", _OHLC),
    Rule("positive_prices", "positive", _OHLC),
    Rule("non_negative_volume", "non_negative", ("volume",)),
)
_IN_ORDER = Rule("monotonic_time", "monotonic_time", level="warn")


def contracts() -> Sequence[Contract]:
    """Return the contract of each product, with the layout that the lake chooses by itself."""
    return [
        _contract("trades", _trades(), _rules("positive", "price"), _rules("non_negative", "size")),
        _contract("quotes", _quotes(), _rules("non_negative", "bid", "ask", "bsize", "asize")),
        _contract("bars", TableSchema((_SYMBOL, _TIME, *_BAR), "symbol", "ts", ("symbol", "ts"))),
        _contract("daily", _daily()),
        _contract("stream", _stream()),
        _contract("ref", _reference()),
    ]


def _contract(name: str, schema: TableSchema, *rules: Rule) -> Contract:
    if name in ("bars", "daily"):
        rules = _RULES_OF_BARS
    elif name in ("trades", "quotes"):
        rules = (*rules, _IN_ORDER)
    return Contract(ProductName("market", name), "1.0.0", schema, owners=("bench",), rules=rules)


def _rules(kind: str, *columns: str) -> Rule:
    return Rule(kind, kind, columns)


def _trades() -> TableSchema:
    columns = Column("price", "float64", nullable=False), Column("size", "int32", nullable=False)
    texts = Column("exchange", "string"), Column("cond", "string")
    return TableSchema((_TIME, _SYMBOL, *columns, *texts), "symbol", "ts")


def _quotes() -> TableSchema:
    prices = (Column(name, "float64") for name in ("bid", "ask"))
    sizes = (Column(name, "int32") for name in ("bsize", "asize"))
    return TableSchema((_TIME, _SYMBOL, *prices, *sizes), "symbol", "ts")


def _daily() -> TableSchema:
    return TableSchema(
        (_SYMBOL, Column("date", "date", nullable=False), *_BAR), "symbol", "date", ("symbol", "date")
    )


def _stream() -> TableSchema:
    return TableSchema((_TIME, Column("price", "float64"), Column("size", "int32")), time="ts")


def _reference() -> TableSchema:
    columns = Column("id", "int64", nullable=False), Column("factor", "float64"), Column("name", "string")
    return TableSchema(columns, key=("id",))
