"""Results: shape, Arrow in and out, and what the libraries around make of them."""

from __future__ import annotations

import subprocess
import sys

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from lakehouse.errors import ArgumentError
from lakehouse.queries.result import Result

NS = 1_704_186_600_000_000_001


@pytest.fixture
def table() -> pa.Table:
    return pa.table(
        {
            "symbol": ["BRK/B", "日経225", "NA"],
            "time": pa.array([NS, NS + 1, NS + 2], pa.timestamp("ns", "UTC")),
            "close": [1.5, None, float("nan")],
        }
    )


@pytest.fixture
def result(table: pa.Table) -> Result:
    return Result(table, symbol="symbol", time="time")


def test_shape_and_schema_are_those_of_the_table(result: Result, table: pa.Table) -> None:
    assert (len(result), result.num_rows) == (3, 3)
    assert result.columns == ("symbol", "time", "close")
    assert result.schema.equals(table.schema)


def test_to_arrow_gives_the_table_itself(result: Result, table: pa.Table) -> None:
    assert result.to_arrow() is table


def test_reader_streams_all_rows(result: Result) -> None:
    assert Result(result.to_reader().read_all()).equals(result)


def test_polars_frame_keeps_nanoseconds_and_symbols(result: Result) -> None:
    frame = result.to_polars()
    assert frame["time"].dtype == pl.Datetime("ns", "UTC")
    assert frame["time"].to_physical().to_list() == [NS, NS + 1, NS + 2]
    assert frame["symbol"].to_list() == ["BRK/B", "日経225", "NA"]


def test_polars_takes_a_result(result: Result) -> None:
    assert pl.DataFrame(result).equals(result.to_polars(), null_equal=True)


def test_duckdb_takes_a_result_by_its_python_name(result: Result) -> None:
    assert len(result) == 3
    with duckdb.connect() as connection:
        found = connection.execute("select symbol from result where close = 1.5").fetchall()
    assert found == [("BRK/B",)]


def test_pyarrow_takes_a_result(result: Result, table: pa.Table) -> None:
    assert pa.table(result).equals(table) or Result(pa.table(result)).equals(
        result
    )  # NaN differs from itself
    assert pa.schema(result).equals(table.schema)


def test_pandas_takes_a_result(result: Result) -> None:
    frame = pd.DataFrame.from_arrow(result)  # type: ignore[attr-defined]  # pandas-stubs 3.1 does not know it
    assert list(frame["symbol"]) == ["BRK/B", "日経225", "NA"]


def test_a_result_can_not_be_iterated(result: Result) -> None:
    with pytest.raises(TypeError, match="not iterable"):
        list(result)  # type: ignore[call-overload]  # that is the point


def test_head_gives_the_first_rows_and_keeps_the_roles(result: Result) -> None:
    assert result.head(2).to_arrow().equals(result.to_arrow().slice(0, 2))
    assert result.head(2).to_pandas().index.name == "time"
    assert len(result.head(99)) == 3


def test_head_refuses_a_negative_count(result: Result) -> None:
    with pytest.raises(ArgumentError, match="negative"):
        result.head(-1)


def test_roles_of_columns_that_were_not_read_are_forgotten(table: pa.Table) -> None:
    narrow = Result(table.select(["close"]), symbol="symbol", time="time")
    assert isinstance(narrow.to_pandas().index, pd.RangeIndex)


def test_a_result_equals_its_copy_nan_and_null_included(result: Result, table: pa.Table) -> None:
    assert result.equals(Result(pa.concat_tables([table.slice(0, 1), table.slice(1)])))


@pytest.mark.parametrize(
    "closes",
    [[1.5, float("nan"), None], [1.5, None, 2.0], [1.5, None], [1, None, 2]],
    ids=["null for NaN", "other value", "fewer rows", "other type"],
)
def test_a_result_differs_from(result: Result, table: pa.Table, closes: list[float | None]) -> None:
    other = table.slice(0, len(closes)).set_column(2, "close", pa.array(closes))
    assert not result.equals(Result(other))


def test_a_result_differs_from_one_with_other_names_or_order(result: Result, table: pa.Table) -> None:
    assert not result.equals(Result(table.rename_columns(["symbol", "time", "last"])))
    assert not result.equals(Result(table.take(pa.array([1, 0, 2]))))


def test_an_empty_result_converts_everywhere(result: Result) -> None:
    empty = result.head(0)
    assert empty.to_polars().shape == (0, 3)
    assert empty.to_pandas().shape == (0, 2)
    assert empty.pivot("close").shape == (0, 0)
    assert empty.equals(empty)
    assert "0 rows x 3 columns" in repr(empty)


def test_a_result_needs_neither_pandas_nor_polars_until_asked() -> None:
    code = """
import sys
import pyarrow as pa
from lakehouse.queries.result import Result
numbers = pa.Array.from_buffers(pa.int64(), 2, [None, pa.py_buffer(bytes(16))])
times = numbers.cast(pa.timestamp("ns", "UTC"))
result = Result(pa.Table.from_arrays([numbers, times], ["size", "time"]), time="time")
result.to_arrow(), result.to_reader(), result.head(1), repr(result), result._repr_html_(), len(result)
result.__arrow_c_stream__(), result.__arrow_c_schema__(), result.equals(result)
print(sorted({"pandas", "polars", "duckdb", "numba"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
