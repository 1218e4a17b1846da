"""The rule `ohlc`, against the plainest reading of its words, row by row."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.catalog.rule import Rule
from lakehouse.errors import ContractError
from lakehouse.ingest.rules import check_rules, evaluate_rules
from lakehouse.schema import Column, TableSchema

PRICES = ("open", "high", "low", "close")
SCHEMA = TableSchema(tuple(Column(name, "float64") for name in PRICES))
Price = float | None
Bar = tuple[Price, Price, Price, Price]
PRICE = st.none() | st.sampled_from([1.0, 2.0, 3.0, math.nan, math.inf, -math.inf]) | st.floats()


def impossible(bar: Bar) -> bool:
    """Say whether a bar breaks the rule: the slow, obvious way."""
    opened, high, low, closed = bar
    if any(price is not None and math.isnan(price) for price in bar):
        return True
    pairs = [(low, opened), (low, closed), (low, high), (opened, high), (closed, high)]
    return any(small is not None and large is not None and small > large for small, large in pairs)


def judge(bars: list[Bar], schema: TableSchema = SCHEMA, rule: Rule | None = None) -> list[bool]:
    frame = pl.DataFrame(bars, schema=dict.fromkeys(schema.names, pl.Float64), orient="row")
    return evaluate_rules(frame, [rule or Rule("bar", "ohlc")], schema)["bar"].to_list()


@given(st.lists(st.tuples(PRICE, PRICE, PRICE, PRICE), max_size=20))
def test_ohlc_equals_its_definition(bars: list[Bar]) -> None:
    assert judge(bars) == [impossible(bar) for bar in bars]


@pytest.mark.parametrize(
    ("bar", "broken"),
    [
        ((19.24, 18.57, 18.0, 18.5), True),
        ((1.0, 1.0, 1.0, 1.0), False),
        ((None, 1.0, 2.0, None), True),
        ((None, None, 2.0, 1.0), True),
        ((None, None, None, None), False),
        ((1.0, math.inf, -math.inf, 1.0), False),
        ((math.nan, None, None, None), True),
        ((2.0, math.nan, 1.0, 2.0), True),
    ],
    ids=str,
)
def test_a_bar(bar: Bar, broken: bool) -> None:
    assert judge([bar]) == [broken]


def test_the_columns_can_have_other_names() -> None:
    schema = TableSchema(tuple(Column(name, "float64") for name in ("o", "h", "l", "c")))
    assert judge([(2.0, 1.0, 0.0, 0.5)], schema, Rule("bar", "ohlc", ("o", "h", "l", "c"))) == [True]


def test_integers_and_floats_are_not_mixed() -> None:
    mixed = TableSchema((Column("open", "int64"), *(Column(name, "float64") for name in PRICES[1:])))
    with pytest.raises(ContractError, match="all integers or all floats, got float64, int64"):
        check_rules([Rule("bar", "ohlc")], mixed)


def test_large_integers_are_compared_exactly() -> None:
    schema = TableSchema(tuple(Column(name, "int64") for name in PRICES))
    frame = pl.DataFrame({"open": [2**53 + 1], "high": [2**53], "low": [0], "close": [0]})
    assert evaluate_rules(frame, [Rule("bar", "ohlc")], schema)["bar"].to_list() == [True]
