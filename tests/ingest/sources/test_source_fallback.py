"""Chains of sources: what the first lacks comes from the second, and nothing else does."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

import lakehouse
from lakehouse.catalog.contract import Contract
from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources import FileSource
from lakehouse.ingest.sources.databases import DatabaseSource
from lakehouse.ingest.sources.fallback import FallbackSource
from lakehouse.names import ProductName
from lakehouse.schema import Column, TableSchema
from lakehouse.times import Interval

PRICES = ("open", "high", "low", "close", "volume")


def schema(*, source: bool = True, key: bool = True) -> TableSchema:
    columns = [Column("symbol", "string", nullable=False), Column("time", "timestamp[ns]", nullable=False)]
    columns += [Column(name, "float64") for name in PRICES]
    columns += [Column("source", "string")] if source else []
    return TableSchema(tuple(columns), "symbol", "time", ("symbol", "time") if key else ())


@pytest.fixture
def minutes(shared_data: Callable[[str], Path]) -> pl.DataFrame:
    """Real minute candles of ten days, with the gaps that they have."""
    frame = pl.read_ipc(shared_data("freqtrade/UNITTEST_BTC-1m.feather"))
    return frame.rename({"date": "time"}).with_columns(
        pl.lit("BTC").alias("symbol"), *(pl.col(name).cast(pl.Float64) for name in PRICES)
    )


def put(frame: pl.DataFrame, folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    frame.write_parquet(folder / f"{name}.parquet")
    return folder


def rows(source: Any, like: TableSchema, *span: str) -> pl.DataFrame:
    chunks = source.chunks(like, None, Interval.of(*span))
    return pl.concat([pl.DataFrame(source.read(chunk, like)) for chunk in chunks], how="diagonal").sort(
        "symbol", "time"
    )


def test_days_and_symbols_that_the_first_lacks_come_from_the_second(
    minutes: pl.DataFrame, tmp_path: Path
) -> None:
    absent = pl.col("time").dt.date().cast(pl.String).is_in(["2017-11-08", "2017-11-10"])
    first = put(minutes.filter(~absent), tmp_path / "first", "BTC")
    other = minutes.with_columns(pl.col("close") + 1)
    put(other, tmp_path / "second", "BTC")
    second = put(other.with_columns(pl.lit("ETH").alias("symbol")), tmp_path / "second", "ETH")
    found = rows(FallbackSource([FileSource(first), FileSource(second)]), schema())
    bitcoin, ether = (found.filter(pl.col("symbol") == symbol) for symbol in ("BTC", "ETH"))
    expected = minutes.with_columns(
        pl.when(absent).then(pl.col("close") + 1).otherwise("close"),
        pl.when(absent).then(pl.lit(str(second))).otherwise(pl.lit(str(first))).alias("source"),
    )
    assert bitcoin.select("close", "source").equals(expected.select("close", "source"))
    assert ether.select(PRICES).equals(other.select(PRICES))
    assert set(ether["source"]) == {str(second)}


def test_a_cell_of_one_bar_fills_single_bars(minutes: pl.DataFrame, tmp_path: Path) -> None:
    first = put(minutes[::3], tmp_path / "first", "BTC")
    second = put(minutes.with_columns(pl.col("close") + 1), tmp_path / "second", "BTC")
    found = rows(FallbackSource([FileSource(first), FileSource(second)], cell="1min"), schema())
    expected = minutes["close"] + pl.Series([0.0, 1.0, 1.0] * len(minutes))[: len(minutes)]
    assert found["close"].to_list() == expected.to_list()
    assert (
        rows(FallbackSource([FileSource(first), FileSource(second)]), schema())["close"].to_list()
        == minutes[::3]["close"].to_list()
    )


def test_a_file_that_is_damaged_is_filled_only_where_others_have_rows(
    minutes: pl.DataFrame, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    first.mkdir()
    for symbol in ("BTC", "ETH"):
        (first / f"{symbol}.parquet").write_bytes(b"PAR1 and nothing more")
    second = put(minutes, tmp_path / "second", "BTC")
    chain = FallbackSource([FileSource(f"{folder}/{{symbol}}.parquet") for folder in (first, second)])
    lake = lakehouse.open(tmp_path / "lake", create=True)
    lake.create(Contract(ProductName("crypto", "bars"), "1.0.0", schema()))
    report = lake.backfill("crypto.bars", chain)
    assert report.accepted == len(minutes)
    assert [failure.files for failure in report.failures] == [("ETH.parquet",)]
    assert "truncated or damaged" in report.failures[0].error
    told = lake["crypto.bars"].read(columns=["source"]).to_polars()["source"]
    assert set(told) == {f"{second}/{{symbol}}.parquet"}
    assert lake["crypto.bars"].history()[0].source == chain.name


def test_a_database_stands_in_for_files(minutes: pl.DataFrame, tmp_path: Path) -> None:
    first = put(minutes.filter(pl.col("time").dt.day() != 9), tmp_path / "first", "BTC")
    with duckdb.connect(str(tmp_path / "desk.duckdb")) as base:
        base.register("frame", minutes)
        base.execute("create table bars as select * from frame")
    database = DatabaseSource(f"duckdb:{tmp_path}/desk.duckdb", table="bars", time="time")
    found = rows(FallbackSource([FileSource(first), database]), schema())
    assert found["close"].to_list() == minutes["close"].to_list()
    assert set(found.filter(pl.col("source") == database.name)["time"].dt.day()) == {9}


def test_a_damaged_file_of_no_known_symbol_is_not_filled(minutes: pl.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "BTC.parquet").write_bytes(b"PAR1 and nothing more")
    second = put(minutes, tmp_path / "second", "BTC")
    with pytest.raises(SourceError, match=r"(?s)truncated or damaged.*'\{symbol\}"):
        rows(FallbackSource([FileSource(tmp_path / "first"), FileSource(second)]), schema())


def test_a_chain_is_loaded_once_and_travels_to_other_processes(minutes: pl.DataFrame, tmp_path: Path) -> None:
    first = put(minutes[:5000], tmp_path / "first", "BTC")
    second = put(minutes, tmp_path / "second", "BTC")
    chain = FallbackSource([FileSource(first), FileSource(second)])
    like = schema(source=False)
    (chunk,) = chain.chunks(like, ["BTC"], Interval())
    assert (
        pickle.loads(pickle.dumps(chain))
        .read(pickle.loads(pickle.dumps(chunk)), like)
        .equals(chain.read(chunk, like))
    )
    lake = lakehouse.open(tmp_path / "lake", create=True)
    lake.create(Contract(ProductName("crypto", "bars"), "1.0.0", like))
    assert lake.backfill("crypto.bars", chain).committed == 1
    assert lake.backfill("crypto.bars", chain).skipped == 1


def test_days_in_files_of_their_own_stay_chunks_of_their_own(minutes: pl.DataFrame, tmp_path: Path) -> None:
    recipe = {"files": "{symbol}/{date}.csv", "time": {"format": "ms_since_midnight", "time_zone": "UTC"}}
    for place, name in enumerate(("first", "second")):
        for number in range(3):
            if (place, number) != (0, 1):
                path = tmp_path / name / "BTC" / f"2024010{number + 1}.csv"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"time,close\n1000,{place}.5\n")
    chain = FallbackSource([FileSource(tmp_path / name, recipe) for name in ("first", "second")])
    like = TableSchema(
        (
            Column("symbol", "string", False),
            Column("time", "timestamp[ns]", False),
            Column("close", "float64"),
        ),
        "symbol",
        "time",
    )
    assert [len(chunk.files) for chunk in chain.chunks(like, None, Interval())] == [2, 1, 2]
    assert rows(chain, like)["close"].to_list() == [0.5, 1.5, 0.5]


def test_a_source_that_can_not_be_listed_is_passed_over_only_with_a_key(
    minutes: pl.DataFrame, tmp_path: Path
) -> None:
    first = put(minutes, tmp_path / "first", "BTC")
    gone = FileSource(first)
    second = put(minutes, tmp_path / "second", "BTC")
    (first / "BTC.parquet").unlink()
    chain = FallbackSource([gone, FileSource(second)])
    assert chain.symbols() == ("BTC",)
    assert rows(chain, schema()).height == len(minutes)
    with pytest.raises(SourceError, match="no data files"):
        chain.chunks(schema(key=False), None, Interval())


def test_a_finer_cell_is_another_chunk_and_fills_what_the_coarser_one_left(
    minutes: pl.DataFrame, tmp_path: Path
) -> None:
    """A ledger that took it for the same chunk would skip it."""
    first = put(minutes.head(100), tmp_path / "first", "BTC")
    second = put(minutes.head(110), tmp_path / "second", "BTC")
    lake = lakehouse.open(tmp_path / "lake", create=True)
    lake.create(Contract(ProductName("crypto", "bars"), "1.0.0", schema()))
    chain = [FileSource(first), FileSource(second)]
    assert lake.backfill("crypto.bars", FallbackSource(chain)).accepted == 100
    found = lake.backfill("crypto.bars", FallbackSource(chain, cell="1min"))
    assert (found.accepted, found.duplicates) == (10, 100)


def test_a_chain_of_one_and_an_odd_cell_are_refused(tmp_path: Path, minutes: pl.DataFrame) -> None:
    source = FileSource(put(minutes, tmp_path / "first", "BTC"))
    with pytest.raises(ArgumentError, match="at least two"):
        FallbackSource([source])
    with pytest.raises(ArgumentError, match="no whole number of microseconds"):
        FallbackSource([source, source], cell="1ns")
    with pytest.raises(ArgumentError, match="not planned by a chain"):
        FallbackSource([source, source]).read(source.chunks(schema(), None, Interval())[0], schema())
