"""Files that are cut off, mislabelled or no tables: a clear error, with the file and the line."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from lakehouse.errors import SourceError
from lakehouse.schema import TableSchema

Read = Callable[..., pl.DataFrame]
UTC_TIMES = {"time": {"time_zone": "UTC"}}
CSV = b"time,price\n" + b"2024-01-02,1.5\n" * 500


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.csv", CSV)


def write_parquet(path: Path) -> None:
    parquet.write_table(pa.Table.from_arrays([pa.array([1.5] * 500)], names=["price"]), path)


def write_feather(path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1.5] * 500)], names=["price"])
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("name", ["X.csv", "X.csv.gz", "X.zip", "X.parquet", "X.feather", "X.json"])
def test_an_empty_file_is_refused(tmp_path: Path, read: Read, ticks: TableSchema, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(SourceError, match=rf"{name} is empty \(0 bytes\)"):
        read(tmp_path, ticks)


@pytest.mark.parametrize(
    ("name", "write", "kind"),
    [
        ("X.csv.gz", lambda path: path.write_bytes(gzip.compress(CSV)), "gzip"),
        ("X.csv.zst", lambda path: path.write_bytes(pa.compress(CSV, "zstd", asbytes=True)), "Zstandard"),
        ("X.zip", write_zip, "zip"),
        ("X.parquet", write_parquet, "Parquet"),
        ("X.feather", write_feather, "Feather"),
    ],
)
def test_a_file_that_is_cut_off_is_refused(
    tmp_path: Path, read: Read, ticks: TableSchema, name: str, write: Callable[[Path], Any], kind: str
) -> None:
    write(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for length in (len(whole) - 5, len(whole) // 2):
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(SourceError, match=rf"X\.[a-z.]+ is a truncated.* {kind}[^\n]*(\nHint: [^\n]*)?$"):
            read(tmp_path, ticks)


def test_a_zip_whose_offsets_can_not_be_is_refused(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    write_zip(tmp_path / "X.zip")
    packed = bytearray((tmp_path / "X.zip").read_bytes())
    packed[-6:-2] = (int.from_bytes(packed[-6:-2], "little") + 10_000).to_bytes(4, "little")
    (tmp_path / "X.zip").write_bytes(packed)
    with pytest.raises(SourceError, match=r"X\.zip is a truncated, damaged or encrypted zip file"):
        read(tmp_path, ticks)


def test_zstandard_is_unpacked_like_gzip(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    (tmp_path / "X.csv.zst").write_bytes(pa.compress(CSV, "zstd", asbytes=True))
    assert read(tmp_path, ticks, UTC_TIMES).height == 500


def test_a_gzip_file_with_a_flipped_bit_is_refused(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    packed = bytearray(gzip.compress(CSV))
    packed[-6] ^= 1
    (tmp_path / "X.csv.gz").write_bytes(packed)
    with pytest.raises(SourceError, match="damaged gzip file: CRC check failed"):
        read(tmp_path, ticks)


def test_a_csv_row_that_is_cut_off_is_named(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    (tmp_path / "X.csv").write_bytes(CSV[:-5])
    with pytest.raises(SourceError, match=r"X.csv, data row 500: expected 2 cells, got 1: '2024-01-02'"):
        read(tmp_path, ticks)


def test_a_quote_that_never_closes_is_refused(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    (tmp_path / "X.csv").write_bytes(CSV + b'2024-01-02,"1\n' + b"2024-01-02,1\n" * 9)
    with pytest.raises(SourceError, match='has a quote " that is not closed'):
        read(tmp_path, ticks, UTC_TIMES)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("X.csv", b"<!DOCTYPE html><html></html>", "is HTML or XML"),
        ("X.csv", b"\x89PNG\r\n\x1a\n\0\0\0\0", "X.csv is not text: it holds zero bytes"),
        ("X.csv", "time,price\n2024-01-02,1\n".encode("utf-16"), r"(?s)X.csv is UTF-16.*encoding: utf-16"),
        ("X.csv", b"\n \n", "X.csv holds no line of data"),
        ("X.parquet", b"time,price\n", "X.parquet is not a Parquet file: its first bytes are b'time,p'"),
        ("X.feather", b"FEA1....", "X.feather is not a Feather or Arrow IPC file"),
        ("X.csv.gz", b"time,price\n", "X.csv.gz is not a gz file"),
        ("X.zip", b"time,price\n", "X.zip is not a zip file"),
        ("X.json", b"time,price\n", "X.json, line 1, column 1: not JSON"),
    ],
)
def test_content_that_is_no_table_is_refused(
    tmp_path: Path, read: Read, ticks: TableSchema, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message):
        read(tmp_path, ticks)


def test_a_parquet_file_called_csv_is_read_all_the_same(
    tmp_path: Path, read: Read, ticks: TableSchema
) -> None:
    times = pa.array([0], pa.timestamp("ns", "UTC"))
    parquet.write_table(
        pa.Table.from_arrays([times, pa.array([1.5])], names=["time", "price"]), tmp_path / "X.csv"
    )
    assert read(tmp_path, ticks)["price"].to_list() == [1.5]


def test_a_day_in_the_name_must_exist(tmp_path: Path, read: Read, ticks: TableSchema) -> None:
    (tmp_path / "20241399.csv").write_bytes(b"1,1.5\n")
    recipe = {"columns": ["time", "price"], "time": {"format": "ms_since_midnight", "time_zone": "UTC"}}
    with pytest.raises(SourceError, match=r"20241399.csv: '20241399' in the file's name is not a day"):
        read(f"{tmp_path}/{{date}}.csv", ticks, recipe)
