"""The rule `spike`, against its formula computed row by row."""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.catalog.rule import Rule
from lakehouse.ingest.rules import evaluate_rules
from lakehouse.schema import Column, TableSchema

Row = tuple[str, int, float | None]
SCHEMA = TableSchema(
    (
        Column("symbol", "string", nullable=False),
        Column("time", "timestamp[ns]", nullable=False),
        Column("price", "float64"),
    ),
    "symbol",
    "time",
)
PRICES = st.one_of(
    st.integers(95, 105).map(float),
    st.floats(90, 110),
    st.floats(),
    st.sampled_from([None, math.nan, math.inf, -math.inf, 1e308, -1e308, 0.0, 10_000.0]),
)
ROWS = st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 30), PRICES), max_size=60)


def rule(window: int = 5, threshold: float = 5.0) -> Rule:
    return Rule("spike", "spike", ("price",), {"window": window, "threshold": threshold})


def judge(rows: Sequence[Row], spike: Rule) -> list[bool]:
    types = {"symbol": pl.String, "time": pl.Int64, "price": pl.Float64}
    return evaluate_rules(pl.DataFrame(rows, schema=types, orient="row"), [spike], SCHEMA)["spike"].to_list()


def median(values: list[float]) -> float:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else 0.5 * ordered[half - 1] + 0.5 * ordered[half]


def is_spike(value: float | None, before: list[float], window: int, threshold: float) -> bool:
    """Say it by the formula, the slow, obvious way."""
    if value is None or math.isnan(value) or len(before) < window:
        return False
    middle = median(before[-window:])
    mad = median([abs(one - middle) for one in before[-window:]])
    return mad > 0 and abs(value - middle) > threshold * 1.4826 * mad


def reference(rows: Sequence[Row], window: int, threshold: float) -> list[bool]:
    expected, finite = [False] * len(rows), {"A": list[float](), "B": list[float]()}
    for at in sorted(range(len(rows)), key=lambda at: (rows[at][1], at)):
        symbol, _, price = rows[at]
        expected[at] = is_spike(price, finite[symbol], window, threshold)
        if price is not None and math.isfinite(price):
            finite[symbol].append(price)
    return expected


@given(ROWS, st.integers(3, 8), st.sampled_from([0.5, 1.0, 3.0, 10.0]))
def test_spike_equals_its_formula(rows: list[Row], window: int, threshold: float) -> None:
    assert judge(rows, rule(window, threshold)) == reference(rows, window, threshold)


@given(st.lists(st.floats(99, 101), min_size=30, max_size=60), st.integers(3, 12))
def test_spike_equals_its_formula_on_quiet_prices(prices: list[float], window: int) -> None:
    rows = [("A", at, price) for at, price in enumerate(prices)]
    assert judge(rows, rule(window, 2.0)) == reference(rows, window, 2.0)


def walk(count: int) -> list[Row]:
    return [("A", at, 100 + math.sin(at) + 0.01 * at) for at in range(count)]


def test_a_wrong_decimal_point_is_a_spike() -> None:
    rows = walk(40)
    rows[30] = ("A", 30, 10_000.0)
    assert [at for at, broken in enumerate(judge(rows, rule(20, 10))) if broken] == [30]


def test_the_first_values_of_a_symbol_are_not_judged() -> None:
    rows = [("A", 0, 1.0), ("A", 1, 2.0), ("A", 2, 3.0), ("A", 3, 1e9), ("A", 4, 2.0), ("B", 5, 1e9)]
    assert judge(rows, rule(3)) == [False, False, False, True, False, False]
    assert not any(judge(rows[:4], rule(4)))


def test_a_window_without_spread_judges_nothing() -> None:
    flat: list[Row] = [("A", at, 100.0) for at in range(10)]
    assert not any(judge([*flat, ("A", 10, 10_000.0)], rule(10)))


def test_an_infinity_is_a_spike_and_takes_no_place_in_the_window() -> None:
    rows = [*walk(10), ("A", 10, math.inf), ("A", 11, math.nan), ("A", 12, None), ("A", 13, 100.0)]
    assert judge(rows, rule(10)) == [False] * 10 + [True, False, False, False]


def test_a_new_level_is_accepted_once_it_fills_half_of_the_window() -> None:
    level = [("A", 20 + at, 200 + math.cos(at)) for at in range(20)]
    found = judge([*walk(20), *level], rule(10, 10))[20:]
    assert found[0]
    assert not any(found[5:])


def test_time_leads_and_not_arrival() -> None:
    rows = walk(40)
    rows[30] = ("A", 30, 10_000.0)
    backwards = judge(rows[::-1], rule(20, 10))
    assert backwards[::-1] == judge(rows, rule(20, 10))


def test_the_answer_does_not_depend_on_what_comes_later() -> None:
    rows = walk(60)
    rows[50] = ("A", 50, 10_000.0)
    whole = judge(rows, rule(20, 10))
    assert [judge(rows[: at + 1], rule(20, 10))[at] for at in range(60)] == whole


def test_a_frame_larger_than_a_block_is_judged_whole() -> None:
    rows = walk(40_000)
    for at in (15_000, 26_213, 26_214, 26_215, 39_999):
        rows[at] = ("A", at, 1e6)
    found = [at for at, broken in enumerate(judge(rows, rule(10, 50))) if broken]
    assert found == [15_000, 26_213, 26_214, 26_215, 39_999]


@pytest.mark.parametrize("kind", ["int8", "int64", "float32"])
def test_every_type_of_number_is_judged(kind: str) -> None:
    schema = TableSchema((*SCHEMA.columns[:2], Column("price", kind)), "symbol", "time")
    frame = pl.DataFrame({"symbol": ["A"] * 6, "time": range(6), "price": [1, 2, 3, 2, 1, 100]})
    assert evaluate_rules(frame, [rule(5)], schema)["spike"].to_list() == [False] * 5 + [True]
