"""Threads, processes and a Dask cluster load the same product; the rows of many symbols share files."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse.errors import ArgumentError, LakehouseError
from lakehouse.ingest.backfill import batches

NAME = "market_data.bars_1d"
Vendor = Callable[..., Path]
Serial = Callable[[Path], str]


def staged(lake: lakehouse.Lake) -> list[str]:
    return [entry.path for entry in lake.store.list("partitions") if "_staging" in entry.path]


def test_processes_load_what_one_thread_loads(lake: lakehouse.Lake, vendor: Vendor, serial: Serial) -> None:
    folder = vendor(12)
    report = lake.backfill(NAME, folder, executor="processes", workers=2)
    assert (report.committed, report.accepted, report.versions) == (12, 48, (1,))
    assert report.digest == serial(folder)
    assert staged(lake) == []
    assert lake.doctor().findings == ()


def test_a_thread_pool_of_the_caller_stages_nothing(lake: lakehouse.Lake, vendor: Vendor) -> None:
    seen: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        report = lake.backfill(NAME, vendor(3), executor=pool, progress=lambda _: seen.extend(staged(lake)))
    assert (report.accepted, seen) == (12, [])


def test_bad_rows_come_back_from_processes_too(lake: lakehouse.Lake, vendor: Vendor) -> None:
    folder = vendor(3)
    frame = pl.read_parquet(folder / "S001.parquet")
    frame.with_columns(symbol=pl.lit(None, pl.String)).write_parquet(folder / "S001.parquet")
    (folder / "S002.parquet").write_bytes(b"no Parquet")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        report = lake.backfill(NAME, folder, executor=pool)
    assert (report.rows_in, report.accepted, report.quarantined) == (8, 4, 4)
    assert report.rules == {"not_null:symbol": 4}
    (failure,) = report.failures
    assert failure.files == ("S002.parquet",)
    assert lake[NAME].quarantine.read().num_rows == 4


@pytest.mark.parametrize(("date", "most"), [("day", 60), ("month", 3)])
def test_many_symbols_share_few_files(lake: lakehouse.Lake, vendor: Vendor, date: str, most: int) -> None:
    name, folder = f"market_data.by_{date}", vendor(500, days=60)
    like = pl.read_parquet(folder / "S000.parquet")
    lake.create(name, like=like, key=("symbol", "time"), layout=f"date={date},symbol=row_groups")
    report = lake.backfill(name, folder)
    files = lake[name].state().files
    assert report.accepted == 30_000
    assert len(files) <= most
    for file in files[:3]:
        rows = pl.read_parquet(lake.store.local_path(file.path), hive_partitioning=False)
        assert rows.equals(rows.sort("symbol", "time"))


def test_repeated_rows_of_several_chunks_are_one_commit(lake: lakehouse.Lake, vendor: Vendor) -> None:
    folder = vendor(4)
    for number in range(3):
        pl.read_parquet(folder / "S001.parquet").write_parquet(folder / f"again{number}.parquet")
    report = lake.backfill(NAME, folder)
    assert (report.rows_in, report.accepted, report.duplicates) == (28, 16, 12)
    assert len(report.versions) == 1


def test_one_conflicting_chunk_costs_few_commits(lake: lakehouse.Lake, vendor: Vendor) -> None:
    folder = vendor(64)
    other = pl.read_parquet(folder / "S010.parquet").with_columns(pl.col("close") + 1)
    other.write_parquet(folder / "T.parquet")
    report = lake.backfill(NAME, folder)
    assert (report.committed, len(report.failures)) == (64, 1)
    assert report.failures[0].files == ("T.parquet",)
    assert len(report.versions) <= 8  # halves, and halves of halves


def test_commits_end_at_slices_and_at_rows(
    lake: lakehouse.Lake, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = vendor(8)
    size = (folder / "S000.parquet").stat().st_size
    assert len(lake.backfill(NAME, folder, commit_bytes=2 * size - size // 2).versions) == 4
    lake.create("market_data.other", like=lake[NAME].read().to_polars(), key=("symbol", "time"))
    monkeypatch.setattr(batches, "ROWS_PER_COMMIT", 8)
    assert len(lake.backfill("market_data.other", folder).versions) == 4


def test_an_unknown_executor_is_refused(lake: lakehouse.Lake, vendor: Vendor) -> None:
    with pytest.raises(ArgumentError, match="There is no executor 'fibres'"):
        lake.backfill(NAME, vendor(1), executor="fibres")  # type: ignore[arg-type]


def test_an_executor_that_forks_is_refused(lake: lakehouse.Lake, vendor: Vendor) -> None:
    """Its processes would wait for ever for locks that threads of their parent held."""
    folder = vendor(1)
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        with pytest.raises(ArgumentError, match="forks its processes"):
            lake.backfill(NAME, folder, executor=pool)
        with pytest.raises(ArgumentError, match="forks its processes"):
            lake.restate(NAME, folder, executor=pool)


class Lossy(Executor):
    """Loses the tasks of some files with an error of its own, as a cluster does whose worker dies."""

    def __init__(self, *lost: str) -> None:
        self.lost = lost

    def submit(self, task: Any, chunk: Any, /) -> Future[Any]:  # type: ignore[override]
        done = Future[Any]()
        if chunk.files[0] in self.lost:
            done.set_exception(EOFError("the worker is gone"))
        else:
            done.set_result(task(chunk))
        return done


def test_what_an_executor_loses_stops_no_other_chunk(lake: lakehouse.Lake, vendor: Vendor) -> None:
    folder = vendor(5)
    report = lake.backfill(NAME, folder, executor=Lossy("S001.parquet", "S002.parquet"))
    assert [failure.error for failure in report.failures] == [
        "The executor failed with EOFError: the worker is gone"
    ] * 2
    assert (report.committed, staged(lake)) == (3, [])
    assert lake.backfill(NAME, folder).committed == 2


def test_an_executor_that_can_do_nothing_ends_the_run(lake: lakehouse.Lake, vendor: Vendor) -> None:
    folder = vendor(5)
    with pytest.raises(LakehouseError, match="The executor failed with EOFError"):
        lake.backfill(NAME, folder, executor=Lossy(*(file.name for file in folder.iterdir())))


def test_no_workers_at_all_are_refused(lake: lakehouse.Lake, vendor: Vendor) -> None:
    with pytest.raises(ArgumentError, match="workers must be above 0, got 0"):
        lake.backfill(NAME, vendor(1), workers=0)
