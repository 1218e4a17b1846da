"""Preparing a frame: rows whose time no interval can hold go to quarantine, and messages can be written."""

from __future__ import annotations

import dataclasses
from datetime import date

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.rule import Rule
from lakehouse.errors import SchemaError
from lakehouse.ingest.prepare import prepare
from lakehouse.names import ProductName
from lakehouse.schema import Column, TableSchema
from lakehouse.times import MAX_NS, MIN_NS, NS_PER_DAY

NANOSECONDS = {"timestamp[ns]": 1, "timestamp[us]": 1_000, "date": NS_PER_DAY}
STORED = {
    "timestamp[ns]": (pa.int64(), pa.timestamp("ns", "UTC")),
    "timestamp[us]": (pa.int64(), pa.timestamp("us", "UTC")),
    "date": (pa.int32(), pa.date32()),
}


def contract_of(time: str, rules: tuple[Rule, ...] = ()) -> Contract:
    """Return a contract whose time column is of the type `time`."""
    columns = (Column("symbol", "string", False), Column("time", time, False), Column("seen", time))
    schema = TableSchema(columns, symbol="symbol", time="time", key=("symbol", "time"))
    return Contract(ProductName("market_data", "ticks"), "1.0.0", schema, rules=rules)


def frame_of(time: str, counts: list[int], seen: list[int | None] | None = None) -> pa.Table:
    """Return rows of one symbol at times given in the unit of the type."""
    number, kind = STORED[time]
    columns = [pa.array(values, number).view(kind) for values in (counts, seen or [None] * len(counts))]
    return pa.Table.from_arrays([pa.array(["A"] * len(counts)), *columns], ["symbol", "time", "seen"])


def edges(time: str) -> tuple[int, int]:
    """Return the first and last time that an interval can hold, in the unit of the type."""
    unit = NANOSECONDS[time]
    return -(-MIN_NS // unit), (MAX_NS - 1) // unit


@pytest.mark.parametrize("time", NANOSECONDS)
def test_the_first_and_the_last_time_of_the_range_are_good(time: str) -> None:
    first, last = edges(time)
    prepared = prepare(frame_of(time, [first, 0, last]), contract_of(time))
    assert (prepared.good.num_rows, prepared.broken) == (3, {})


@pytest.mark.parametrize("time", NANOSECONDS)
def test_times_one_step_past_the_range_are_quarantined(time: str) -> None:
    first, last = edges(time)
    prepared = prepare(frame_of(time, [first - 1, 0, last + 1]), contract_of(time))
    assert (prepared.good.num_rows, prepared.broken) == (1, {"range:time": 2})
    assert prepared.quarantine is not None
    assert prepared.quarantine.column("_row").to_pylist() == [0, 2]


@given(st.sampled_from(sorted(NANOSECONDS)), st.data())
def test_every_good_time_lies_inside_the_unbounded_interval(time: str, data: st.DataObject) -> None:
    bits = STORED[time][0].bit_width - 1
    ends = st.sampled_from([end + step for end in edges(time) for step in (-1, 0, 1)])
    counts = data.draw(
        st.lists(st.integers(-(2**bits), 2**bits - 1) | ends, min_size=1, max_size=9, unique=True)
    )
    prepared = prepare(frame_of(time, counts), contract_of(time))
    inside = [MIN_NS <= count * NANOSECONDS[time] < MAX_NS for count in counts]
    assert (prepared.good.num_rows, prepared.rows_in) == (sum(inside), len(counts))
    assert prepared.broken == ({} if all(inside) else {"range:time": len(counts) - sum(inside)})


@pytest.mark.parametrize(
    ("time", "value"),
    [
        ("date", date(9999, 12, 31)),
        ("timestamp[us]", pd.Timestamp("9999-12-31", tz="UTC").as_unit("us")),
        ("timestamp[ns]", pd.Timestamp.max.tz_localize("UTC")),
    ],
)
def test_the_usual_signs_for_never_are_quarantined_as_times(time: str, value: object) -> None:
    frame = pd.DataFrame({"symbol": ["A"], "time": [value]})
    assert prepare(frame, contract_of(time)).broken == {"range:time": 1}


@pytest.mark.parametrize("time", NANOSECONDS)
def test_other_columns_may_hold_any_time_of_their_type(time: str) -> None:
    _, last = edges(time)
    assert prepare(frame_of(time, [0], [last + 1]), contract_of(time)).good.num_rows == 1


@pytest.mark.parametrize("time", NANOSECONDS)
def test_rules_that_look_at_times_meet_far_ones_without_failing(time: str) -> None:
    first, last = edges(time)
    gap = Rule("no_gaps", "gap", (), {"max_gap": "3d"}, level="warn")
    prepared = prepare(frame_of(time, [first - 1, 0, last + 1]), contract_of(time, (gap,)))
    assert prepared.broken == {"range:time": 2}


def test_a_symbol_that_is_null_inside_a_dictionary_is_quarantined() -> None:
    symbols = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["A", None]))
    frame = frame_of("date", [0, 1]).set_column(0, "symbol", symbols)
    prepared = prepare(frame, contract_of("date"))
    assert (prepared.good.num_rows, prepared.broken) == (1, {"not_null:symbol": 1})


def test_rows_of_one_symbol_under_two_codes_are_duplicates() -> None:
    symbols = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["A", "A"]))
    prepared = prepare(frame_of("date", [5, 5]).set_column(0, "symbol", symbols), contract_of("date"))
    assert (prepared.good.num_rows, prepared.duplicates) == (1, 1)


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_a_refusal_can_show_times_that_python_can_not_write(unit: str) -> None:
    times = pa.array([2**63 - 1], pa.int64()).view(pa.timestamp(unit, "UTC"))
    frame = frame_of("timestamp[ns]", [0]).set_column(1, "time", times)
    contract = dataclasses.replace(contract_of("timestamp[ns]"), on_bad_value="reject")
    with pytest.raises(
        SchemaError, match=r"'time' do not fit timestamp\[ns\] exactly \(9223372036854775807\)"
    ):
        prepare(frame, contract)


def test_a_rule_that_rejects_says_what_to_do() -> None:
    rule = Rule("seen", "not_null", ("seen",), {}, level="reject")
    with pytest.raises(SchemaError, match=r"'seen'(?s:.)*Hint: .*'quarantine'"):
        prepare(frame_of("date", [0]), contract_of("date", (rule,)))
