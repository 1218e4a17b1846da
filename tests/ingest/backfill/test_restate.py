"""A range is computed again: exactly its rows change, in one commit, and the old version stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

import lakehouse
from lakehouse.errors import SourceError
from lakehouse.ingest.sources.base import Chunk
from lakehouse.schema import TableSchema
from lakehouse.times import Interval

NAME = "market_data.bars_1d"
Vendor = Callable[..., Path]


def correct(file: Path) -> None:
    """Add 1000 to every close of a file, and drop its last row."""
    pl.read_parquet(file).with_columns(pl.col("close") + 1000).head(-1).write_parquet(file)


def test_exactly_the_range_is_replaced(lake: lakehouse.Lake, vendor: Vendor) -> None:
    folder = vendor(3, days=4)
    lake.backfill(NAME, folder)
    before = lake[NAME].read().to_polars()
    for number in (0, 1):
        correct(folder / f"S00{number}.parquet")
    commit = lake.restate(NAME, folder, "2024-01-04", "2024-01-06", ["S001"], message="corrected")
    assert (commit.operation, commit.removed, commit.accepted) == ("restate", 2, 1)
    after = lake[NAME].read().to_polars()
    changed = after.join(before, on=after.columns, how="anti")
    assert changed.select("symbol", pl.col("time").dt.date().cast(pl.String)).rows() == [
        ("S001", "2024-01-04")
    ]
    assert changed["close"][0] > 1000
    assert after.height == before.height - 1
    assert lake[NAME].read(version=commit.version - 1).to_polars().equals(before)


def test_a_restated_chunk_is_in_the_ledger(lake: lakehouse.Lake, vendor: Vendor) -> None:
    folder = vendor(1)
    lake.backfill(NAME, folder)
    correct(folder / "S000.parquet")
    lake.restate(NAME, folder)
    again = lake.backfill(NAME, folder)
    assert (again.skipped, again.committed, again.rows) == (1, 0, 3)
    assert lake.restate(NAME, folder).removed == 3  # and it can be restated once more


def test_a_chunk_that_can_not_be_read_changes_nothing(lake: lakehouse.Lake, vendor: Vendor) -> None:
    folder = vendor(2)
    lake.backfill(NAME, folder)
    version = lake[NAME].version
    correct(folder / "S000.parquet")
    (folder / "S001.parquet").write_bytes(b"damaged")
    with pytest.raises(SourceError, match=r"S001\.parquet"):
        lake.restate(NAME, folder)
    assert lake[NAME].version == version


def test_a_range_without_a_row_in_the_source_is_not_taken_out(lake: lakehouse.Lake, vendor: Vendor) -> None:
    folder = vendor(1)
    lake.backfill(NAME, folder)
    with pytest.raises(SourceError, match="no row in the range; nothing was replaced"):
        lake.restate(NAME, folder, "2030-01-01")


class Careless(lakehouse.FileSource):
    """Asks for all rows of a file, whatever interval it is asked for."""

    def chunks(
        self, schema: TableSchema, symbols: Sequence[str] | None, interval: Interval
    ) -> tuple[Chunk, ...]:
        return super().chunks(schema, symbols, Interval())


def test_rows_beyond_the_range_are_refused(lake: lakehouse.Lake, vendor: Vendor) -> None:
    """They would stand beside the rows that stay, two of one key."""
    folder = vendor(2)
    lake.backfill(NAME, folder)
    before = lake[NAME].digest
    with pytest.raises(SourceError, match="gave 4 rows outside the range"):
        lake.restate(NAME, Careless(folder), "2024-01-03", "2024-01-05")
    assert lake[NAME].digest == before


def test_what_was_restated_without_a_key_is_not_doubled_by_a_part_of_it(
    lake: lakehouse.Lake, vendor: Vendor
) -> None:
    name, folder = "market_data.no_key", vendor(1)
    lake.create(name, like=lakehouse.FileSource(folder))
    lake.restate(name, folder)
    report = lake.backfill(name, folder, end="2024-01-04")
    assert (report.rows, len(report.failures)) == (4, 1)
    assert "the product has no key: rows would double" in report.failures[0].error
