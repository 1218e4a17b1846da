"""Results as pandas frames: nothing is rounded, times are where they belong."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import ArgumentError
from lakehouse.queries.result import Result

NS = 1_704_186_600_000_000_001
INT64 = st.integers(-(2**63) + 1, 2**63 - 1)


def result_of(**columns: pa.Array) -> Result:
    return Result(pa.table(columns), symbol="symbol", time="time")


def instants(*values: int | None, unit: str = "ns") -> pa.Array:
    return pa.array(values, pa.timestamp(unit, "UTC"))


def test_the_time_column_becomes_a_datetime_index_in_utc() -> None:
    frame = result_of(time=instants(NS), close=pa.array([1.5])).to_pandas()
    expected = pd.DatetimeIndex([pd.Timestamp(NS, unit="ns", tz="UTC")], name="time")
    pd.testing.assert_index_equal(frame.index, expected)
    assert list(frame.columns) == ["close"]


def test_the_index_can_be_left_a_column() -> None:
    frame = result_of(time=instants(NS), close=pa.array([1.5])).to_pandas(index=False)
    assert list(frame.columns) == ["time", "close"]
    assert isinstance(frame.index, pd.RangeIndex)


@given(st.lists(INT64, max_size=20), st.sampled_from(["UTC", "America/New_York", "Asia/Tokyo"]))
def test_nanoseconds_survive_in_every_zone(times: list[int], zone: str) -> None:
    index = result_of(time=instants(*times)).to_pandas(time_zone=zone).index
    assert isinstance(index, pd.DatetimeIndex)
    assert index.tz_convert("UTC").as_unit("ns").asi8.tolist() == times
    assert index.dtype == pd.DatetimeTZDtype("ns", zone)


def test_a_zone_moves_the_clock_and_not_the_instant() -> None:
    opening = int(dt.datetime(2024, 7, 1, 13, 30, tzinfo=dt.UTC).timestamp()) * 10**9
    frame = result_of(time=instants(opening), seen=instants(opening)).to_pandas(time_zone="America/New_York")
    assert str(frame.index[0]) == "2024-07-01 09:30:00-04:00"
    assert str(frame["seen"].iloc[0]) == "2024-07-01 09:30:00-04:00"


def test_no_zone_gives_utc_without_a_zone() -> None:
    frame = result_of(time=instants(NS), seen=instants(NS)).to_pandas(time_zone=None)
    assert frame.index.dtype == np.dtype("datetime64[ns]")
    assert frame["seen"].tolist() == [pd.Timestamp(NS)]


def test_microseconds_stay_microseconds() -> None:
    assert result_of(time=instants(5, unit="us")).to_pandas().index.dtype == pd.DatetimeTZDtype("us", "UTC")


def test_a_date_becomes_midnight_without_a_zone_in_any_zone() -> None:
    days = pa.array([dt.date(2024, 3, 10), dt.date(1900, 1, 1)])
    frame = result_of(time=days, listed=days).to_pandas(time_zone="America/New_York")
    expected = pd.DatetimeIndex(["2024-03-10", "1900-01-01"], name="time")
    pd.testing.assert_index_equal(frame.index, expected.as_unit("us"))
    assert frame["listed"].tolist() == list(expected)


def test_times_without_a_zone_that_are_not_the_time_column_stay_as_they_are() -> None:
    local = pa.array([0], pa.timestamp("us"))
    frame = result_of(time=instants(0), local=local).to_pandas(time_zone="Asia/Tokyo")
    assert frame["local"].tolist() == [pd.Timestamp(0)]


def test_a_time_column_without_a_zone_is_utc() -> None:
    frame = result_of(time=pa.array([0], pa.timestamp("ns"))).to_pandas(time_zone="Asia/Tokyo")
    assert str(frame.index[0]) == "1970-01-01 09:00:00+09:00"


@pytest.mark.parametrize("name", ["Mars/Olympus", "america/nowhere", "", "../etc/passwd", "UTC+25"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match="Unknown time zone"):
        result_of(time=instants(NS)).to_pandas(time_zone=name)


def test_an_unknown_zone_names_the_nearest() -> None:
    with pytest.raises(ArgumentError, match="America/New_York"):
        result_of(time=instants(NS)).to_pandas(time_zone="America/NewYork")


@given(st.lists(st.none() | INT64, min_size=1, max_size=20))
def test_integers_are_never_rounded(values: list[int | None]) -> None:
    column = result_of(size=pa.array(values, pa.int64())).to_pandas()["size"]
    assert [None if value is pd.NA else int(value) for value in column] == values
    assert column.dtype == ("Int64" if None in values else "int64")


def test_only_the_columns_with_nulls_become_nullable() -> None:
    frame = result_of(
        full=pa.array([1, 2], pa.int8()),
        small=pa.array([1, None], pa.int8()),
        halted=pa.array([True, None]),
        open=pa.array([True, False]),
        price=pa.array([1.0, None]),
    ).to_pandas()
    assert [str(kind) for kind in frame.dtypes] == ["int8", "Int8", "boolean", "bool", "float64"]


def test_a_frame_of_nullable_columns_alone_keeps_its_rows() -> None:
    frame = result_of(size=pa.array([None, 2, None], pa.int32())).to_pandas()
    assert frame["size"].isna().tolist() == [True, False, True]


def test_texts_keep_every_symbol() -> None:
    symbols = ["NA", "nan", "", "BRK/B", "日経225", None]
    frame = result_of(symbol=pa.array(symbols)).to_pandas()
    assert frame["symbol"].isna().tolist() == [False] * 5 + [True]
    assert frame["symbol"].tolist()[:5] == symbols[:5]


def test_dictionaries_become_plain_text() -> None:
    coded = pa.array(["A", "B", "A"]).dictionary_encode()
    frame = result_of(symbol=coded).to_pandas()
    assert frame["symbol"].tolist() == ["A", "B", "A"]
    assert frame["symbol"].dtype == "str"


def test_columns_of_one_name_stay_apart() -> None:
    table = pa.Table.from_arrays([pa.array([1, None]), pa.array([3, 4])], names=["x", "x"])
    frame = Result(table).to_pandas()
    assert [str(kind) for kind in frame.dtypes] == ["Int64", "int64"]


def test_times_of_day_keep_nanoseconds() -> None:
    frame = result_of(clock=pa.array([1], pa.time64("ns"))).to_pandas()
    assert frame["clock"].dtype == pd.ArrowDtype(pa.time64("ns"))


def test_the_frame_can_be_changed_and_the_result_stays() -> None:
    result = result_of(
        time=instants(1, 2), close=pa.array([1.0, 2.0]), size=pa.array([1, 2]), on=pa.array([True, True])
    )
    before = result.to_arrow().to_pydict()
    frame = result.to_pandas(index=False)
    frame.loc[0, "close"], frame.loc[0, "size"], frame.loc[0, "on"] = 9.0, 9, False
    frame.loc[0, "time"] = pd.Timestamp(9, tz="UTC")
    assert result.to_arrow().to_pydict() == before
    assert frame["close"].tolist() == [9.0, 2.0]
