"""Chunks: what the ledger remembers, and what makes a chunk another one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lakehouse.errors import SourceError
from lakehouse.ingest.sources import Chunk, FileSource
from lakehouse.schema import Column, TableSchema
from lakehouse.times import Interval, to_nanoseconds

UTC_TIMES = {"time": {"time_zone": "UTC"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two symbols, a file each."""
    place = tmp_path / "vendor"
    place.mkdir()
    (place / "IBM.csv").write_text("time,price\n2024-01-02,1.5\n2024-01-03,1.6\n")
    (place / "NA.csv").write_text("time,price\n2024-01-02,7\n")
    return place


def plan(folder: Path, schema: TableSchema, **options: object) -> tuple[Chunk, ...]:
    return FileSource(folder, {**UTC_TIMES, **options}).chunks(schema, None, Interval())


def test_each_file_is_a_chunk_with_its_symbol_and_size(folder: Path, ticks: TableSchema) -> None:
    chunks = plan(folder, ticks)
    assert [(chunk.files, chunk.symbol) for chunk in chunks] == [(("IBM.csv",), "IBM"), (("NA.csv",), "NA")]
    assert chunks[0].bytes == (folder / "IBM.csv").stat().st_size


def test_ids_survive_a_move_and_a_new_modification_time(
    folder: Path, ticks: TableSchema, tmp_path: Path
) -> None:
    before = plan(folder, ticks)
    moved = tmp_path / "elsewhere" / "deeper"
    shutil.copytree(folder, moved, copy_function=shutil.copyfile)
    assert plan(moved, ticks) == before


def test_an_id_changes_with_one_byte_of_input(folder: Path, ticks: TableSchema) -> None:
    before = plan(folder, ticks)
    (folder / "IBM.csv").write_text("time,price\n2024-01-02,1.5\n2024-01-03,1.7\n")
    after = plan(folder, ticks)
    assert after[0].id != before[0].id
    assert after[1].id == before[1].id


def test_an_id_changes_with_the_recipe(folder: Path, ticks: TableSchema) -> None:
    assert plan(folder, ticks)[0].id != plan(folder, ticks, divide={"price": 100})[0].id


def test_an_id_does_not_depend_on_the_other_symbols_asked_for(folder: Path, ticks: TableSchema) -> None:
    source = FileSource(folder, UTC_TIMES)
    alone = source.chunks(ticks, ["NA"], Interval())
    assert alone == source.chunks(ticks, ["NA", "IBM"], Interval())[1:]


def test_symbols_come_from_names_and_from_columns(folder: Path) -> None:
    (folder / "many.csv").write_text("time,ticker,price\n2024-01-02,BRK/B,1\n2024-01-02,日経225,2\n")
    assert FileSource(folder).symbols() == ("BRK/B", "IBM", "NA", "日経225")


def test_a_file_of_several_symbols_is_filtered_on_read(folder: Path, ticks: TableSchema) -> None:
    (folder / "many.csv").write_text("time,ticker,price\n2024-01-02,A,1\n2024-01-02,B,2\n2024-01-03,A,3\n")
    source = FileSource(folder / "many.csv", UTC_TIMES)
    (chunk,) = source.chunks(ticks, ["A"], Interval())
    assert source.read(chunk, ticks).column("price").to_pylist() == [1.0, 3.0]


def test_rows_outside_the_interval_are_not_read(folder: Path, ticks: TableSchema) -> None:
    source = FileSource(folder / "IBM.csv", UTC_TIMES)
    (chunk,) = source.chunks(ticks, None, Interval.of("2024-01-03", "2024-01-04"))
    assert source.read(chunk, ticks).column("price").to_pylist() == [1.6]


def test_rows_without_a_readable_time_are_in_every_interval(folder: Path, ticks: TableSchema) -> None:
    (folder / "IBM.csv").write_text("time,price\nyesterday,1.5\n2024-01-03,1.6\n")
    source = FileSource(folder / "IBM.csv", UTC_TIMES)
    (chunk,) = source.chunks(ticks, None, Interval.of("2030-01-01"))
    assert source.read(chunk, ticks).column("_raw_time").to_pylist() == ["yesterday"]


def test_a_day_in_the_name_bounds_the_chunk_in_the_zone_of_its_times(
    tmp_path: Path, ticks: TableSchema
) -> None:
    (tmp_path / "ibm").mkdir()
    (tmp_path / "ibm" / "20131007_trade.csv").write_text("14430270,1815200\n")
    recipe = {
        "files": "{symbol}/{date}_trade.csv",
        "columns": ["time", "price"],
        "time": {"format": "ms_since_midnight", "time_zone": "America/New_York"},
    }
    source = FileSource(tmp_path, recipe)
    (chunk,) = source.chunks(ticks, None, Interval())
    assert chunk.interval == Interval.of("2013-10-07T04:00:00", "2013-10-08T04:00:00")
    assert source.chunks(ticks, None, Interval.of("2013-10-07", "2014-01-01")) == (chunk,)
    assert source.chunks(ticks, None, Interval.of("2013-10-09")) == ()
    half = source.chunks(ticks, None, Interval.of("2013-10-07T12:00:00"))[0]
    assert half.interval.start == to_nanoseconds("2013-10-07T12:00:00")
    assert half.id != chunk.id


def test_a_file_that_changes_after_the_plan_is_refused(folder: Path, ticks: TableSchema) -> None:
    source = FileSource(folder, UTC_TIMES)
    chunk = source.chunks(ticks, None, Interval())[0]
    (folder / "IBM.csv").write_text("time,price\n2024-01-02,9\n")
    with pytest.raises(SourceError, match=r"IBM\.csv has changed since it was planned"):
        source.read(chunk, ticks)


def test_a_glob_and_a_template_select_files(folder: Path, ticks: TableSchema) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "GE.csv").write_text("time,price\n2024-01-02,3\n")
    assert FileSource(f"{folder}/*.csv", UTC_TIMES).symbols() == ("IBM", "NA")
    assert FileSource(f"{folder}/**/*.csv", UTC_TIMES).symbols() == ("GE", "IBM", "NA")
    assert FileSource(f"{folder}/deep/{{symbol}}.csv", UTC_TIMES).symbols() == ("GE",)
    assert FileSource(folder, UTC_TIMES).symbols() == ("GE", "IBM", "NA")


def test_other_files_of_a_folder_are_left_alone(folder: Path) -> None:
    (folder / "README.md").write_text("notes")
    (folder / ".IBM.csv.swp").write_text("x")
    assert FileSource(folder).symbols() == ("IBM", "NA")


def test_a_damaged_file_is_planned_and_fails_alone(folder: Path, ticks: TableSchema) -> None:
    (folder / "BAD.parquet").write_bytes(b"")
    source = FileSource(folder, UTC_TIMES)
    bad, good, _ = source.chunks(ticks, None, Interval())
    assert source.read(good, ticks).num_rows == 2
    with pytest.raises(SourceError, match=r"BAD.parquet is empty"):
        source.read(bad, ticks)


@pytest.mark.skipif(os.name == "nt", reason="a link to nothing needs a privilege on Windows")
def test_a_file_that_can_not_be_opened_fails_alone(folder: Path, ticks: TableSchema) -> None:
    (folder / "GONE.csv").symlink_to(folder / "nowhere.csv")
    source = FileSource(folder, UTC_TIMES)
    gone, good, _ = source.chunks(ticks, None, Interval())
    assert source.read(good, ticks).num_rows == 2
    with pytest.raises(SourceError, match=r"Can not open the source file GONE\.csv"):
        source.read(gone, ticks)


@pytest.mark.parametrize("path", ["nothing.csv", "nowhere/{symbol}.csv"])
def test_a_path_to_nothing_is_refused_at_once(tmp_path: Path, path: str) -> None:
    with pytest.raises(SourceError, match="no file, folder or template"):
        FileSource(tmp_path / path)


def test_a_folder_without_data_files_says_so(tmp_path: Path, ticks: TableSchema) -> None:
    with pytest.raises(SourceError, match="There are no data files in"):
        FileSource(tmp_path).chunks(ticks, None, Interval())


def test_a_table_without_symbols_has_none(folder: Path) -> None:
    schema = TableSchema(
        (Column("time", "timestamp[ns]", nullable=False), Column("price", "float64")), time="time"
    )
    source = FileSource(folder / "IBM.csv", UTC_TIMES)
    (chunk,) = source.chunks(schema, None, Interval())
    assert chunk.symbol is None
    assert source.read(chunk, schema).column_names == ["time", "price"]
