"""Layouts: the forms that contracts use, the periods, and the choice by density."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import ContractError
from lakehouse.names import decode_symbol
from lakehouse.partitions.layout import (
    Layout,
    choose_layout,
    folder_of,
    partition_columns,
    partition_values,
    period_starts,
)
from lakehouse.schema import Column, TableSchema
from lakehouse.times import NS_PER_DAY

BARS = TableSchema(
    (Column("symbol", "string", False), Column("time", "timestamp[ns]", False), Column("close", "float64")),
    "symbol",
    "time",
    ("symbol", "time"),
)


@pytest.mark.parametrize(
    "text",
    [
        "date=day,symbol=row_groups",
        "date=none,symbol=identity",
        "date=month,symbol=bucket(16)",
        "date=week,symbol=row_groups",
    ],
)
def test_a_layout_reads_what_it_writes(text: str) -> None:
    assert str(Layout.parse(text)) == text


@pytest.mark.parametrize("text", ["date=fortnight", "symbol=bucket(0)", "rows=many", "auto", "", "date"])
def test_an_unknown_layout_names_the_choices(text: str) -> None:
    with pytest.raises(ContractError, match="bucket"):
        Layout.parse(text)


@given(
    st.lists(st.integers(-(2**63) + 1, 2**63 - 1), min_size=1, max_size=20),
    st.sampled_from(["day", "week", "month", "year"]),
)
def test_period_starts_agree_with_the_calendar(times: list[int], period: str) -> None:
    """Python's own dates are the oracle: numpy's datetime64 overflows near the ends of the range."""
    expected = []
    for instant in times:
        day = date(1970, 1, 1) + timedelta(days=instant // NS_PER_DAY)
        monday = day - timedelta(days=day.weekday())
        first = {
            "day": day,
            "week": monday,
            "month": day.replace(day=1),
            "year": day.replace(month=1, day=1),
        }[period]
        expected.append((first - date(1970, 1, 1)).days)
    assert period_starts(np.array(times, np.int64), period).tolist() == expected  # type: ignore[arg-type]


def test_a_column_called_date_moves_the_partition_column_aside() -> None:
    daily = TableSchema(
        (Column("symbol", "string", False), Column("date", "date", False)),
        "symbol",
        "date",
        ("symbol", "date"),
    )
    assert partition_columns(Layout("year"), daily) == (("partition_date", "date"),)
    assert partition_columns(Layout("year"), BARS) == (("date", "date"),)


@pytest.mark.parametrize(
    "symbol", ["BRK/B", "BTC-USD", "日経225", "NA", "ibm", "CON", "a.", "..", "%2F", " "]
)
def test_symbol_folders_are_legal_and_can_be_read_back(symbol: str) -> None:
    day = int(datetime(2024, 1, 2, tzinfo=UTC).timestamp()) // 86_400
    folder = folder_of(partition_values(Layout("day", "identity"), BARS, symbol, day))
    name = folder.split("/")[0].removeprefix("symbol=")
    assert decode_symbol(name) == symbol
    assert not set(name) & set('<>:"\\|?*')
    assert not name.endswith((".", " "))
    assert folder.endswith("date=2024-01-02/")


def test_upper_and_lower_case_symbols_stay_apart_where_the_disk_ignores_case() -> None:
    folders = {
        folder_of(partition_values(Layout("none", "identity"), BARS, symbol, None)).casefold()
        for symbol in ("IBM", "ibm", "Ibm")
    }
    assert len(folders) == 3


@pytest.mark.parametrize(
    ("rows_per_day", "period"),
    [(5, "year"), (5_000, "year"), (50_000, "month"), (195_000, "week"), (5_000_000, "day")],
)
def test_the_period_follows_the_density(rows_per_day: int, period: str) -> None:
    assert choose_layout(BARS, rows_per_day=rows_per_day).date == period


def test_sparse_daily_data_lie_in_one_partition() -> None:
    daily = TableSchema(
        (Column("symbol", "string", False), Column("day", "date", False)), "symbol", "day", ("symbol", "day")
    )
    assert choose_layout(daily, rows_per_day=5).date == "none"


@pytest.mark.parametrize(
    ("day", "monday"),
    [
        ("2024-12-31", "2024-12-30"),
        ("2025-01-01", "2024-12-30"),
        ("2025-01-05", "2024-12-30"),
        ("2025-01-06", "2025-01-06"),
        ("1970-01-01", "1969-12-29"),
        ("1969-12-28", "1969-12-22"),
    ],
)
def test_a_week_is_named_by_its_monday_also_across_a_new_year(day: str, monday: str) -> None:
    last_ns = (int(np.datetime64(day, "D").astype(np.int64)) + 1) * NS_PER_DAY - 1
    (start,) = period_starts(np.array([last_ns], np.int64), "week").tolist()
    values = partition_values(Layout("week"), BARS, "IBM", start)
    assert folder_of(values) == f"date={monday}/"
