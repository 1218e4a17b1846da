"""Delta tables that deltalake itself wrote, read at a version."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import deltalake
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

import lakehouse
from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources.formats.delta import DeltaSource
from lakehouse.times import Interval


def rows(*symbols: str | None, day: date | None = date(2024, 1, 2), start: int = 0) -> pa.Table:
    """Return a price of each symbol at noon."""
    noon = [datetime(2024, 1, 2, 12, 0, 0, start + place, tzinfo=UTC) for place in range(len(symbols))]
    return pa.Table.from_arrays(
        [
            pa.array(symbols, pa.string()),
            pa.array([day] * len(symbols), pa.date32()),
            pa.array(noon, pa.timestamp("us", "UTC")),
            pa.array([float(place) for place in range(len(symbols))]),
        ],
        names=["symbol", "day", "time", "price"],
    )


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A partitioned table of three versions: two appends, and a deletion."""
    place = str(tmp_path / "table")
    deltalake.write_deltalake(place, rows("IBM", "BRK/B"), partition_by=["symbol", "day"])
    deltalake.write_deltalake(place, rows("IBM", "GE", start=9), mode="append")
    deltalake.DeltaTable(place).delete("symbol = 'GE'")
    return place


def read_all(source: DeltaSource) -> pl.DataFrame:
    contract = source.contract()
    assert contract is not None
    chunks = source.chunks(contract.schema, None, Interval())
    return pl.concat([pl.DataFrame(source.read(chunk, contract.schema)) for chunk in chunks])


@pytest.mark.parametrize("version", [0, 1, 2])
def test_each_version_reads_as_deltalake_reads_it(table: str, version: int) -> None:
    ours = read_all(DeltaSource(table, version=version))
    theirs = pl.DataFrame(deltalake.DeltaTable(table, version=version).to_pyarrow_table())
    wanted = theirs.with_columns(pl.col("time").dt.cast_time_unit("ns"))
    assert ours.select(wanted.columns).sort("time").equals(wanted.sort("time"))
    assert ours.schema["day"] == pl.Date


def test_the_newest_version_is_named_in_the_source(table: str) -> None:
    source = DeltaSource(table)
    assert source.version == 2
    assert source.name == f"{table}?version=2"
    assert source.symbols() == ("BRK/B", "IBM")
    assert DeltaSource(f"{table}?version=1").symbols() == ("BRK/B", "GE", "IBM")


def test_a_time_means_the_last_version_by_then(table: str) -> None:
    stamps = {entry["version"]: entry["timestamp"] for entry in deltalake.DeltaTable(table).history()}
    when = datetime.fromtimestamp(stamps[1] / 1000, UTC)
    assert DeltaSource(table, version=when).version == max(v for v in stamps if stamps[v] <= stamps[1])
    with pytest.raises(SourceError, match="has no version as old as 2001-01-01"):
        DeltaSource(table, version="2001-01-01")


def test_a_partition_of_null_is_null(tmp_path: Path) -> None:
    place = str(tmp_path / "table")
    deltalake.write_deltalake(place, rows("IBM", day=None), partition_by=["symbol", "day"])
    assert read_all(DeltaSource(place))["day"].to_list() == [None]


def test_an_older_file_lacks_a_column_that_was_added(table: str) -> None:
    wider = rows("IBM", start=20).append_column("size", pa.array([7]))
    deltalake.write_deltalake(table, wider, mode="append", schema_mode="merge")
    source = DeltaSource(table)
    schema = source.contract().schema  # of the table, whichever file comes first
    chunks = source.chunks(schema, None, Interval())
    sizes = [size for chunk in chunks for size in source.read(chunk, schema).column("size").to_pylist()]
    assert sorted(sizes, key=str) == [7, None, None, None]


@pytest.mark.parametrize("recipe", [None, {"constants": {"symbol": "IBM"}}])
def test_a_table_without_symbols_gets_one_from_the_recipe_alone(tmp_path: Path, recipe: Any) -> None:
    deltalake.write_deltalake(str(tmp_path / "table"), pa.table({"close": [1.5]}))
    source = DeltaSource(tmp_path / "table", recipe)
    lake = lakehouse.open(tmp_path / "lake", create=True)
    bars = lake.create("vendor.closes", like=source)
    assert lake.backfill("vendor.closes", source).accepted == 1
    assert bars.read().to_polars().rows() == [("IBM", 1.5) if recipe else (1.5,)]


def test_a_lake_loads_only_the_files_that_a_later_version_added(table: str, tmp_path: Path) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    lake.create("vendor.prices", like=lakehouse.sources.open(f"delta:{table}?version=0"))
    assert lake.backfill("vendor.prices", f"delta:{table}?version=0").accepted == 2
    second = lake.backfill("vendor.prices", f"delta:{table}?version=1")
    assert (second.skipped, second.accepted) == (2, 2)
    assert second.source == f"{table}?version=1"


def test_a_damaged_data_file_fails_alone(table: str) -> None:
    source = DeltaSource(table, version=0)
    contract: Any = source.contract()
    broken = Path(table, source.file_names()[0])
    broken.write_bytes(broken.read_bytes()[:-20])
    bad, good = source.chunks(contract.schema, None, Interval())
    assert source.read(good, contract.schema).num_rows == 1
    with pytest.raises(SourceError, match="truncated or damaged Parquet"):
        source.read(bad, contract.schema)


@pytest.mark.parametrize(
    ("version", "error", "message"),
    [
        (9, SourceError, "Can not read the Delta table"),
        (-1, ArgumentError, "Not a version: -1"),
        (10**30, ArgumentError, "Not a version: 10"),
        ("newest", ArgumentError, "Not a version: 'newest'"),
    ],
)
def test_an_impossible_version_is_refused(table: str, version: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        DeltaSource(table, version=version)


def test_a_folder_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Can not read the Delta table"):
        DeltaSource(tmp_path)


def test_times_that_spark_writes_without_a_zone_are_utc(tmp_path: Path) -> None:
    place = str(tmp_path / "table")
    deltalake.write_deltalake(place, rows("IBM"))
    (file,) = DeltaSource(place).file_names()
    parquet.write_table(rows("IBM"), f"{place}/{file}", use_deprecated_int96_timestamps=True)
    assert parquet.read_schema(f"{place}/{file}").field("time").type == pa.timestamp("ns")
    assert read_all(DeltaSource(place))["time"].to_list() == [datetime(2024, 1, 2, 12, tzinfo=UTC)]


def test_column_mapping_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "table"
    deltalake.write_deltalake(str(place), rows("IBM"))
    log = place / "_delta_log" / "00000000000000000000.json"
    text = log.read_text().replace(
        '"configuration":{}', '"configuration":{"delta.columnMapping.mode":"name"}'
    )
    log.write_text(text.replace('"minReaderVersion":1', '"minReaderVersion":2'))
    with pytest.raises(SourceError, match=r"(?i)column ?mapping"):
        DeltaSource(place)


def test_it_reads_a_table_of_a_lake_of_ours(tmp_path: Path) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    product = lake.create("market_data.prices", like=rows("IBM").drop_columns(["day"]))
    product.append(rows("IBM", "GE").drop_columns(["day"]))
    place = f"{tmp_path}/lake/partitions/market_data/prices/v1"
    source = DeltaSource(place, {"drop": ["date", "_sequence"]})
    schema = product.contract.schema
    frames = [pl.DataFrame(source.read(chunk, schema)) for chunk in source.chunks(schema, None, Interval())]
    assert pl.concat(frames).sort("symbol")["price"].to_list() == [1.0, 0.0]


def test_it_can_be_sent_to_another_process(table: str) -> None:
    source = DeltaSource(table, version=1)
    assert pickle.loads(pickle.dumps(source)).symbols() == source.symbols()
