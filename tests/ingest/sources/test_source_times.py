"""Times: every digit counts, zones are never guessed, and clocks change."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources.cells import Cells
from lakehouse.ingest.sources.instants import to_instants
from lakehouse.ingest.sources.recipe import TimeRule
from lakehouse.times import NS_PER_SECOND, to_iso, to_nanoseconds

NEW_YORK = "America/New_York"


def convert(cells: Any, kind: str = "timestamp[ns]", day: date | None = None, **rule: Any) -> Cells:
    column = (
        cells if isinstance(cells, pl.Series) else pl.Series(cells if isinstance(cells, list) else [cells])
    )
    return to_instants(column, TimeRule(**rule), kind, day=day, nulls=("",), where="test")


def instant(cell: Any, **rule: Any) -> str | None:
    ticks = convert(cell, **rule).values.cast(pl.Int64)[0]
    return None if ticks is None else to_iso(ticks)


@pytest.mark.parametrize(
    ("cell", "rule", "expected"),
    [
        ("2024-01-02T09:30:00.123456789Z", {}, "2024-01-02T09:30:00.123456789Z"),
        ("2024-01-02 09:30:00+05:30", {}, "2024-01-02T04:00:00Z"),
        ("2024-01-02T09:30-0500", {}, "2024-01-02T14:30:00Z"),
        ("2024-01-02 09:30:00,5 UTC", {}, "2024-01-02T09:30:00.5Z"),
        ("2024-01-02", {"time_zone": "UTC"}, "2024-01-02T00:00:00Z"),
        ("20240102", {"time_zone": NEW_YORK}, "2024-01-02T05:00:00Z"),
        ("2024-07-02 09:30", {"time_zone": NEW_YORK}, "2024-07-02T13:30:00Z"),
        ("1628121600.1234567", {}, "2021-08-05T00:00:00.1234567Z"),
        ("1628121600.1234567", {"format": "s"}, "2021-08-05T00:00:00.1234567Z"),
        ("-1.5", {"format": "s"}, "1969-12-31T23:59:58.5Z"),
        ("1628121600123", {}, "2021-08-05T00:00:00.123Z"),
        (1628121600123456, {}, "2021-08-05T00:00:00.123456Z"),
        (1628121600123456789, {}, "2021-08-05T00:00:00.123456789Z"),
        (1628121600.25, {}, "2021-08-05T00:00:00.25Z"),
        (20240102, {"time_zone": "UTC"}, "2024-01-02T00:00:00Z"),
        ("20200101 170000065", {"format": "%Y%m%d %H%M%S%f", "time_zone": "UTC"}, "2020-01-01T17:00:00.065Z"),
        ("20131007 09:30", {"format": "%Y%m%d %H:%M", "time_zone": NEW_YORK}, "2013-10-07T13:30:00Z"),
        ("02/03/10 4:53 pm", {"format": "%d/%m/%y %I:%M %p", "time_zone": "UTC"}, "2010-03-02T16:53:00Z"),
        ("Jan 1 2000", {"format": "%b %d %Y", "time_zone": "UTC"}, "2000-01-01T00:00:00Z"),
        (
            "01.02.2024 10:00:00.000000001 +0100",
            {"format": "%d.%m.%Y %T.%f %z"},
            "2024-02-01T09:00:00.000000001Z",
        ),
        ("2262-04-11T23:47:16.854Z", {}, "2262-04-11T23:47:16.854Z"),
    ],
)
def test_times_are_read_to_the_last_digit(cell: Any, rule: dict[str, Any], expected: str) -> None:
    assert instant(cell, **rule) == expected


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        ("2024-02-30T00:00:00Z", {"format": "iso"}),
        ("2024-01-02T09:30:60Z", {"format": "iso"}),
        ("2024-01-02T24:00:00Z", {"format": "iso"}),
        ("2024-01-02T00:00:00.1234567891Z", {"format": "iso"}),
        ("1500-01-01T00:00:00Z", {"format": "iso"}),
        ("2500-01-01T00:00:00Z", {"format": "iso"}),
        ("2020115", {"format": "%Y%m%d", "time_zone": "UTC"}),
        ("20240102 09:30:60", {"format": "%Y%m%d %H:%M:%S", "time_zone": "UTC"}),
        ("20241302", {"format": "%Y%m%d", "time_zone": "UTC"}),
        ("15000101", {"format": "%Y%m%d", "time_zone": "UTC"}),
        ("1.0000000001", {"format": "s"}),
        ("1e9", {"format": "s"}),
        ("99999999999", {"format": "s"}),
        ("86400000", {"format": "ms_since_midnight", "time_zone": "UTC", "base_date": "2024-01-02"}),
        ("-1", {"format": "ms_since_midnight", "time_zone": "UTC", "base_date": "2024-01-02"}),
        ("yesterday", {}),
    ],
)
def test_what_is_no_exact_time_is_kept_as_text(cell: str, rule: dict[str, Any]) -> None:
    result = convert(cell, **rule)
    assert result.values.to_list() == [None]
    assert result.raw is not None
    assert result.raw.to_list() == [cell]


@given(st.integers(-(2**63) + 10_000, 2**63 - 10_000))
def test_every_nanosecond_survives_as_iso_text_and_as_numbers(ticks: int) -> None:
    whole, rest = divmod(abs(ticks), NS_PER_SECOND)
    seconds = f"{'-' if ticks < 0 else ''}{whole}.{rest:09d}"
    for cell, form in ((to_iso(ticks), "iso"), (ticks, "ns"), (str(ticks), "ns"), (seconds, "s")):
        assert convert(cell, format=form).values.cast(pl.Int64).to_list() == [ticks]


@given(st.datetimes(timezones=st.just(ZoneInfo(NEW_YORK)), allow_imaginary=False))
def test_local_times_agree_with_the_standard_library(moment: Any) -> None:
    if not 1680 < moment.year < 2100:
        return
    later = moment.replace(fold=1).utcoffset() != moment.replace(fold=0).utcoffset()
    fold = ("latest" if moment.fold else "earliest") if later else None
    text = moment.replace(tzinfo=None).isoformat(sep=" ")
    assert instant(text, time_zone=NEW_YORK, fold=fold) == to_iso(to_nanoseconds(moment))


def test_mixed_offsets_in_one_column_are_read_cell_by_cell() -> None:
    column = pl.Series(["2022-03-12 00:00:00-05:00", "2022-03-14 00:00:00-04:00", "", "x", "2022-03-14"])
    result = convert(column, time_zone="UTC")
    assert [None if tick is None else to_iso(tick) for tick in result.values.cast(pl.Int64)] == [
        "2022-03-12T05:00:00Z",
        "2022-03-14T04:00:00Z",
        None,
        None,
        "2022-03-14T00:00:00Z",
    ]
    assert result.raw is not None
    assert result.raw.to_list() == [None, None, None, "x", None]


def test_local_times_without_a_zone_are_refused() -> None:
    with pytest.raises(SourceError, match=r"(?s)local times without a time zone: 1 rows.*time_zone"):
        convert("2024-01-02 09:30:00")


def test_milliseconds_since_midnight_count_on_the_wall_clock() -> None:
    for day, expected in (
        (date(2013, 10, 7), "13:30"),
        (date(2013, 11, 3), "14:30"),
        (date(2013, 3, 10), "13:30"),
    ):
        text = instant(34_200_000, day=day, format="ms_since_midnight", time_zone=NEW_YORK)
        assert text == f"{day}T{expected}:00Z"


def test_times_of_day_need_a_day() -> None:
    with pytest.raises(SourceError, match=r"(?s)times of day, and nothing says of which day.*{date}"):
        convert(34_200_000, format="ms_since_midnight", time_zone="UTC")
    assert (
        instant("09:30:00", format="%H:%M:%S", time_zone="UTC", base_date="20240102")
        == "2024-01-02T09:30:00Z"
    )


def test_an_hour_that_clocks_repeat_must_be_resolved_by_the_recipe() -> None:
    with pytest.raises(
        SourceError, match=r"(?s)clocks in America/New_York repeat the local time 2024-11-03T01:30:00"
    ):
        convert("2024-11-03 01:30:00", time_zone=NEW_YORK)
    assert instant("2024-11-03 01:30:00", time_zone=NEW_YORK, fold="earliest") == "2024-11-03T05:30:00Z"
    assert instant("2024-11-03 01:30:00", time_zone=NEW_YORK, fold="latest") == "2024-11-03T06:30:00Z"


def test_an_hour_that_clocks_skip_must_be_resolved_by_the_recipe() -> None:
    with pytest.raises(
        SourceError, match="clocks in America/New_York skip the local time 2024-03-10T02:30:00"
    ):
        convert(["2024-03-10 02:30:00", "2024-03-12 02:30:00"], time_zone=NEW_YORK)
    assert instant("2024-03-10 02:30:00", time_zone=NEW_YORK, fold="earliest") == "2024-03-10T07:30:00Z"
    assert instant("2024-03-10 02:30:00", time_zone=NEW_YORK, fold="latest") == "2024-03-10T06:30:00Z"


def test_a_day_that_an_island_skipped_is_resolved_too() -> None:
    assert instant("2011-12-30 12:00:00", time_zone="Pacific/Apia", fold="earliest") == "2011-12-30T22:00:00Z"


def test_local_times_beyond_the_known_rules_go_to_quarantine() -> None:
    result = convert(["2099-07-01 00:00:00", "2100-07-01 00:00:00"], time_zone=NEW_YORK)
    assert result.values.is_null().to_list() == [False, True]
    assert result.raw is not None
    assert result.raw.to_list() == [None, "2100-07-01 00:00:00"]


def test_a_file_across_a_change_of_clocks_is_read_row_by_row() -> None:
    column = pl.Series(["2024-03-10 01:59:59", "2024-03-10 03:00:00"])
    ticks = convert(column, time_zone=NEW_YORK).values.cast(pl.Int64).to_list()
    assert ticks[1] - ticks[0] == NS_PER_SECOND


def test_an_unknown_zone_is_a_mistake() -> None:
    with pytest.raises(ArgumentError, match="Unknown time zone 'New York'"):
        convert("2024-01-02", time_zone="New York")


@pytest.mark.parametrize("cells", [[1, 2], [20, 1628121600], [2024010109], [202401010930], [20240101093000]])
def test_a_unit_that_can_not_be_told_is_refused(cells: list[int]) -> None:
    with pytest.raises(SourceError, match=r"(?s)can not tell what the numbers .* count.*format"):
        convert(cells)


@pytest.mark.parametrize("form", ["%Q", "%Y%Y", "%Y-%"])
def test_strptime_codes_that_are_unknown_or_repeated_are_refused(form: str) -> None:
    with pytest.raises(ArgumentError, match="Can not read times by the format"):
        convert("2024", format=form)


@pytest.mark.parametrize(
    ("cell", "rule", "expected"),
    [
        ("1990-01-02", {}, date(1990, 1, 2)),
        ("9999-12-31", {}, date(9999, 12, 31)),
        ("20131007 00:00", {"format": "%Y%m%d %H:%M"}, date(2013, 10, 7)),
        ("2022-01-04 00:00:00+09:00", {}, date(2022, 1, 4)),
        ("2024-01-02T02:00:00Z", {"time_zone": NEW_YORK, "date_as_of_time": True}, date(2024, 1, 1)),
        ("20131007 16:00", {"format": "%Y%m%d %H:%M", "date_as_of_time": True}, date(2013, 10, 7)),
        ("20131007 16:00", {"format": "%Y%m%d %H:%M"}, None),
        (1388534400, {}, date(2014, 1, 1)),
    ],
)
def test_dates_are_days_on_the_files_own_clock(
    cell: Any, rule: dict[str, Any], expected: date | None
) -> None:
    assert convert(cell, kind="date", **rule).values.to_list() == [expected]


def test_typed_times_have_the_date_of_their_own_zone() -> None:
    moment = pl.Series(["2024-01-03T00:00:00Z"]).str.to_datetime(time_unit="ns", time_zone="UTC")
    assert convert(moment, kind="date").values.to_list() == [date(2024, 1, 3)]
    tokyo = (moment - timedelta(hours=9)).dt.convert_time_zone("Asia/Tokyo")
    assert convert(tokyo, kind="date").values.to_list() == [date(2024, 1, 3)]
    result = convert(tokyo, kind="date", time_zone=NEW_YORK, date_as_of_time=True)
    assert result.values.to_list() == [date(2024, 1, 2)]
    far = pl.Series([date(9999, 12, 31)]).cast(pl.Datetime("us", "UTC"))
    assert convert(far, kind="date").values.to_list() == [date(9999, 12, 31)]


def test_microseconds_refuse_finer_digits() -> None:
    result = convert(["2024-01-02T00:00:00.000001Z", "2024-01-02T00:00:00.000000001Z"], kind="timestamp[us]")
    assert result.values.is_null().to_list() == [False, True]


def test_a_file_with_date_and_time_in_two_columns(tmp_path: Any, read: Any, contract: Any) -> None:
    (tmp_path / "X.csv").write_text("Date,Time,price\n2006-01-02,09:05:00,1\n2006-01-02,,2\n")
    recipe = {"time": {"column": ["Date", "Time"], "time_zone": "Europe/Berlin"}}
    frame = read(tmp_path, contract("price float64"), recipe)
    assert frame["time"].dt.strftime("%H:%M")[0] == "08:05"
    assert frame["time"][1] - frame["time"][0] == timedelta(hours=-9, minutes=-5)


def test_a_second_time_column_shares_the_zone_or_has_a_rule(tmp_path: Any, read: Any, contract: Any) -> None:
    schema = contract("received timestamp[ns]", "sent timestamp[us]")
    (tmp_path / "X.csv").write_text("time,received,sent\n2024-01-02,2024-01-02,5\n")
    frame = read(tmp_path, schema, {"time": {"time_zone": NEW_YORK}, "times": {"sent": {"format": "us"}}})
    assert frame["received"][0] == frame["time"][0]
    assert frame["sent"].dt.epoch("us").to_list() == [5]
