"""Rules are proved when a contract is made, not when data arrives."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse.catalog.rule import RULE_KINDS, Rule
from lakehouse.errors import ContractError
from lakehouse.ingest.rules import JUDGES, ROW_KINDS, check_rules
from lakehouse.schema import Column, TableSchema

SCHEMA = TableSchema(
    (
        Column("symbol", "string", nullable=False),
        Column("time", "timestamp[ns]", nullable=False),
        *(Column(name, "float64") for name in ("open", "high", "low", "close")),
        Column("small", "float32"),
        Column("size", "int8"),
    ),
    "symbol",
    "time",
)

GOOD = [
    Rule("bar", "ohlc"),
    Rule("real", "positive", ("open", "close")),
    Rule("size", "non_negative", ("size",)),
    Rule("known", "not_null", ("symbol", "time", "close")),
    Rule("sane", "range", ("close",), {"max": 1e6}),
    Rule("lots", "one_of", ("size",), {"values": [1, 10, 100]}),
    Rule("wild", "spike", ("close",), {"window": 20, "threshold": 10}),
    Rule("holes", "gap", (), {"max_gap": "3d"}),
    Rule("late", "monotonic_time"),
    Rule("doubled", "jump", ("close",), {"max_change": 0.5}),
    Rule("frozen", "stale", ("close",), {"max_rows": 5}),
    Rule("twice", "spacing", ("close",), {"min_gap": "14d"}),
    Rule("dividends", "adjusted", ("close", "open", "high"), {"tolerance": 0.01}),
    Rule("missing", "gap", (), {"max_gap": "5min", "calendar": "mon-fri 09:30-16:00 America/New_York"}),
    Rule("closed", "session", (), {"calendar": "mon-fri"}),
    Rule("traded", "volume", ("size", "high", "low")),
    Rule("once", "distinct"),
    Rule("listed", "known", ("symbol",), {"product": "reference.instruments"}),
    Rule("same", "agrees", ("close",), {"product": "market_data.other", "relative": 0.01}),
    Rule("narrow", "sql", (), {"expression": "high - low < 0.5 * close"}),
]


def test_there_is_a_judge_for_every_kind_that_a_contract_can_name() -> None:
    assert set(JUDGES) == set(RULE_KINDS) == {rule.kind for rule in GOOD}


def test_a_rule_of_every_kind_passes() -> None:
    check_rules(GOOD, SCHEMA)


def test_kinds_that_need_other_rows_are_told_apart() -> None:
    assert set(JUDGES) - ROW_KINDS == {
        *("spike", "jump", "stale", "spacing", "adjusted", "gap", "monotonic_time"),
        *("distinct", "known", "agrees"),
    }


@pytest.mark.parametrize(
    ("kind", "columns", "arguments", "message"),
    [
        ("positive", ("clos",), {}, "clos.*\n.*close"),
        ("positive", ("symbol",), {}, "string"),
        ("ohlc", ("open", "high", "low", "last"), {}, "last"),
        ("spike", ("symbol",), {"window": 5, "threshold": 3}, "string"),
        ("range", ("size",), {"max": 128}, "int8; expected an integer from -128 to 127, got 128"),
        ("range", ("size",), {"min": 0.5}, "expected an integer"),
        ("range", ("small",), {"max": 1e39}, "within the range of float32"),
        ("one_of", ("size",), {"values": [1, 300]}, "got 300"),
        ("one_of", ("symbol",), {"values": ["A", 1]}, "symbol"),
    ],
)
def test_a_rule_that_does_not_fit_its_columns_is_refused(
    kind: str, columns: tuple[str, ...], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        check_rules([Rule("r", kind, columns, arguments)], SCHEMA)


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(ContractError, match="two rules have this name"):
        check_rules([Rule("r", "ohlc"), Rule("r", "positive", ("close",))], SCHEMA)
