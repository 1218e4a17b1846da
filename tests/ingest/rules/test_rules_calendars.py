"""Sessions of exchanges and of plain weeks: the rules `session` and `gap` with a calendar."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lakehouse.catalog.rule import Rule
from lakehouse.errors import ContractError
from lakehouse.ingest.rules import check_rules, evaluate_rules
from lakehouse.ingest.rules.calendars import load_calendar
from lakehouse.ingest.rules.weeks import parse_week
from lakehouse.schema import Column, TableSchema

Shared = Callable[[str], Path]
EXCHANGES = ("xnys", "xlon", "xtks", "xetr")
NEW_YORK = "mon-fri 09:30-16:00 America/New_York"


def schema_of(time: str) -> TableSchema:
    return TableSchema((Column("time", time, nullable=False),), time="time")


def dates(calendar: str, days: Iterable[str], **gap: str) -> list[bool]:
    frame = pl.DataFrame({"time": [date.fromisoformat(day) for day in days]})
    return broken(frame, "date", calendar, gap)


def times(calendar: str, instants: Iterable[str], **gap: str) -> list[bool]:
    frame = pl.DataFrame({"time": [datetime.fromisoformat(text + "+00:00") for text in instants]})
    frame = frame.with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")))
    return broken(frame, "timestamp[ns]", calendar, gap)


def broken(frame: pl.DataFrame, time: str, calendar: str, gap: dict[str, str]) -> list[bool]:
    rule = Rule("r", "gap" if gap else "session", (), {"calendar": calendar, **gap})
    return evaluate_rules(frame, [rule], schema_of(time))["r"].to_list()


@pytest.mark.parametrize("name", EXCHANGES)
def test_every_session_and_its_hours_are_those_of_the_answer_files(shared_data: Shared, name: str) -> None:
    answers = pl.read_csv(shared_data(f"exchange_calendars/{name}.csv.gz"), infer_schema_length=None)
    parsed = answers.select(
        pl.nth(0).str.slice(0, 10).str.to_date().alias("session"),
        *(
            pl.nth(place).str.slice(0, 19).str.to_datetime(time_unit="ns").alias(f"{place}")
            for place in (1, 2)
        ),
    ).sort("session")
    days = parsed["session"].to_physical().cast(pl.Int64).to_numpy()
    calendar = load_calendar(name.upper(), int(days[0]), int(days[-1]))
    assert np.array_equal(calendar.sessions, days)
    assert set(parsed["1"].to_physical().to_list()) <= set(calendar.opens.tolist())
    assert set(parsed["2"].to_physical().to_list()) <= set(calendar.closes.tolist())


def test_a_holiday_is_no_session() -> None:
    assert dates("XNYS", ["2024-07-03", "2024-07-04", "2024-07-05", "2024-07-06"]) == [
        *(False, True, False, True)
    ]


def test_a_missing_session_is_a_gap_and_a_long_weekend_is_none() -> None:
    assert dates("XNYS", ["2024-05-24", "2024-05-28", "2024-05-30"], max_gap="1d") == [False, False, True]


def test_times_belong_to_the_open_hours_up_to_their_end() -> None:
    """New York opens at 13:30 UTC in summer, and closes at 17:00 on 3 July."""
    found = ["2024-07-03T13:29:59", "2024-07-03T13:30:00", "2024-07-03T17:00:00", "2024-07-03T17:00:01"]
    assert times("XNYS", found) == [True, False, False, True]


def test_a_gap_of_minutes_counts_open_time_alone() -> None:
    bars = ["2024-07-03T16:59:00", "2024-07-05T13:30:00", "2024-07-05T13:32:00"]
    assert times("XNYS", bars, max_gap="1min") == [False, False, True]


def test_a_midday_break_is_closed() -> None:
    noon = ["2024-07-03T02:30:00", "2024-07-03T03:00:00", "2024-07-03T03:30:00"]
    assert times("XTKS", noon) == [False, True, False]
    assert times("XTKS", ["2024-07-03T02:29:00", "2024-07-03T03:30:00"], max_gap="1min") == [False, False]


def test_a_week_has_no_holidays() -> None:
    assert dates("mon-fri", ["2024-07-04", "2024-07-06"]) == [False, True]
    assert dates("24/7", ["2024-07-06", "2024-07-08"], max_gap="1d") == [False, True]


def test_the_hours_of_a_week_follow_the_clocks_of_its_zone() -> None:
    opens = ["2024-03-08T14:30:00", "2024-03-08T14:29:00", "2024-03-11T13:30:00", "2024-03-11T13:29:00"]
    assert times(NEW_YORK, opens) == [False, True, False, True]


def test_a_week_may_trade_over_night() -> None:
    week = "sun-thu 18:00-17:00 America/New_York"
    assert times(week, ["2024-07-07T22:00:00", "2024-07-08T20:59:00", "2024-07-08T21:30:00"]) == [
        *(False, False, True)
    ]


def test_what_lies_before_all_that_is_known_is_not_judged() -> None:
    assert dates("XTKS", ["1960-01-03", "1960-02-03"]) == [False, False]
    assert dates("XTKS", ["1960-01-03", "1960-02-03"], max_gap="1d") == [False, False]


@pytest.mark.parametrize("calendar", ["XNYS", "XHKG", "mon-fri", NEW_YORK, "24/7"])
@pytest.mark.parametrize("gap", [{}, {"max_gap": "1d"}])
def test_a_row_of_an_impossible_time_stops_no_other(calendar: str, gap: dict[str, str]) -> None:
    """Vendors write 0001-01-01 and 9999-12-31 for no date; the gate refuses them, and judges the rest."""
    days = [date(1, 1, 1), date(2024, 7, 8), date(2024, 7, 9), date(9999, 12, 31)]
    assert broken(pl.DataFrame({"time": days}), "date", calendar, gap)[2] is False
    ends = pl.Series([-(2**63) + 1, 1_720_450_800 * 10**9, 2**63 - 1]).cast(pl.Datetime("ns", "UTC"))
    assert len(broken(pl.DataFrame({"time": ends}), "timestamp[ns]", calendar, gap)) == 3


@pytest.mark.parametrize(
    "text",
    ["mon-fry", "mon-fri 09:30", "mon-fri 09:30-16:00", "mon-fri 25:00-26:00 UTC", "mon 1:00-2:00 UTC"],
)
def test_what_is_no_week_is_said_to_be_no_calendar(text: str) -> None:
    assert parse_week(text) is None
    with pytest.raises(ContractError, match="Unknown calendar"):
        check_rules([Rule("r", "session", (), {"calendar": text})], schema_of("date"))


def test_sessions_are_counted_in_whole_days() -> None:
    rule = Rule("r", "gap", (), {"calendar": "mon-fri", "max_gap": "36h"})
    with pytest.raises(ContractError, match="whole number of days"):
        check_rules([rule], schema_of("date"))


def test_a_frame_of_nulls_breaks_nothing() -> None:
    frame = pl.DataFrame({"time": [None, date(2024, 7, 6), None]}, schema={"time": pl.Date})
    assert broken(frame, "date", "XNYS", {}) == [False, True, False]
    assert broken(frame, "date", "XNYS", {"max_gap": "1d"}) == [False, False, False]
