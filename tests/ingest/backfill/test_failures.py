"""What can not be loaded stops nothing else, and its error is kept, once, until it is loaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lakehouse
from lakehouse.errors import ArgumentError, LakehouseError, SourceError
from lakehouse.ingest.backfill import Policy
from lakehouse.ingest.sources.base import Chunk
from lakehouse.schema import TableSchema
from lakehouse.times import Interval

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "market_data.bars_1d"
Vendor = Callable[..., Path]


class Flaky(lakehouse.Source):
    """Files of which some fail for a moment, or with an error of somebody else."""

    def __init__(
        self, folder: Path, *, broken: Sequence[str] = (), moments: int = 0, deadly: bool = False
    ) -> None:
        self._files, self.deadly = lakehouse.FileSource(folder), deadly
        self.name, self.broken, self.moments, self.asked = "flaky", set(broken), moments, list[str]()

    def symbols(self) -> tuple[str, ...]:
        return self._files.symbols()

    def chunks(
        self, schema: TableSchema, symbols: Sequence[str] | None, interval: Interval
    ) -> tuple[Chunk, ...]:
        return self._files.chunks(schema, symbols, interval)

    def read(self, chunk: Chunk, schema: TableSchema) -> pa.Table:
        self.asked.append(chunk.files[0])
        if self.moments:
            self.moments -= 1
            raise SourceError("busy", temporary=True)
        if chunk.files[0] in self.broken:
            if self.deadly:
                os._exit(3)
            raise ZeroDivisionError("somebody's bug")
        return self._files.read(chunk, schema)


def documents(lake: lakehouse.Lake) -> list[str]:
    return [entry.path for entry in lake.store.list("catalog/backfills")]


def test_only_failed_chunks_are_tried_again(lake: lakehouse.Lake, vendor: Vendor) -> None:
    source = Flaky(vendor(5), broken=["S001.parquet", "S003.parquet"])
    report = lake.backfill(NAME, source)
    assert (report.committed, len(report.failures)) == (3, 2)
    assert "flaky failed with ZeroDivisionError: somebody's bug" in report.failures[0].error
    (status,) = lake.backfills()
    assert (status.done, status.failed, status.id) == (3, 2, report.id)
    assert status.failures == report.failures
    source.broken, source.asked = {"S003.parquet"}, []
    kept = documents(lake)
    again = lake.backfill(NAME, source)
    assert sorted(source.asked) == ["S001.parquet", "S003.parquet"]
    assert (again.committed, again.skipped, len(again.failures)) == (1, 3, 1)
    assert documents(lake) == kept  # the same error is kept once
    source.broken = set()
    assert lake.backfill(NAME, source, only="failed").committed == 1
    (status,) = lake.backfills(NAME)
    assert (status.ok, status.failures) == (True, ())
    assert lake.doctor().findings == ()


def test_a_chunk_that_kills_its_process_stops_no_other(lake: lakehouse.Lake, vendor: Vendor) -> None:
    source = Flaky(vendor(4), broken=["S001.parquet"], deadly=True)
    report = lake.backfill(NAME, source, executor="processes", workers=1)
    assert (report.committed, report.accepted) == (3, 12)
    (failure,) = report.failures
    assert "The process that read S001.parquet died" in failure.error
    assert [entry for entry in lake.store.list("partitions") if "_staging" in entry.path] == []


def test_where_every_process_dies_the_run_ends(lake: lakehouse.Lake, vendor: Vendor) -> None:
    names = [f"S00{number}.parquet" for number in range(4)]
    source = Flaky(vendor(4), broken=names, deadly=True)
    with pytest.raises(LakehouseError, match="The processes of 3 chunks in a row died"):
        lake.backfill(NAME, source, executor="processes", workers=1)


def test_a_plan_of_one_chunk_leaves_no_document(lake: lakehouse.Lake, vendor: Vendor) -> None:
    report = lake.backfill(NAME, Flaky(vendor(1), broken=["S000.parquet"]))
    assert len(report.failures) == 1
    assert documents(lake) == []


def test_what_did_not_fail_is_left_alone_where_only_failures_are_asked_for(
    lake: lakehouse.Lake, vendor: Vendor
) -> None:
    folder = vendor(3)
    report = lake.backfill(NAME, folder, only="failed")
    assert (report.ok, report.committed, report.skipped, report.pending) == (False, 0, 0, 3)
    assert lake[NAME].rows == 0
    lake.backfill(NAME, folder)
    report = lake.backfill(NAME, folder, only="failed")
    assert (report.ok, report.skipped, report.pending) == (True, 3, 0)


def test_the_only_chunk_that_failed_is_tried_again(lake: lakehouse.Lake, vendor: Vendor) -> None:
    """A plan of one chunk keeps no document that tells that it failed."""
    source = Flaky(vendor(1), broken=["S000.parquet"])
    assert not lake.backfill(NAME, source).ok
    source.broken = set()
    assert lake.backfill(NAME, source, only="failed").committed == 1


def test_a_policy_asks_again(lake: lakehouse.Lake, vendor: Vendor) -> None:
    source = Flaky(vendor(2), moments=2)
    report = lake.backfill(NAME, source, policy=Policy(attempts=3), workers=1)
    assert (report.ok, report.committed, len(source.asked)) == (True, 2, 4)


def test_a_wrong_choice_is_refused(lake: lakehouse.Lake, vendor: Vendor) -> None:
    folder = vendor(1)
    with pytest.raises(ArgumentError, match="only must be 'pending' or 'failed'"):
        lake.backfill(NAME, folder, only="all")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="must be above 0"):
        lake.plan_backfill(NAME, folder, commit_bytes=0)


class Sloppy(Flaky):
    """Plans every chunk twice, and gives nothing for the first one."""

    def chunks(
        self, schema: TableSchema, symbols: Sequence[str] | None, interval: Interval
    ) -> tuple[Chunk, ...]:
        return 2 * super().chunks(schema, symbols, interval)

    def read(self, chunk: Chunk, schema: TableSchema) -> pa.Table:
        rows = super().read(chunk, schema)
        return None if chunk.files == ("S000.parquet",) else rows


def test_a_source_that_gives_no_table_stops_no_other_chunk(lake: lakehouse.Lake, vendor: Vendor) -> None:
    report = lake.backfill(NAME, Sloppy(vendor(3)))
    assert [failure.error for failure in report.failures] == ["flaky gave a NoneType, not a pyarrow.Table."]
    assert report.committed == 2


def test_two_chunks_of_one_id_are_loaded_once(lake: lakehouse.Lake, vendor: Vendor) -> None:
    """Without a key, no other look would tell their rows apart."""
    folder = vendor(3)
    lake.create("market_data.no_key", like=lakehouse.FileSource(folder))
    report = lake.backfill("market_data.no_key", Sloppy(folder))
    assert (report.chunks, report.rows_in, report.rows) == (3, 8, 8)


def test_one_symbol_may_be_named_without_a_list(lake: lakehouse.Lake, vendor: Vendor) -> None:
    folder = vendor(3)
    report = lake.backfill(NAME, folder, symbols="S001")
    assert (report.accepted, report.rows) == (4, 4)
    assert lake.restate(NAME, folder, symbols="S001").removed == 4


def test_a_source_that_can_not_travel_is_refused(lake: lakehouse.Lake, vendor: Vendor) -> None:
    class Here(Flaky):
        """A source that no other process can import."""

    with pytest.raises(ArgumentError, match="flaky can not be sent to another process"):
        lake.backfill(NAME, Here(vendor(2)), executor="processes")
    assert documents(lake) == []
