"""The exact gate: what may pass, what is refused, and that nothing changes on the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import ArgumentError, SchemaError
from lakehouse.ingest.frames import to_table
from lakehouse.ingest.gate import gate
from lakehouse.schema import Column, TableSchema

INTEGERS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}


def pass_gate(values: pa.Array, target: str, time_zone: str | None = None) -> tuple[list[Any], list[bool]]:
    """Pass one column; return stored values and which of them did not fit."""
    schema = TableSchema((Column("x", target),))
    gated = gate(pa.Table.from_arrays([values], ["x"]), schema, time_zone=time_zone)
    misfits = gated.misfits["x"].to_pylist() if "x" in gated.misfits else [False] * len(values)
    return gated.rows.column("x").to_pylist(), misfits


@given(st.lists(st.none() | st.floats(), max_size=20), st.sampled_from(sorted(INTEGERS)))
def test_a_float_is_an_integer_only_if_it_is_whole_and_in_range(
    values: list[float | None], target: str
) -> None:
    stored, misfits = pass_gate(pa.array(values, pa.float64()), target)
    limit = 2 ** (INTEGERS[target] - 1)
    for value, got, misfit in zip(values, stored, misfits, strict=True):
        fits = value is None or (
            value == value and abs(value) != float("inf") and value == int(value) and -limit <= value < limit
        )
        assert misfit is not fits
        assert got == (value if fits else None)


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=20), st.sampled_from(sorted(INTEGERS)))
def test_an_integer_keeps_its_value_or_does_not_fit(values: list[int | None], target: str) -> None:
    stored, misfits = pass_gate(pa.array(values, pa.int64()), target)
    limit = 2 ** (INTEGERS[target] - 1)
    assert misfits == [value is not None and not -limit <= value < limit for value in values]
    assert stored == [None if misfit else value for value, misfit in zip(values, misfits, strict=True)]


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20),
    st.sampled_from([("float64", 53), ("float32", 24)]),
)
def test_an_integer_becomes_a_float_only_where_every_neighbour_is_exact_too(
    values: list[int], target: tuple[str, int]
) -> None:
    stored, misfits = pass_gate(pa.array(values, pa.int64()), target[0])
    assert misfits == [abs(value) > 2 ** target[1] for value in values]
    assert all(got == value for got, value, misfit in zip(stored, values, misfits, strict=True) if not misfit)


@given(st.lists(st.floats(), max_size=20))
def test_a_double_becomes_a_float32_only_if_it_comes_back(values: list[float]) -> None:
    stored, misfits = pass_gate(pa.array(values, pa.float64()), "float32")
    with np.errstate(over="ignore"):
        narrow = np.array(values, np.float64).astype(np.float32).astype(np.float64)
    assert misfits == [
        bool(not (value == back or (value != value and back != back)))
        for value, back in zip(values, narrow, strict=True)
    ]
    assert [got for got, misfit in zip(stored, misfits, strict=True) if misfit] == [None] * sum(misfits)


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=10))
def test_nanoseconds_fit_microseconds_only_if_nothing_is_cut(values: list[int | None]) -> None:
    instants = pa.array(values, pa.int64()).view(pa.timestamp("ns", "UTC"))
    _, misfits = pass_gate(instants, "timestamp[us]")
    assert misfits == [value is not None and value % 1000 != 0 for value in values]


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=10))
def test_nanoseconds_are_kept_to_the_last_digit(values: list[int | None]) -> None:
    instants = pa.array(values, pa.int64()).view(pa.timestamp("ns", "America/New_York"))
    assert pass_gate(instants, "timestamp[ns]")[0] == values


def test_microseconds_beyond_the_range_of_nanoseconds_do_not_fit() -> None:
    far = pa.array([0, 10**16, 10**18], pa.int64()).view(pa.timestamp("us", "UTC"))
    assert pass_gate(far, "timestamp[ns]")[1] == [False, True, True]


REFUSED = [
    (pa.array(["2.5"]), "float64"),
    (pa.array(["1"]), "int64"),
    (pa.array([1]), "string"),
    (pa.array([1.5]), "string"),
    (pa.array([True]), "int8"),
    (pa.array([True]), "float64"),
    (pa.array([1]), "bool"),
    (pa.array(["2024-01-02"]), "date"),
    (pa.array(["2024-01-02"]), "timestamp[ns]"),
    (pa.array([date(2024, 1, 2)]), "timestamp[ns]"),
    (pa.array([1_704_186_600]), "timestamp[ns]"),
    (pa.array([b"IBM"]), "string"),
    (pa.array([[1.0]]), "float64"),
    (pa.array([1], pa.duration("s")), "date"),
]


@pytest.mark.parametrize(
    ("values", "target"), REFUSED, ids=[f"{values.type} to {target}" for values, target in REFUSED]
)
def test_a_type_that_would_have_to_be_interpreted_is_refused(values: pa.Array, target: str) -> None:
    with pytest.raises(SchemaError, match=r"Column 'x' is .*, but the contract says"):
        pass_gate(values, target)


def test_naive_times_are_refused_and_the_hint_says_how() -> None:
    with pytest.raises(SchemaError, match=r"no time zone(?s:.)*time_zone="):
        pass_gate(pa.array([datetime(2024, 1, 2)]), "timestamp[ns]")


def test_naive_times_are_placed_in_the_zone_that_the_caller_names() -> None:
    stored, _ = pass_gate(pa.array([datetime(2024, 7, 1, 9, 30)]), "timestamp[ns]", "America/New_York")
    assert stored == [1_719_840_600 * 10**9]


@pytest.mark.parametrize("local", [datetime(2024, 11, 3, 1, 30), datetime(2024, 3, 10, 2, 30)])
def test_local_times_that_clocks_repeat_or_skip_are_refused(local: datetime) -> None:
    with pytest.raises(ArgumentError, match="can not be placed in the time zone"):
        pass_gate(pa.array([local]), "timestamp[ns]", "America/New_York")


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ArgumentError, match="Mars/Base"):
        pass_gate(pa.array([datetime(2024, 1, 2)]), "timestamp[ns]", "Mars/Base")


def test_midnights_are_dates_and_other_times_are_not() -> None:
    times = pa.array([datetime(2024, 1, 2), datetime(2024, 1, 2, 9)])
    assert pass_gate(times, "date") == ([date(2024, 1, 2), None], [False, True])


def test_missing_and_unknown_columns_are_named_together() -> None:
    schema = TableSchema(
        (Column("symbol", "string", False), Column("price", "float64"), Column("size", "int64", False))
    )
    frame = pa.Table.from_arrays([pa.array(["A"]), pa.array([1.0])], ["symbol", "pirce"])
    with pytest.raises(SchemaError, match="missing 'size'; unknown 'pirce'"):
        gate(frame, schema)


def test_a_nullable_column_may_be_left_out() -> None:
    schema = TableSchema((Column("symbol", "string", False), Column("price", "float64")))
    rows = gate(pa.Table.from_arrays([pa.array(["A"])], ["symbol"]), schema).rows
    assert rows.to_pylist() == [{"symbol": "A", "price": None}]


FRAMES: dict[str, Callable[[], object]] = {
    "pandas": lambda: pd.DataFrame({"symbol": ["A", "NA"], "price": [1.0, float("nan")]}),
    "polars": lambda: pl.DataFrame({"symbol": ["A", "NA"], "price": [1.0, None]}),
    "lazy": lambda: pl.LazyFrame({"symbol": ["A", "NA"], "price": [1.0, None]}),
    "arrow": lambda: pa.table({"symbol": ["A", "NA"], "price": [1.0, None]}),
    "batch": lambda: pa.record_batch({"symbol": ["A", "NA"], "price": [1.0, None]}),
    "reader": lambda: pa.table({"symbol": ["A", "NA"], "price": [1.0, None]}).to_reader(),
    "mapping": lambda: {"symbol": ["A", "NA"], "price": [1.0, None]},
    "categorical": lambda: pl.DataFrame(
        {"symbol": ["A", "NA"], "price": [1.0, None]}, schema_overrides={"symbol": pl.Categorical}
    ),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_every_kind_of_frame_gives_the_same_rows(kind: str) -> None:
    schema = TableSchema((Column("symbol", "string", False), Column("price", "float64")))
    rows = gate(to_table(FRAMES[kind]()), schema).rows
    assert rows.to_pylist() == [{"symbol": "A", "price": 1.0}, {"symbol": "NA", "price": None}]


def test_a_named_pandas_index_is_a_column() -> None:
    index = pd.DatetimeIndex(["2024-01-02T09:30:00.000000001"], tz="UTC", name="time")
    table = to_table(pd.DataFrame({"price": [1.0]}, index=index))
    assert table.column("time").cast(pa.int64()).to_pylist() == [1_704_187_800_000_000_001]


@pytest.mark.parametrize(
    "frame", [[1, 2], "rows", pd.Series([1]), {"a": [1], "b": [1, 2]}, pd.DataFrame({"x": [1, "a"]})]
)
def test_what_is_no_frame_is_refused(frame: object) -> None:
    with pytest.raises(SchemaError, match=r"as a frame|Series|no frame|mixed types"):
        to_table(frame)


Instants = st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=20)


@given(Instants, st.sampled_from(["s", "ms", "us", "ns"]))
def test_naive_times_in_utc_stay_as_they_are(values: list[int | None], unit: str) -> None:
    def gated(times: pa.Array) -> tuple[list[int | None], Any]:
        schema = TableSchema((Column("x", "timestamp[us]"),))
        found = gate(pa.Table.from_arrays([times], ["x"]), schema, time_zone="UTC")
        return found.rows.column("x").cast(pa.int64()).to_pylist(), found.misfits.get("x")

    naive = pa.array(values, pa.timestamp(unit))
    assert gated(naive) == gated(naive.cast(pa.timestamp(unit, "UTC")))


@pytest.mark.parametrize("run", [1, 7, 100, 9_000])
def test_texts_are_the_same_however_long_their_runs_are(run: int) -> None:
    names = ["B", "A", "é/☃", "B", "C"] * 10
    texts = np.repeat(np.array(names, object), run)[:30_000].tolist()
    schema = TableSchema(
        (Column("symbol", "string", False), Column("time", "timestamp[ns]", False)), "symbol", "time"
    )
    times = pa.array(range(len(texts)), pa.timestamp("ns", "UTC"))
    whole = pa.Table.from_arrays([pa.array(texts), times], ["symbol", "time"])
    table = pa.concat_tables([whole.slice(0, 5), whole.slice(5)])
    found = gate(table, schema).rows.column("symbol")
    assert found.cast(pa.string()).to_pylist() == texts
