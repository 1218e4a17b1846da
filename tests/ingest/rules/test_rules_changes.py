"""The rules `jump`, `stale` and `adjusted`, against slow loops over the rows."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.catalog.rule import Rule
from lakehouse.errors import ContractError
from lakehouse.ingest.rules import evaluate_rules
from lakehouse.schema import Column, TableSchema

Value = float | None
Row = tuple[str, int, Value]
SCHEMA = TableSchema(
    (
        Column("symbol", "string", nullable=False),
        Column("time", "timestamp[us]", nullable=False),
        *(Column(name, "float64") for name in ("price", "adjusted", "dividend")),
    ),
    "symbol",
    "time",
)
VALUES = st.none() | st.sampled_from([0.0, 1.0, 1.4, 2.0, -3.0, 10.0, math.nan, math.inf])
ROWS = st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 9), VALUES), max_size=30)


def judge(rule: Rule, rows: list[Row]) -> list[bool]:
    frame = pl.DataFrame(
        {
            "symbol": pl.Series([row[0] for row in rows], dtype=pl.String),
            "time": pl.Series([row[1] for row in rows], dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
            "price": pl.Series([row[2] for row in rows], dtype=pl.Float64),
        }
    )
    return evaluate_rules(frame, [rule], SCHEMA)["r"].to_list()


def in_order(rows: list[Row], symbol: str) -> list[int]:
    places = [at for at, row in enumerate(rows) if row[0] == symbol]
    return sorted(places, key=lambda at: (rows[at][1], at))


@given(ROWS)
def test_a_jump_is_measured_from_the_last_number_of_the_symbol(rows: list[Row]) -> None:
    expected = [False] * len(rows)
    for symbol in "AB":
        last: float | None = None
        for at in in_order(rows, symbol):
            value = rows[at][2]
            if value is None or not math.isfinite(value):
                continue
            expected[at] = last is not None and abs(value - last) > 0.5 * abs(last)
            last = value
    assert judge(Rule("r", "jump", ("price",), {"max_change": 0.5}), rows) == expected


@given(ROWS, st.integers(1, 3))
def test_a_value_is_stale_after_so_many_equal_ones(rows: list[Row], most: int) -> None:
    expected = [False] * len(rows)
    for symbol in "AB":
        places = in_order(rows, symbol)
        for number, at in enumerate(places):
            before = [rows[each][2] for each in places[max(0, number - most) : number]]
            expected[at] = len(before) == most and all(value == rows[at][2] for value in before)
            expected[at] &= rows[at][2] is not None
    assert judge(Rule("r", "stale", ("price",), {"max_rows": most}), rows) == expected


@given(ROWS)
def test_values_keep_their_distance_from_the_last_one_that_is_not_zero(rows: list[Row]) -> None:
    expected = [False] * len(rows)
    for symbol in "AB":
        last: int | None = None
        for at in in_order(rows, symbol):
            value = rows[at][2]
            if value and not math.isnan(value):
                expected[at] = last is not None and rows[at][1] - last < 3
                last = rows[at][1]
    assert judge(Rule("r", "spacing", ("price",), {"min_gap": "3us"}), rows) == expected


def test_texts_can_be_stale() -> None:
    schema = TableSchema(SCHEMA.columns, "symbol", "time")
    frame = pl.DataFrame({"symbol": ["A", "A", "B"], "time": [0, 1, 2]}, schema_overrides={"time": pl.Int64})
    frame = frame.with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))
    rule = Rule("r", "stale", ("symbol",), {"max_rows": 1})
    assert evaluate_rules(frame, [rule], schema)["r"].to_list() == [False, True, False]


def adjusted(rows: list[tuple[Value, Value, Value]]) -> list[bool]:
    frame = pl.DataFrame(rows, schema=["price", "adjusted", "dividend"], orient="row").cast(pl.Float64)
    frame = frame.with_columns(symbol=pl.lit("A"), time=pl.int_range(pl.len()).cast(pl.Datetime("us", "UTC")))
    rule = Rule("r", "adjusted", ("price", "adjusted", "dividend"))
    return evaluate_rules(frame.select(SCHEMA.names), [rule], SCHEMA)["r"].to_list()


def test_an_adjusted_price_follows_from_price_and_dividend() -> None:
    """A dividend of 2 on 100 makes what came before worth 2 % less."""
    assert not any(adjusted([(100, 98, None), (100, 98, 0), (98, 98, 2), (99, 99, math.nan)]))


@pytest.mark.parametrize(
    "rows",
    [
        [(100.0, 98.0, 0.0), (98.0, 98.0, 0.0)],  # adjusted without a dividend
        [(100.0, 100.0, 0.0), (98.0, 98.0, 2.0)],  # a dividend without an adjustment
        [(100.0, 96.04, 0.0), (98.0, 98.0, 2.0)],  # adjusted twice
        [(100.0, 98.0, 0.0), (98.0, 98.0, 200.0)],  # pence for pounds
    ],
)
def test_a_wrong_dividend_or_adjustment_is_found_on_its_day(rows: list[tuple[Value, ...]]) -> None:
    assert adjusted(rows) == [False, True]  # type: ignore[arg-type]  # tuples of three


def test_rows_without_prices_are_not_judged() -> None:
    assert not any(adjusted([(100, 90, 0), (None, 50, 0), (0, 0, 0), (100, None, 0), (100, 100, 0)]))


def test_a_rule_on_changes_needs_a_time_column() -> None:
    schema = TableSchema(SCHEMA.columns)
    with pytest.raises(ContractError, match="time column"):
        evaluate_rules(pl.DataFrame(), [Rule("r", "jump", ("price",), {"max_change": 1})], schema)
