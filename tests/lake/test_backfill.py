"""Backfill: each chunk exactly once, resumable, and one bad file stops no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import lakehouse
from lakehouse.errors import SourceError
from lakehouse.ingest.backfill import Progress
from lakehouse.ingest.backfill import batches as backfill_module

Bars = Callable[..., pl.DataFrame]


def files_of(lake: lakehouse.Lake) -> set[Path]:
    return {path for path in Path(lake.url).rglob("*") if path.is_file() and not path.name.endswith(".lock")}


@pytest.fixture
def folder(tmp_path: Path, bars: Bars) -> Path:
    """Give a folder with a Parquet file for each of five symbols."""
    made = tmp_path / "vendor"
    made.mkdir()
    for number in range(5):
        bars((f"S{number}",), days=4).write_parquet(made / f"S{number}.parquet")
    return made


@pytest.fixture
def empty(lake: lakehouse.Lake, bars: Bars) -> lakehouse.Product:
    """Give an empty product of bars."""
    return lake.create("market_data.bars_1m", like=bars(), key=("symbol", "time"))


def test_many_files_are_one_commit(lake: lakehouse.Lake, empty: lakehouse.Product, folder: Path) -> None:
    seen: list[Progress] = []
    report = lake.backfill("market_data.bars_1m", folder, progress=seen.append)
    assert (report.chunks, report.committed, report.rows_in, report.accepted) == (5, 5, 20, 20)
    assert report.ok
    assert report.versions == (1,)
    assert empty.rows == 20
    assert report.digest == empty.digest
    assert seen[-1].rows == 20
    assert seen[-1].bytes_done == seen[-1].bytes > 0


def test_a_repeated_run_writes_nothing(lake: lakehouse.Lake, empty: lakehouse.Product, folder: Path) -> None:
    lake.backfill("market_data.bars_1m", folder)
    before = files_of(lake)
    again = lake.backfill("market_data.bars_1m", folder)
    assert (again.committed, again.skipped, again.versions) == (0, 5, ())
    assert files_of(lake) == before


def test_an_interrupted_run_goes_on_with_the_missing_chunks(
    lake: lakehouse.Lake, empty: lakehouse.Product, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill_module, "ROWS_PER_COMMIT", 4)

    def stop(progress: Progress) -> None:
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lake.backfill("market_data.bars_1m", folder, progress=stop)
    assert empty.rows == 8
    rest = lake.backfill("market_data.bars_1m", folder)
    assert (rest.skipped, rest.committed, empty.rows) == (2, 3, 20)
    whole = lake.create("market_data.whole", like=empty.read().to_polars(), key=("symbol", "time"))
    lake.backfill("market_data.whole", folder)
    assert whole.digest == empty.digest


def test_a_poisoned_file_stops_no_other(lake: lakehouse.Lake, empty: lakehouse.Product, folder: Path) -> None:
    whole = (folder / "S2.parquet").read_bytes()
    (folder / "S2.parquet").write_bytes(whole[:-7])
    report = lake.backfill("market_data.bars_1m", folder)
    assert not report.ok
    assert report.committed == 4
    assert empty.rows == 16
    (failure,) = report.failures
    assert failure.files == ("S2.parquet",)
    assert "S2.parquet" in failure.error
    (folder / "S2.parquet").write_bytes(whole)
    healed = lake.backfill("market_data.bars_1m", folder)
    assert healed.ok
    assert healed.committed == 1
    assert empty.rows == 20


def test_a_chunk_that_conflicts_with_stored_rows_fails_alone(
    lake: lakehouse.Lake, empty: lakehouse.Product, folder: Path, bars: Bars
) -> None:
    empty.append(bars(("S3",), days=1, price=7.0))
    report = lake.backfill("market_data.bars_1m", folder)
    assert report.committed == 4
    assert len(report.failures) == 1
    assert "stored in market_data.bars_1m with other values" in report.failures[0].error


def test_symbols_and_interval_choose_the_rows(
    lake: lakehouse.Lake, empty: lakehouse.Product, folder: Path
) -> None:
    report = lake.backfill(
        "market_data.bars_1m", folder, symbols=["S1", "S4"], start="2024-01-02", end="2024-01-03"
    )
    assert report.accepted == empty.rows == 2


def test_a_wider_interval_never_doubles_rows_without_a_key(
    lake: lakehouse.Lake, folder: Path, bars: Bars
) -> None:
    ticks = lake.create("market_data.ticks", like=bars(), key=())
    lake.backfill("market_data.ticks", folder, end="2024-01-03")
    wider = lake.backfill("market_data.ticks", folder)
    assert ticks.rows == 5
    assert not wider.ok
    assert "for another interval or other symbols, and the product has no key" in wider.failures[0].error


def test_with_a_key_a_wider_interval_adds_what_is_missing(
    lake: lakehouse.Lake, empty: lakehouse.Product, folder: Path
) -> None:
    lake.backfill("market_data.bars_1m", folder, end="2024-01-03")
    wider = lake.backfill("market_data.bars_1m", folder)
    assert wider.ok
    assert (wider.accepted, wider.duplicates) == (15, 5)
    assert empty.rows == 20


def test_a_place_without_files_is_an_error(
    lake: lakehouse.Lake, empty: lakehouse.Product, tmp_path: Path
) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match="no"):
        lake.backfill("market_data.bars_1m", tmp_path / "none")


def test_more_symbols_of_the_same_file_never_double_rows_without_a_key(
    lake: lakehouse.Lake, bars: Bars, tmp_path: Path
) -> None:
    bars(("A", "B"), days=2).write_parquet(tmp_path / "all.parquet")
    ticks = lake.create("market_data.ticks", like=bars(), key=())
    lake.backfill("market_data.ticks", tmp_path / "all.parquet", symbols=["A"])
    wider = lake.backfill("market_data.ticks", tmp_path / "all.parquet")
    assert not wider.ok
    assert ticks.rows == 2
