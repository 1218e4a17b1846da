"""What reads as a point in time, to the nanosecond, and what does not."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import ArgumentError
from lakehouse.times import MAX_NS, MIN_NS, NS_PER_DAY, Interval, to_iso, to_nanoseconds

SECOND = 1_704_187_800 * 10**9  # 2024-01-02T09:30:00Z


@given(st.integers(MIN_NS, MAX_NS))
def test_every_nanosecond_survives_its_text(instant: int) -> None:
    assert to_nanoseconds(to_iso(instant)) == instant


@pytest.mark.parametrize("mark", [".", ","])
@pytest.mark.parametrize("digits", range(1, 10))
def test_a_fraction_has_one_to_nine_digits(digits: int, mark: str) -> None:
    fraction = "123456789"[:digits]
    expected = SECOND + int(fraction.ljust(9, "0"))
    for zone in ("", "Z", "+00:00", " "):
        assert to_nanoseconds(f"2024-01-02T09:30:00{mark}{fraction}{zone}") == expected
    assert to_nanoseconds(f"20240102T093000{mark}{fraction}Z") == expected


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-02T09:30:00Z",
        "2024-01-02 09:30:00",
        "2024-01-02T09:30",
        "2024-01-02T04:30:00-05:00",
        "2024-01-02T15:00:00+05:30",
        " 2024-01-02T09:30:00 ",
    ],
)
def test_zones_and_separators_name_the_same_instant(text: str) -> None:
    assert to_nanoseconds(text) == SECOND


@pytest.mark.parametrize("zone", ["-05:00", "+05:30"])
def test_an_offset_keeps_the_fraction(zone: str) -> None:
    whole = to_nanoseconds(f"2024-01-02T09:30:00{zone}")
    assert to_nanoseconds(f"2024-01-02T09:30:00.000000001{zone}") == whole + 1


@pytest.mark.parametrize("day", ["1970-01-02", dt.date(1970, 1, 2), np.datetime64("1970-01-02")])
def test_a_date_is_its_midnight(day: Any) -> None:
    assert to_nanoseconds(day) == NS_PER_DAY


@pytest.mark.parametrize("kind", [int, np.int8, np.int64, np.uint64])
def test_an_integer_of_any_library_is_nanoseconds(kind: Any) -> None:
    found = to_nanoseconds(kind(7))
    assert (found, type(found)) == (7, int)


def test_nanoseconds_of_pandas_and_numpy_are_kept() -> None:
    assert to_nanoseconds(pd.Timestamp("2024-01-02T09:30:00.000000001")) == SECOND + 1
    assert to_nanoseconds(pd.Timestamp("2024-01-02 04:30", tz="America/New_York")) == SECOND
    assert to_nanoseconds(np.datetime64("2024-01-02T09:30:00.000000001")) == SECOND + 1


@pytest.mark.parametrize(
    "value",
    [
        True,
        np.True_,
        1.5,
        None,
        b"2024-01-02",
        pd.NaT,
        np.datetime64("NaT"),
        np.timedelta64(5, "ns"),
        dt.timedelta(1),
        "",
        "yesterday",
        "2024-13-01",
        "2024-01-02.5",
        "2024-01-02T09:30.5",
        "2024-01-02T09:30:00+01:00:00.5",
        "2024-01-02T09:30:00.",
    ],
)
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(ArgumentError, match="as a point in time"):
        to_nanoseconds(value)


@pytest.mark.parametrize("end", ["", "Z", " ", "+01:00"])
def test_ten_fractional_digits_are_refused(end: str) -> None:
    with pytest.raises(ArgumentError, match="more than nine fractional digits"):
        to_nanoseconds(f"2024-01-02T09:30:00.1234567891{end}")


@pytest.mark.parametrize(
    "value",
    [
        pd.Timestamp("9999-12-31"),
        pd.Timestamp("9999-12-31", tz="UTC"),
        np.datetime64("9999-12-31"),
        np.datetime64("9999-12-31T00:00:00.000000"),
        np.datetime64(2**62, "s"),
        np.datetime64(1, "ps"),
        dt.date.max,
        dt.datetime.min,
        "9999-12-31",
        2**63,
        np.uint64(2**63),
        pytest.param(10**5000, id="huge"),
    ],
)
def test_a_time_that_nanoseconds_can_not_hold_is_refused(value: Any) -> None:
    with pytest.raises(ArgumentError, match="outside 1677-09-21 to 2262-04-11"):
        to_nanoseconds(value)
    with pytest.raises(ArgumentError, match="outside"):
        Interval.of(end=value)
