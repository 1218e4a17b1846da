"""Hive-partitioned files: columns in the names of folders, typed by the contract."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from lakehouse.errors import SourceError
from lakehouse.ingest.sources.formats.hive import HiveSource
from lakehouse.schema import Column, TableSchema
from lakehouse.times import Interval

ROWS = [
    ("IBM", date(2024, 1, 2), 1, 161.5),
    ("BRK/B", date(2024, 1, 2), 2, 360.25),
    ("日経 225", date(2024, 1, 3), 3, None),
    ("A=B%C", date(2024, 1, 3), 3, -1.5),
]
SCHEMA = TableSchema(
    (
        Column("symbol", "string", nullable=False),
        Column("date", "date", nullable=False),
        Column("venue", "int16"),
        Column("price", "float64"),
    ),
    symbol="symbol",
    time="date",
)


def read_all(source: HiveSource, schema: TableSchema, symbols: list[str] | None = None) -> pl.DataFrame:
    chunks = source.chunks(schema, symbols, Interval())
    return pl.concat([pl.DataFrame(source.read(chunk, schema)) for chunk in chunks], how="diagonal")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The rows as DuckDB partitions them, by three columns."""
    frame = pl.DataFrame(ROWS, ["symbol", "date", "venue", "price"], orient="row")  # noqa: F841 - DuckDB reads it
    with duckdb.connect() as connection:
        connection.execute(
            f"copy frame to '{tmp_path}/rows' (format parquet, partition_by (symbol, date, venue))"
        )
    return tmp_path / "rows"


def test_folders_become_columns_of_the_contracts_types(folder: Path) -> None:
    frame = read_all(HiveSource(folder), SCHEMA)
    assert sorted(frame.rows()) == sorted(ROWS)
    assert dict(frame.schema)["venue"] == pl.Int16


def test_symbols_are_known_and_chosen_without_reading(folder: Path) -> None:
    source = HiveSource(folder)
    assert source.symbols() == tuple(sorted(row[0] for row in ROWS))
    (chunk,) = source.chunks(SCHEMA, ["BRK/B"], Interval())
    assert chunk.symbol == "BRK/B"
    assert read_all(source, SCHEMA, ["BRK/B"]).rows() == [ROWS[1]]


def test_folders_of_other_days_are_not_planned(folder: Path) -> None:
    chunks = HiveSource(folder).chunks(SCHEMA, None, Interval.of("2024-01-02", "2024-01-03"))
    assert sorted(chunk.symbol or "" for chunk in chunks) == ["BRK/B", "IBM"]
    assert HiveSource(folder).chunks(SCHEMA, None, Interval.of("2024-01-04")) == ()


def test_a_day_is_the_same_chunk_whatever_longer_interval_is_asked_for(folder: Path) -> None:
    plans = [
        HiveSource(folder).chunks(SCHEMA, ["IBM"], Interval.of("2024-01-01", end))
        for end in ("2024-01-03", "2024-02-01", None)
    ]
    assert plans[0] == plans[1] == plans[2]
    assert plans[0][0].interval == Interval.of("2024-01-02", "2024-01-03")


def test_symbols_may_stand_in_the_files(tmp_path: Path) -> None:
    (tmp_path / "date=2024-01-02").mkdir()
    (tmp_path / "date=2024-01-02" / "0.csv").write_text("symbol,price,venue\nA,1,7\nB,2,7\n")
    source = HiveSource(tmp_path)
    assert source.symbols() == ("A", "B")
    assert read_all(source, SCHEMA, ["B"]).rows() == [("B", date(2024, 1, 2), 7, 2.0)]


def test_an_id_does_not_depend_on_where_the_folder_lies(folder: Path, tmp_path: Path) -> None:
    before = HiveSource(folder).chunks(SCHEMA, None, Interval())
    folder.rename(tmp_path / "date=1999-01-01")
    assert HiveSource(tmp_path / "date=1999-01-01").chunks(SCHEMA, None, Interval()) == before


def test_the_default_partition_is_null(tmp_path: Path) -> None:
    place = tmp_path / "symbol=IBM" / "venue=__HIVE_DEFAULT_PARTITION__"
    place.mkdir(parents=True)
    (place / "0.csv").write_text("date,price\n2024-01-02,1.5\n")
    assert read_all(HiveSource(tmp_path), SCHEMA).rows() == [("IBM", date(2024, 1, 2), None, 1.5)]


def test_a_folder_that_does_not_fit_its_type_is_kept_as_text(tmp_path: Path) -> None:
    place = tmp_path / "symbol=IBM" / "venue=NYSE"
    place.mkdir(parents=True)
    (place / "0.csv").write_text("date,price\n2024-01-02,1.5\n")
    frame = read_all(HiveSource(tmp_path), SCHEMA)
    assert frame["venue"].to_list() == [None]
    assert frame["_raw_venue"].to_list() == ["NYSE"]


def test_a_folder_that_the_contract_does_not_know_is_passed_on_or_dropped(folder: Path) -> None:
    schema = TableSchema(tuple(SCHEMA[name] for name in ("symbol", "date", "price")), "symbol", "date")
    assert read_all(HiveSource(folder), schema).columns == ["symbol", "date", "price", "venue"]
    assert read_all(HiveSource(folder, {"drop": ["venue"]}), schema).columns == ["symbol", "date", "price"]


def test_a_column_in_file_and_folder_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "symbol=IBM" / "venue=1"
    place.mkdir(parents=True)
    (place / "0.csv").write_text("date,venue,price\n2024-01-02,2,1.5\n")
    source = HiveSource(tmp_path)
    (chunk,) = source.chunks(SCHEMA, None, Interval())
    with pytest.raises(SourceError, match=r"columns 'venue', 'venue' could each be 'venue'"):
        source.read(chunk, SCHEMA)


def test_a_file_that_contradicts_its_symbol_folder_is_refused(tmp_path: Path, ticks: Any) -> None:
    place = tmp_path / "ticker=IBM"
    place.mkdir(parents=True)
    (place / "0.csv").write_text("time,symbol,price\n2024-01-02T00:00Z,GE,1.5\n")
    source = HiveSource(tmp_path, {"drop": ["ticker"]})
    (chunk,) = source.chunks(ticks, None, Interval())
    with pytest.raises(SourceError, match="is 'IBM' by its name, but 1 rows are 'GE'"):
        source.read(chunk, ticks)


def test_a_contract_is_declared_from_files_with_types(folder: Path) -> None:
    contract = HiveSource(folder).contract()
    assert contract is not None
    assert contract.schema.symbol == "symbol"
    assert [(column.name, column.type) for column in contract.schema.columns] == [
        ("price", "float64"), ("symbol", "string"), ("date", "date"), ("venue", "int64")
    ]  # fmt: skip
