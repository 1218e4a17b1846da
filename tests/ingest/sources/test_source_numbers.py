"""Numbers: exactly what the text says, or the text itself."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources.quantities import to_number, to_scaled
from lakehouse.schema import TableSchema

Read = Callable[..., pl.DataFrame]
UTC_TIMES = {"time": {"time_zone": "UTC"}}


def column(cells: list[str | None]) -> pl.Series:
    return pl.Series(cells, dtype=pl.String)


def values(cells: list[str | None], kind: str) -> tuple[list[Any], list[str | None] | None]:
    result = to_number(column(cells), kind, ("", "NaN"), "test")
    return result.values.to_list(), None if result.raw is None else result.raw.to_list()


def test_a_cell_that_is_no_number_keeps_its_text_and_spoils_no_other() -> None:
    assert values(["1.5", "abc", "", None, "1,5"], "float64") == (
        [1.5, None, None, None, None],
        [None, "abc", None, None, "1,5"],
    )


def test_whole_numbers_may_be_written_with_a_point() -> None:
    assert values(["100.0", "+7", " 8 ", "-0", "9."], "int64") == ([100, 7, 8, 0, 9], None)


@pytest.mark.parametrize("text", ["1.7", "1e3", "0x10", "1_000", "9223372036854775808", "٣", "true", "--1"])
def test_what_is_no_exact_integer_is_kept_as_text(text: str) -> None:
    assert values(["5", text], "int64") == ([5, None], [None, text])


def test_integers_must_fit_their_width() -> None:
    assert values(["127", "128", "-129"], "int8") == ([127, None, None], [None, "128", "-129"])


@pytest.mark.parametrize(
    ("text", "expected"), [("inf", float("inf")), ("-Infinity", float("-inf")), ("1e400", None)]
)
def test_infinity_must_be_written_and_not_computed(text: str, expected: float | None) -> None:
    assert values([text], "float64")[0] == [expected]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_survives_as_text(number: float) -> None:
    assert values([repr(number)], "float64") == ([number], None)


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_integer_survives_as_text(number: int) -> None:
    assert values([str(number)], "int64") == ([number], None)


@given(st.integers(-(2**53), 2**53), st.integers(1, 10**6))
def test_division_is_rounded_once(number: int, divisor: int) -> None:
    quick = to_scaled(pl.Series([number]), "float64", Fraction(1, divisor), (), "test")
    slow = to_scaled(column([str(number)]), "float64", Fraction(1, divisor), (), "test")
    assert quick.values.to_list() == slow.values.to_list() == [number / divisor]


def test_decimal_prices_are_divided_without_a_second_rounding() -> None:
    result = to_scaled(
        column(["1815200.5", "x", "1e999999999", ""]), "float64", Fraction(1, 10_000), ("",), "test"
    )
    assert result.values.to_list() == [181.52005, None, None, None]
    assert result.raw is not None
    assert result.raw.to_list() == [None, "x", "1e999999999", None]


def test_scaled_integers_must_stay_whole() -> None:
    result = to_scaled(column(["2.5", "2.25"]), "int64", Fraction(2), (), "test")
    assert result.values.to_list() == [5, None]


def test_bad_cells_of_a_file_stand_beside_the_good_rows(
    tmp_path: Path, read: Read, bars: TableSchema
) -> None:
    (tmp_path / "X.csv").write_text(
        "time,open,high,low,close,volume\n2024-01-02,1,2,0.5,1.5,1.7\n2024-01-03,abc,2,0.5,1.5,100.0\n"
    )
    frame = read(tmp_path, bars, UTC_TIMES)
    assert frame.columns[-2:] == ["_raw_open", "_raw_volume"]
    assert frame.select("open", "_raw_open").rows() == [(1.0, None), (None, "abc")]
    assert frame.select("volume", "_raw_volume").rows() == [(None, "1.7"), (100, None)]


def test_a_good_file_has_no_raw_columns(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    (tmp_path / "X.csv").write_text("time,price\n2024-01-02,1.5\n")
    assert read(tmp_path, ticks, UTC_TIMES).columns == ["symbol", "time", "price"]


@pytest.mark.parametrize("cell", ["0x10", "1e400"])
def test_the_quick_parser_reads_no_more_than_the_careful_one(
    tmp_path: Path, read: Read, contract: Any, cell: str
) -> None:
    (tmp_path / "X.csv").write_text(f"time,price,size\n2024-01-02,{cell},{cell}\n")
    frame = read(tmp_path, contract("price float64", "size int64"), UTC_TIMES)
    assert frame.select("price", "size", "_raw_price", "_raw_size").rows() == [(None, None, cell, cell)]


def test_further_nulls_belong_to_one_column(tmp_path: Path, read: Read, contract: Any) -> None:
    (tmp_path / "X.csv").write_text("time,bid,ask\n2024-01-02,0,0\n")
    frame = read(tmp_path, contract("bid float64", "ask float64"), {**UTC_TIMES, "nulls": {"bid": ["0"]}})
    assert frame.select("bid", "ask").rows() == [(None, 0.0)]


def test_scaling_a_column_that_is_not_there_is_a_mistake(
    tmp_path: Path, read: Read, ticks: TableSchema
) -> None:
    (tmp_path / "X.csv").write_text("time,price\n2024-01-02,15000\n")
    with pytest.raises(ArgumentError, match="divide names prise, which is no column of the contract"):
        read(tmp_path, ticks, {**UTC_TIMES, "divide": {"prise": 10000}})


def test_flags_are_read_in_every_spelling(tmp_path: Path, read: Read, contract: Any) -> None:
    (tmp_path / "X.csv").write_text(
        "time,odd\n" + "".join(f"2024-01-02,{cell}\n" for cell in ["1", "0", "TRUE", "f", "2"])
    )
    frame = read(tmp_path, contract("odd bool"), UTC_TIMES)
    assert frame["odd"].to_list() == [True, False, True, False, None]
    assert frame["_raw_odd"].to_list()[-1] == "2"


def test_a_time_is_no_number() -> None:
    with pytest.raises(SourceError, match="holds Date, which is no int64"):
        to_number(pl.Series([1]).cast(pl.Date), "int64", (), "test")
