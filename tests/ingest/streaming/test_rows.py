"""One row at a time is taken, refused and judged exactly as a frame of that row would be."""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.rule import Rule
from lakehouse.errors import SchemaError
from lakehouse.ingest.prepare import judge_rows, row_contract
from lakehouse.ingest.streaming.rules import RowJudge
from lakehouse.ingest.streaming.values import RowReader, as_frame, stored_rows
from lakehouse.names import ProductName
from lakehouse.partitions.tail.packing import RowFormat
from lakehouse.schema import TYPES, Column, TableSchema

_ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-5)), None])
_ANY = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.sampled_from([2**53, 2**53 + 1, 2**24 + 1, 127, 128, -129, 2**31, 2**63 - 1, 2**63])
    | st.floats()
    | st.floats(width=32)
    | st.text(max_size=3)
    | st.dates()
    | st.datetimes(timezones=_ZONES)
)


def contract_of(schema: TableSchema, *rules: Rule) -> Contract:
    return row_contract(Contract(ProductName("a", "b"), "1.0.0", schema, rules=rules))


def quickly(schema: TableSchema, value: Any) -> list[Any] | None:
    """Return a row of one value as it comes back from the log; None where it is left to the gate."""
    values = RowReader(schema).read({"value": value})
    packing = RowFormat(schema)
    try:
        return None if values is None else packing.unpack_row(b"".join(packing.pack(values)))
    except (struct.error, UnicodeEncodeError):
        return None


def same(left: Any, right: Any) -> bool:
    both_nan = isinstance(left, float) and isinstance(right, float) and math.isnan(left) and math.isnan(right)
    return both_nan or (left == right and type(left) is type(right))


@given(st.sampled_from(list(TYPES)), _ANY)
def test_a_value_is_taken_as_the_gate_takes_it_or_left_to_the_gate(kind: str, value: Any) -> None:
    schema = TableSchema((Column("value", kind),))
    quick = quickly(schema, value)
    if quick is None:
        return
    rows, _ = judge_rows(as_frame({"value": value}, schema), contract_of(schema))
    assert same(quick[0], stored_rows(rows)[0][0])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bool", 1),
        ("int8", 200),
        ("int64", True),
        ("int64", 2**63),
        ("int32", 1.5),
        ("float64", 2**53 + 1),
        ("float32", 0.1),
        ("float64", "1.5"),
        ("float64", False),
        ("string", 5),
        ("string", "\ud800"),
        ("date", datetime(2024, 1, 2, 3)),
        ("date", 19_000),
        ("timestamp[ns]", datetime(2024, 1, 2)),
        ("timestamp[ns]", date(2024, 1, 2)),
        ("timestamp[us]", 1_500),
        ("timestamp[ns]", np.datetime64("2024-01-02", "ns")),
    ],
)
def test_what_the_gate_refuses_is_refused(kind: str, value: Any) -> None:
    schema = TableSchema((Column("value", kind),))
    assert quickly(schema, value) is None
    with pytest.raises(SchemaError, match="value"):
        judge_rows(as_frame({"value": value}, schema), contract_of(schema))


def test_nanoseconds_stay_nanoseconds() -> None:
    schema = TableSchema((Column("value", "timestamp[ns]"),))
    stamp = pd.Timestamp("2024-01-02 10:00:00.123456789", tz="UTC")
    rows, _ = judge_rows(as_frame({"value": stamp}, schema), contract_of(schema))
    assert stored_rows(rows) == [[stamp.value]]
    assert RowReader(schema).read({"value": stamp.value}) == [stamp.value]


_NUMBERS = TableSchema(
    (
        Column("symbol", "string", nullable=False),
        Column("time", "timestamp[us]", nullable=False),
        Column("open", "float64"),
        Column("high", "float64"),
        Column("low", "float64"),
        Column("close", "float64"),
        Column("size", "int64"),
        Column("half", "float32", nullable=False),
        Column("need", "int16", nullable=False),
    ),
    symbol="symbol",
    time="time",
    key=("symbol", "time", "half"),
)
_RULES = (
    Rule("bar", "ohlc"),
    Rule("above", "positive", ("open", "size")),
    Rule("not_below", "non_negative", ("close",)),
    Rule("known", "not_null", ("high",)),
    Rule("within", "range", ("half",), {"min": 0.1, "max": 2}),
    Rule("at_most", "range", ("size",), {"max": 5}),
    Rule("some", "one_of", ("size", "close"), {"values": [0, 1, 2]}),
)
_SQL = (Rule("text", "sql", arguments={"expression": "low < high and hour(time) < 20"}),)
_PRICES = st.none() | st.sampled_from([0.0, -0.0, 1.0, 2.0, -1.0, 3.0, math.nan, math.inf, -math.inf])


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """Return a row of `_NUMBERS` whose values all fit their types."""
    halves = st.none() | st.sampled_from([float(np.float32(0.1)), 0.0, 0.5, 2.0, 2.5, math.nan, -0.0])
    return {
        "symbol": draw(st.sampled_from(["IBM", "", None])),
        "time": draw(st.none() | st.datetimes(timezones=st.just(UTC))),
        **{name: draw(_PRICES) for name in ("open", "high", "low", "close")},
        "size": draw(st.none() | st.integers(-1, 7)),
        "half": draw(halves),
        "need": draw(st.none() | st.just(5)),
    }


def check(row: dict[str, Any], rules: tuple[Rule, ...]) -> None:
    contract = contract_of(_NUMBERS, *rules)
    values = RowReader(_NUMBERS).read(row)
    assert values is not None
    _, refused = judge_rows(as_frame(row, _NUMBERS), contract)
    assert RowJudge(contract).refuses(values) == bool(refused[0])
    for rule in rules:
        alone = replace(contract, rules=(rule,))
        _, refused = judge_rows(as_frame(row, _NUMBERS), alone)
        assert RowJudge(alone).refuses(values) == bool(refused[0]), rule.name


@given(rows())
def test_a_row_is_judged_as_a_frame_of_it_would_be(row: dict[str, Any]) -> None:
    check(row, _RULES)


@pytest.mark.parametrize(("low", "broken"), [(1.0, False), (3.0, True), (None, False)])
def test_a_rule_in_sql_judges_one_row_too(low: float | None, broken: bool) -> None:
    row = {"symbol": "IBM", "time": datetime(2024, 1, 2, 3, tzinfo=UTC), "high": 2.0, "low": low}
    values = RowReader(_NUMBERS).read(row | {"need": 1, "half": 0.5})
    assert values is not None
    assert RowJudge(contract_of(_NUMBERS, *_SQL)).refuses(values) == broken


def test_a_rule_of_level_reject_refuses_the_write() -> None:
    rule = Rule("above", "positive", ("size",), level="reject")
    values = RowReader(_NUMBERS).read({"symbol": "IBM", "size": 0})
    assert values is not None
    with pytest.raises(SchemaError, match=r"breaks the rule 'above' of a\.b, which rejects"):
        RowJudge(contract_of(_NUMBERS, rule)).refuses(values)
