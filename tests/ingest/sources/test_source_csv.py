"""CSV in the shapes in which vendors send it."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lakehouse.errors import SourceError
from lakehouse.schema import Column, TableSchema

Read = Callable[..., pl.DataFrame]
UTC_TIMES = {"time": {"time_zone": "UTC"}}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, read: Read, ticks: TableSchema, delimiter: str) -> None:
    (tmp_path / "X.csv").write_text(f"time{delimiter}price\n2024-01-02{delimiter}1.5\n")
    assert read(tmp_path, ticks, UTC_TIMES)["price"].to_list() == [1.5]


def test_headers_match_in_any_case_and_by_synonyms(tmp_path: Path, read: Read, bars: TableSchema) -> None:
    (tmp_path / "X.csv").write_text(
        "DATETIME,OPEN,High, low ,Close Price,VOL\n2024-01-02T09:30:00Z,1,4,0.5,2,7\n"
    )
    assert read(tmp_path, bars).rows() == [("X", read(tmp_path, bars)["time"][0], 1.0, 4.0, 0.5, 2.0, 7)]


def test_the_unnamed_index_of_pandas_is_the_time(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    (tmp_path / "X.csv").write_text(",Last\n2024-01-02,1.5\n")
    assert read(tmp_path, ticks, UTC_TIMES).columns == ["symbol", "time", "price"]


def test_columns_are_taken_by_position_without_a_header(
    tmp_path: Path, read: Read, ticks: TableSchema
) -> None:
    (tmp_path / "X.csv").write_text("1704153600,A,1.5\n1704153601,B,1.6\n")
    recipe = {"columns": {0: "time", 2: "price"}, "extra": "ignore"}
    assert read(tmp_path, ticks, recipe)["price"].to_list() == [1.5, 1.6]


def test_a_headerless_file_without_a_recipe_is_refused_with_a_hint(
    tmp_path: Path, read: Read, ticks: TableSchema
) -> None:
    (tmp_path / "X.csv").write_text("1704153600,1.5\n")
    with pytest.raises(SourceError, match=r"(?s)X.csv has no column for 'time'.*first line looks like data"):
        read(tmp_path, ticks)


def test_quotes_hold_delimiters_newlines_and_quotes(tmp_path: Path, read: Read, contract: Any) -> None:
    schema = contract("note string", "price float64")
    (tmp_path / "X.csv").write_text('time,"note",price\n2024-01-02,"a, ""b""\nc","1.5"\n2024-01-03,d,2\n')
    frame = read(tmp_path, schema, UTC_TIMES)
    assert frame["note"].to_list() == ['a, "b"\nc', "d"]
    assert frame["price"].to_list() == [1.5, 2.0]


@pytest.mark.parametrize("text", ["\ufefftime,price\r\n2024-01-02,1.5\r\n", "time,price\r2024-01-02,1.5\r"])
def test_byte_order_marks_and_every_line_end_are_read(
    tmp_path: Path, read: Read, ticks: TableSchema, text: str
) -> None:
    (tmp_path / "X.csv").write_bytes(text.encode())
    assert read(tmp_path, ticks, UTC_TIMES)["price"].to_list() == [1.5]


def test_another_encoding_is_read_if_it_is_named(tmp_path: Path, read: Read, contract: Any) -> None:
    schema = contract("name string")
    (tmp_path / "X.csv").write_bytes("time,name\n2024-01-02,Zürich\n".encode("latin-1"))
    assert read(tmp_path, schema, {**UTC_TIMES, "encoding": "latin-1"})["name"].to_list() == ["Zürich"]
    with pytest.raises(SourceError, match=r"(?s)X.csv is not UTF-8: byte 0xfc in data row 1.*encoding"):
        read(tmp_path, schema, UTC_TIMES)


def test_lines_before_the_header_are_skipped(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    (tmp_path / "X.csv").write_text('Vendor, "export"\n\ntime,price\n2024-01-02,1.5\n')
    assert read(tmp_path, ticks, {**UTC_TIMES, "skip_lines": 2})["price"].to_list() == [1.5]


def test_a_header_without_rows_is_an_empty_table(tmp_path: Path, read: Read, bars: TableSchema) -> None:
    (tmp_path / "X.csv").write_text("time,open,high,low,close,volume\n")
    frame = read(tmp_path, bars, UTC_TIMES)
    assert frame.height == 0
    assert frame.schema["time"] == pl.Datetime("ns", "UTC")


def test_gzip_and_zip_are_unwrapped_by_content(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    text = b"time,price\n2024-01-02,1.5\n"
    (tmp_path / "GZ.csv.gz").write_bytes(gzip.compress(text[:11]) + gzip.compress(text[11:]))
    with zipfile.ZipFile(tmp_path / "ZIP.zip", "w") as archive:
        archive.writestr("whatever.csv", text)
        archive.writestr("__MACOSX/._whatever.csv", b"junk")
        archive.writestr("readme.md", b"junk")
    assert read(tmp_path, ticks, UTC_TIMES)["symbol"].to_list() == ["GZ", "ZIP"]


def test_a_zip_of_many_entries_is_read_in_the_order_of_their_names(
    tmp_path: Path, read: Read, ticks: TableSchema
) -> None:
    with zipfile.ZipFile(tmp_path / "es.zip", "w") as archive:
        archive.writestr("es_201403.csv", "time,price\n2024-01-02,2\n")
        archive.writestr("es_201312.csv", "time,price\n2024-01-02,1\n2024-01-03,x\n")
    recipe = {**UTC_TIMES, "entry": "{root}_{contract}.csv", "constants": {"symbol": "{root}.{contract}"}}
    frame = read(tmp_path, ticks, recipe)
    assert frame["symbol"].to_list() == ["es.201312", "es.201312", "es.201403"]
    assert frame["price"].to_list() == [1.0, None, 2.0]
    assert frame["_raw_price"].to_list() == [None, "x", None]
    assert set(read(tmp_path, ticks, UTC_TIMES)["symbol"]) == {"es_201312", "es_201403"}


def test_an_entry_pattern_that_fits_nothing_lists_the_entries(
    tmp_path: Path, read: Read, ticks: TableSchema
) -> None:
    with zipfile.ZipFile(tmp_path / "es.zip", "w") as archive:
        archive.writestr("a.csv", "x")
    with pytest.raises(SourceError, match=r"No entry of es.zip fits '\*.txt'; it holds a.csv"):
        read(tmp_path, ticks, {"entry": "*.txt"})


def test_the_ticker_na_is_a_symbol_and_no_null(tmp_path: Path, read: Read, contract: Any) -> None:
    schema = contract("price float64", "note string")
    (tmp_path / "many.csv").write_text(
        "time,symbol,price,note\n2024-01-02,NA,1.5,\n2024-01-02,NULL,nan,NaN\n2024-01-02,,1,x\n"
    )
    frame = read(tmp_path, schema, UTC_TIMES)
    assert frame["symbol"].to_list() == ["NA", "NULL", None]
    assert frame["price"].to_list() == [1.5, None, 1.0]
    assert frame["note"].to_list() == [None, None, "x"]


def test_a_symbol_column_wins_over_the_name_of_the_file(
    tmp_path: Path, read: Read, ticks: TableSchema
) -> None:
    (tmp_path / "export.csv").write_text("time,Ticker,price\n2024-01-02,ibm,1.5\n")
    assert read(tmp_path, ticks, {**UTC_TIMES, "symbol_case": "upper"})["symbol"].to_list() == ["IBM"]


def test_a_symbol_column_must_agree_with_the_template(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    (tmp_path / "IBM.csv").write_text("time,symbol,price\n2024-01-02,IBM,1.5\n2024-01-02,GE,1.5\n")
    with pytest.raises(SourceError, match="is 'IBM' by its name, but 1 rows are 'GE'"):
        read(f"{tmp_path}/{{symbol}}.csv", ticks, UTC_TIMES)


def test_constants_fill_columns(tmp_path: Path, read: Read, contract: Any) -> None:
    schema = contract("price float64", "exchange string", "lot int32")
    (tmp_path / "X.csv").write_text("time,price\n2024-01-02,1.5\n")
    recipe = {**UTC_TIMES, "constants": {"symbol": "IBM", "exchange": "N", "lot": 100}}
    assert read(tmp_path, schema, recipe).drop("time").rows() == [("IBM", 1.5, "N", 100)]


def test_parts_of_the_path_fill_columns_of_that_name(tmp_path: Path, read: Read, contract: Any) -> None:
    schema = contract("price float64", "exchange string")
    (tmp_path / "XNYS").mkdir()
    (tmp_path / "XNYS" / "IBM.csv").write_text("time,price\n2024-01-02,1.5\n")
    frame = read(f"{tmp_path}/{{exchange}}/{{symbol}}.csv", schema, UTC_TIMES)
    assert frame.drop("time").rows() == [("IBM", 1.5, "XNYS")]


def test_unknown_columns_are_passed_on_unless_the_recipe_says_otherwise(
    tmp_path: Path, read: Read, ticks: TableSchema
) -> None:
    (tmp_path / "X.csv").write_text("time,price,mood,colour\n2024-01-02,1.5,good,red\n")
    assert read(tmp_path, ticks, UTC_TIMES).columns == ["symbol", "time", "price", "mood", "colour"]
    assert read(tmp_path, ticks, {**UTC_TIMES, "drop": ["MOOD"]}).columns[3:] == ["colour"]
    assert read(tmp_path, ticks, {**UTC_TIMES, "extra": "ignore"}).columns == ["symbol", "time", "price"]


def test_a_nullable_column_that_the_file_lacks_is_null(tmp_path: Path, read: Read, bars: TableSchema) -> None:
    (tmp_path / "X.csv").write_text("time,close\n2024-01-02,1.5\n")
    frame = read(tmp_path, bars, UTC_TIMES)
    assert frame["volume"].to_list() == [None]
    assert frame.schema["volume"] == pl.Int64


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"columns": {"PX": "price"}}, "has no column 'PX'; it has 'time', 'last', 'price'"),
        ({"columns": {9: "price"}}, "has no column 9"),
        ({"columns": {"last": "price"}}, "(?s)two columns claim 'price'.*drop"),
        ({"columns": {"time": None}}, "has no column for 'time'"),
        ({"constants": {"price": 1}}, r"has columns \['price'\], and the recipe"),
    ],
)
def test_columns_that_do_not_add_up_are_refused(
    tmp_path: Path, read: Read, ticks: TableSchema, recipe: dict[str, Any], message: str
) -> None:
    (tmp_path / "X.csv").write_text("time,last,price\n2024-01-02,1,2\n")
    with pytest.raises(SourceError, match=message):
        read(tmp_path, ticks, {**UTC_TIMES, **recipe})


def test_two_columns_that_could_each_be_the_time_are_refused(
    tmp_path: Path, read: Read, contract: Any
) -> None:
    (tmp_path / "X.csv").write_text("Date,Timestamp,price\n2024-01-02,1,2\n")
    with pytest.raises(SourceError, match=r"(?s)columns 'Date', 'Timestamp' could each be 'moment'"):
        read(tmp_path, contract("price float64", time="moment"), UTC_TIMES)


def test_rows_keep_the_order_of_the_file(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    prices = [float(number * 7919 % 10007) for number in range(200_000)]
    lines = "\n".join(f"2024-01-02,{price}" for price in prices)
    (tmp_path / "X.csv").write_text(f"time,price\n{lines}\n")
    assert read(tmp_path, ticks, UTC_TIMES)["price"].to_list() == prices


def test_a_delimiter_at_the_end_of_each_line_is_no_column(
    tmp_path: Path, read: Read, ticks: TableSchema
) -> None:
    (tmp_path / "X.csv").write_text("Date,price,\n2024-01-02,1.5,\n")
    assert read(tmp_path, ticks, UTC_TIMES).columns == ["symbol", "time", "price"]


def test_an_unnamed_column_with_cells_is_passed_on(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    (tmp_path / "X.csv").write_text(",Date,price\n0,2024-01-02,1.5\n")
    assert read(tmp_path, ticks, UTC_TIMES).columns == ["symbol", "time", "price", "column_0"]


def test_a_symbol_of_another_name_in_the_contract_is_found(tmp_path: Path, read: Read) -> None:
    columns = (Column("instrument", "string", nullable=False), Column("price", "float64"))
    schema = TableSchema(columns, symbol="instrument")
    (tmp_path / "BRK-A.csv").write_text("price\n1.5\n")
    assert read(tmp_path, schema).rows() == [("BRK-A", 1.5)]
    assert read(tmp_path, schema, {"constants": {"instrument": "X"}}, symbols=["X"]).rows() == [("X", 1.5)]
    assert read(f"{tmp_path}/{{instrument}}-A.csv", schema, symbols=["BRK"]).rows() == [("BRK", 1.5)]


def test_entries_of_a_zip_may_lack_different_columns(tmp_path: Path, read: Read, bars: TableSchema) -> None:
    with zipfile.ZipFile(tmp_path / "X.zip", "w") as archive:
        archive.writestr("1.csv", "time,symbol,close\n2024-01-02,A,1\n")
        archive.writestr("2.csv", "time,symbol,open,volume\n2024-01-02,A,2,3\n")
    frame = read(tmp_path, bars, UTC_TIMES)
    assert frame.select("open", "close", "volume").rows() == [(None, 1.0, None), (2.0, None, 3)]
    assert frame.columns == list(bars.names)
