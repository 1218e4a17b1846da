from __future__ import annotations

from typing import Any

import pytest

from lakehouse.catalog.rule import Rule, check_rule
from lakehouse.errors import ContractError
from lakehouse.schema import Column, TableSchema

SCHEMA = TableSchema(
    (
        Column("symbol", "string", nullable=False),
        Column("time", "timestamp[ns]", nullable=False),
        Column("price", "float64"),
        Column("size", "int64"),
        Column("venue", "string"),
        Column("odd", "bool"),
    ),
    symbol="symbol",
    time="time",
)


def test_an_ohlc_rule_names_the_usual_columns_by_itself() -> None:
    assert Rule("ohlc", "ohlc").columns == ("open", "high", "low", "close")


def test_lists_are_kept_as_tuples() -> None:
    rule = Rule("side", "one_of", ("venue",), {"values": ["NO", "N"]})
    assert rule == Rule("side", "one_of", ("venue",), {"values": ("NO", "N")})


def test_the_rule_keeps_its_own_copy_of_the_arguments() -> None:
    arguments = {"min": 0}
    rule = Rule("sane", "range", ("price",), arguments)
    arguments["min"] = 5
    assert rule.arguments == {"min": 0}


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"name": "Big One"}, "Not a name for a rule"),
        ({"kind": "postive"}, "unknown kind 'postive'"),
        ({"level": "drop"}, "unknown level 'drop'"),
        ({"columns": ()}, "takes 1 or more different columns, got \\[\\]"),
        ({"columns": ("price", "price")}, "different columns"),
        ({"arguments": {"least": 0}}, "unknown argument 'least'"),
        ({"kind": "range"}, "needs min, max or both"),
        ({"kind": "range", "arguments": {"min": 2, "max": 1}}, "min 2 is above max 1"),
        ({"kind": "range", "arguments": {"min": "1e-3"}}, "write 0.001, not 1e-3"),
        ({"kind": "range", "arguments": {"min": float("nan")}}, "must be a number"),
        ({"kind": "range", "arguments": {"min": True}}, "must be a number"),
        ({"kind": "one_of"}, "one_of needs values"),
        ({"kind": "one_of", "arguments": {"values": []}}, "at least one"),
        ({"kind": "one_of", "arguments": {"values": "buy"}}, "must be a list"),
        ({"kind": "spike", "arguments": {"window": 2.5, "threshold": 3}}, "window must be a whole number"),
        ({"kind": "spike", "arguments": {"window": 5, "threshold": 0}}, "threshold must be a number above 0"),
        ({"kind": "gap", "columns": (), "arguments": {"max_gap": "3 days"}}, "max_gap of rule 'rule'"),
        ({"kind": "gap", "arguments": {"max_gap": "3d"}}, "takes 0 different columns"),
        ({"kind": "ohlc", "columns": ("open", "high", "low")}, "takes 4 different columns"),
        ({"kind": "sql", "columns": ()}, "sql needs expression"),
    ],
)
def test_a_rule_of_the_wrong_shape_says_what_is_wrong(rule: dict[str, Any], problem: str) -> None:
    facts = {"name": "rule", "kind": "positive", "columns": ("price",), **rule}
    with pytest.raises(ContractError, match=problem):
        Rule(**facts)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (Rule("r", "positive", ("prise",)), "unknown column 'prise'.*\n.*symbol, time, price"),
        (Rule("r", "positive", ("venue",)), "can not check column 'venue' of type string"),
        (Rule("r", "one_of", ("time",), {"values": ["now"]}), "can not check column 'time'"),
        (
            Rule("r", "one_of", ("venue",), {"values": [False]}),
            "False can not be in column 'venue'.*\n.*quote",
        ),
        (Rule("r", "one_of", ("size",), {"values": [1.5]}), "1.5 can not be in column 'size'"),
        (Rule("r", "one_of", ("size",), {"values": [True]}), "True can not be in column 'size'"),
        (Rule("r", "one_of", ("odd",), {"values": [1]}), "1 can not be in column 'odd'"),
    ],
)
def test_a_rule_that_does_not_fit_the_columns_is_refused(rule: Rule, problem: str) -> None:
    with pytest.raises(ContractError, match=problem):
        check_rule(rule, SCHEMA)


@pytest.mark.parametrize("rule", [Rule("r", "gap", (), {"max_gap": "3d"}), Rule("r", "monotonic_time")])
def test_rules_over_time_need_a_time_column(rule: Rule) -> None:
    with pytest.raises(ContractError, match="needs a time column"):
        check_rule(rule, TableSchema((Column("size", "int64"),)))
