"""The rules `gap` and `monotonic_time`, against slow loops over the rows."""

from __future__ import annotations

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.catalog.rule import Rule
from lakehouse.errors import ContractError
from lakehouse.ingest.rules import check_rules, evaluate_rules
from lakehouse.schema import Column, TableSchema
from lakehouse.times import MAX_NS, MIN_NS, NS_PER_DAY

Row = tuple[str | None, int | None]
SYMBOL, TIME = Column("symbol", "string", nullable=False), Column("time", "timestamp[ns]", nullable=False)
SCHEMA = TableSchema((SYMBOL, TIME), "symbol", "time")
GAP, MONOTONIC = Rule("r", "gap", (), {"max_gap": "3ns"}), Rule("r", "monotonic_time")
SYMBOLS = st.none() | st.sampled_from(["A", "B", "日経225"])
TIMES = st.none() | st.integers(0, 12) | st.sampled_from([MIN_NS, MAX_NS])
ROWS = st.lists(st.tuples(SYMBOLS, TIMES), max_size=30)


def judge(rule: Rule, rows: list[Row]) -> list[bool]:
    frame = pl.DataFrame(rows, schema={"symbol": pl.String, "time": pl.Int64}, orient="row")
    times = frame["time"].cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")
    broken = evaluate_rules(frame.with_columns(times), [rule], SCHEMA)["r"]
    assert broken.equals(evaluate_rules(frame, [rule], SCHEMA)["r"])  # the stored form gives the same
    return broken.to_list()


@given(ROWS)
def test_the_row_after_a_gap_breaks_the_rule(rows: list[Row]) -> None:
    expected = [False] * len(rows)
    for symbol in {row[0] for row in rows} - {None}:
        places = [at for at, row in enumerate(rows) if row[0] == symbol and row[1] is not None]
        places.sort(key=lambda at: (rows[at][1], at))
        for before, after in pairwise(places):
            expected[after] = rows[after][1] - rows[before][1] > 3  # type: ignore[operator]  # not None
    assert judge(GAP, rows) == expected


@given(ROWS)
def test_a_row_earlier_than_an_earlier_arrival_breaks_the_rule(rows: list[Row]) -> None:
    expected, latest = [], dict[str | None, int]()
    for symbol, time in rows:
        expected.append(time is not None and time < latest.get(symbol, MIN_NS))
        if time is not None:
            latest[symbol] = max(time, latest.get(symbol, MIN_NS))
    assert judge(MONOTONIC, rows) == expected


@given(ROWS)
def test_the_rows_that_pass_are_in_order(rows: list[Row]) -> None:
    kept = [row for row, broken in zip(rows, judge(MONOTONIC, rows), strict=True) if not broken]
    assert not any(judge(MONOTONIC, kept))


def test_one_late_row_is_flagged_alone() -> None:
    assert judge(MONOTONIC, [("A", 1), ("A", 5), ("A", 3), ("A", 5), ("A", 6)]) == [
        False,
        False,
        True,
        False,
        False,
    ]


def test_symbols_may_interleave() -> None:
    rows: list[Row] = [("A", 100), ("B", 1), ("A", 101), ("B", 2)]
    assert judge(MONOTONIC, rows) == judge(GAP, rows) == [False] * 4


def test_a_gap_longer_than_int64_is_a_gap() -> None:
    assert judge(GAP, [("A", MIN_NS), ("A", MAX_NS)]) == [False, True]


def test_a_gap_is_counted_in_days_for_dates_and_exactly() -> None:
    schema = TableSchema((Column("day", "date", nullable=False),), time="day")
    frame = pl.DataFrame({"day": pl.Series([0, 3, 7, 11], dtype=pl.Int32).cast(pl.Date)})
    three, four = (Rule(name, "gap", (), {"max_gap": name[1:]}) for name in ("g3d", "g4d"))
    broken = evaluate_rules(frame, [three, four], schema)
    assert broken["g3d"].to_list() == [False, False, True, True]
    assert not broken["g4d"].any()


def test_a_gap_of_part_of_a_unit_counts() -> None:
    schema = TableSchema((Column("at", "timestamp[us]", nullable=False),), time="at")
    frame = pl.DataFrame({"at": pl.Series([0, 1, 3], dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))})
    rule = Rule("r", "gap", (), {"max_gap": "1500ns"})
    assert evaluate_rules(frame, [rule], schema)["r"].to_list() == [False, False, True]


def test_a_table_without_a_symbol_is_one_sequence() -> None:
    schema = TableSchema((TIME,), time="time")
    frame = pl.DataFrame({"time": [0, 10, 9]})
    broken = evaluate_rules(
        frame, [Rule("g", "gap", (), {"max_gap": "8ns"}), Rule("m", "monotonic_time")], schema
    )
    assert {name: flags.to_list() for name, flags in broken.items()} == {
        "g": [False, False, True],
        "m": [False, False, True],
    }


@pytest.mark.parametrize("rule", [GAP, MONOTONIC, Rule("r", "spike", ("x",), {"window": 3, "threshold": 5})])
def test_a_table_without_a_time_column_is_refused(rule: Rule) -> None:
    with pytest.raises(ContractError, match="time column"):
        check_rules([rule], TableSchema((SYMBOL, Column("x", "float64")), "symbol"))


def test_a_week_of_days_has_no_gap() -> None:
    rows: list[Row] = [("A", day * NS_PER_DAY) for day in range(7)]
    assert not any(judge(Rule("r", "gap", (), {"max_gap": "1d"}), rows))
