"""Rules over single values, against the plainest reading of their words, row by row."""

from __future__ import annotations

import math
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.catalog.rule import Rule
from lakehouse.ingest.rules import evaluate_rules
from lakehouse.schema import Column, TableSchema

Number = float | None
SCHEMA = TableSchema(
    (Column("a", "float64"), Column("b", "float64"), Column("n", "int64"), Column("s", "string"))
)
NUMBERS = st.none() | st.floats() | st.sampled_from([0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf])
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=20)

REFERENCES: dict[str, tuple[Rule, Callable[[float], bool]]] = {
    "positive": (Rule("r", "positive", ("a", "b")), lambda value: not value > 0),
    "non_negative": (Rule("r", "non_negative", ("a", "b")), lambda value: not value >= 0),
    "range": (Rule("r", "range", ("a", "b"), {"min": -1, "max": 2.5}), lambda value: not -1 <= value <= 2.5),
    "min": (Rule("r", "range", ("a", "b"), {"min": 0.5}), lambda value: not value >= 0.5),
    "max": (Rule("r", "range", ("a", "b"), {"max": 0.5}), lambda value: not value <= 0.5),
    "one_of": (
        Rule("r", "one_of", ("a", "b"), {"values": [0, 1.0, 7]}),
        lambda value: value not in (0.0, 1.0, 7.0),
    ),
}


def judge(rule: Rule, columns: dict[str, pl.Series], schema: TableSchema = SCHEMA) -> list[bool]:
    broken = evaluate_rules(pl.DataFrame(columns), [rule], schema)[rule.name]
    assert broken.dtype == pl.Boolean
    return broken.to_list()


@pytest.mark.parametrize("kind", REFERENCES)
@given(rows=ROWS)
def test_a_row_breaks_the_rule_if_any_of_its_numbers_does(
    kind: str, rows: list[tuple[Number, Number]]
) -> None:
    rule, breaks = REFERENCES[kind]
    columns = {name: pl.Series([row[at] for row in rows], dtype=pl.Float64) for at, name in enumerate("ab")}
    expected = [any(value is not None and breaks(value) for value in row) for row in rows]
    assert judge(rule, columns) == expected


@given(ROWS)
def test_only_null_breaks_not_null(rows: list[tuple[Number, Number]]) -> None:
    columns = {name: pl.Series([row[at] for row in rows], dtype=pl.Float64) for at, name in enumerate("ab")}
    assert judge(Rule("r", "not_null", ("a", "b")), columns) == [None in row for row in rows]


def test_integers_are_compared_exactly() -> None:
    values = pl.Series([2**53, 2**53 + 1, None], dtype=pl.Int64)
    assert judge(Rule("r", "range", ("n",), {"max": 2**53}), {"n": values}) == [False, True, False]
    assert judge(Rule("r", "one_of", ("n",), {"values": [2**53]}), {"n": values}) == [False, True, False]


def test_bounds_of_a_float32_column_are_float32() -> None:
    schema = TableSchema((Column("x", "float32"),))
    tenth = pl.Series([0.1], dtype=pl.Float32)
    assert judge(Rule("r", "range", ("x",), {"min": 0.1, "max": 0.1}), {"x": tenth}, schema) == [False]
    assert judge(Rule("r", "one_of", ("x",), {"values": [0.1]}), {"x": tenth}, schema) == [False]


def test_texts_are_compared_exactly() -> None:
    values = pl.Series(["N", "n", "", None, "日"])
    assert judge(Rule("r", "one_of", ("s",), {"values": ["N", "日"]}), {"s": values}) == [
        False,
        True,
        True,
        False,
        False,
    ]


def test_booleans_can_be_pinned() -> None:
    schema = TableSchema((Column("live", "bool"),))
    rule = Rule("r", "one_of", ("live",), {"values": [True]})
    assert judge(rule, {"live": pl.Series([True, False, None])}, schema) == [False, True, False]
