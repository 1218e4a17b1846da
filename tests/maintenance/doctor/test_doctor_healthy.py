"""A healthy lake of any kind gives no finding."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl

import lakehouse
from lakehouse.errors import StorageError
from lakehouse.maintenance.doctor import Finding
from lakehouse.schema import Column
from lakehouse.store import LocalStore

Bars = Callable[..., pl.DataFrame]

ROOT = Path(__file__).parents[3]
BARS = "market_data.bars_1d"
_FEED = """
import sys
import polars as pl
import lakehouse
lake = lakehouse.open(sys.argv[1])
frame = pl.read_parquet(sys.argv[2])
print("ready", flush=True)
for round in range(40):
    lake["market_data.bars_1d"].upsert(frame.with_columns(close=pl.lit(float(round))))
    if round % 8 == 0:
        lake.gc(dry_run=False, grace="0s", history="0s")
"""


def test_a_fresh_lake_is_healthy(tmp_path: Path) -> None:
    found = lakehouse.open(tmp_path / "lake", create=True).doctor()
    assert found.ok
    assert not found.advice


def test_the_golden_lake_at_the_root_of_the_repository_is_healthy() -> None:
    found = lakehouse.open(ROOT).doctor()
    assert found.findings == ()
    assert found.files >= 9


def test_a_lake_with_history_snapshots_locks_and_refused_rows_is_healthy(lake: lakehouse.Lake) -> None:
    assert lake.doctor().findings == ()
    assert lake.doctor(quick=True).findings == ()


def test_a_lake_whose_old_versions_were_collected_is_healthy(lake: lakehouse.Lake) -> None:
    assert lake.gc(dry_run=False, grace="0s", history="0s").deleted_files > 0
    assert lake.doctor().findings == ()


def test_files_that_wait_for_the_end_of_their_grace_are_no_finding(lake: lakehouse.Lake) -> None:
    assert lake.gc(dry_run=False, grace="1h", history="0s").waiting_files > 0
    assert lake.doctor().findings == ()


def test_a_dropped_snapshot_whose_manifest_was_collected_is_no_finding(lake: lakehouse.Lake) -> None:
    from lakehouse.catalog.snapshots import drop_snapshot

    drop_snapshot(lake.store, "first", author="me", message="done")
    lake.gc(dry_run=False, grace="0s", history="0s")
    assert lake.doctor().findings == ()


def test_an_export_is_healthy(lake: lakehouse.Lake, tmp_path: Path) -> None:
    assert lake.export(tmp_path / "lake.lock", tmp_path / "export").doctor().findings == ()


def test_a_restored_version_is_healthy(lake: lakehouse.Lake) -> None:
    lake[BARS].restore(1)
    assert lake.doctor().findings == ()


def test_a_compacted_product_is_healthy_before_and_after_collection(lake: lakehouse.Lake, bars: Bars) -> None:
    for day in range(4):
        lake[BARS].append(bars(("MSFT",), 1, first=19_730 + day))
    assert lake.compact(BARS, dry_run=False).commits
    assert lake.doctor().findings == ()
    assert lake.gc(dry_run=False, grace="0s", history="0s").deleted_files > 0
    assert lake.doctor().findings == ()


def test_a_product_of_two_major_versions_is_healthy(lake: lakehouse.Lake, bars: Bars) -> None:
    contract = lake[BARS].contract
    columns = (*contract.schema.columns, Column("turnover", "float64"))
    lake.apply(replace(contract, version="1.1.0", schema=replace(contract.schema, columns=columns)))
    assert lake.doctor().findings == ()  # the contract is newer than the table
    lake[BARS].append(bars(("MSFT",)).with_columns(turnover=pl.lit(1.0)))
    kept = tuple(column for column in columns if column.name != "volume")
    lake.apply(replace(contract, version="2.0.0", schema=replace(contract.schema, columns=kept)))
    lake[BARS].append(bars(("MSFT",)).select("symbol", "time", "close", turnover=pl.lit(1.0)))
    assert lake.doctor().findings == ()
    assert lake.doctor().tables == 3


def test_open_readers_and_a_warm_writer_are_no_finding(lake: lakehouse.Lake, tmp_path: Path) -> None:
    past, old = lake.checkout("first"), lake[BARS].state(version=1)
    found = lakehouse.open(tmp_path / "lake").doctor()
    assert found.findings == ()
    assert past.products()
    assert old.rows


def test_what_living_writers_and_a_collector_do_meanwhile_is_no_finding(
    lake: lakehouse.Lake, bars: Bars, tmp_path: Path
) -> None:
    bars(("IBM",), 2).write_parquet(tmp_path / "frame.parquet")
    line = [sys.executable, "-c", _FEED, str(tmp_path / "lake"), str(tmp_path / "frame.parquet")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment) as feed:
        assert feed.stdout is not None
        feed.stdout.readline()
        looks: list[tuple[Finding, ...]] = []
        while feed.poll() is None:
            looks.append(lake.doctor(quick=len(looks) % 2 == 0).findings)
        assert feed.returncode == 0
    assert len(looks) > 2
    assert set(looks) == {()}


def test_a_lake_that_can_not_be_written_is_looked_at(lake: lakehouse.Lake, tmp_path: Path) -> None:
    assert lakehouse.Lake(_ReadOnly(tmp_path / "lake")).doctor().findings == ()


def test_a_look_changes_nothing(lake: lakehouse.Lake, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "lake", tmp_path / "copy")
    copy = lakehouse.open(tmp_path / "copy")
    before = _everything(tmp_path / "copy")
    copy.doctor()
    assert _everything(tmp_path / "copy") == before


def test_an_empty_folder_is_no_finding(lake: lakehouse.Lake, tmp_path: Path) -> None:
    (tmp_path / "lake" / "partitions" / "market_data" / "nothing" / "v1").mkdir(parents=True)
    assert lake.doctor().findings == ()


def test_advice_is_no_damage(lake: lakehouse.Lake, bars: Bars) -> None:
    layout = "date=year,symbol=row_groups"
    prints = lake.create("market_data.prints", like=bars(), key=(), layout=layout)
    for day in range(9):
        prints.append(bars(("MSFT",), 2, first=19_900 - day))
    lake.create("loose.bars", like=bars())
    found = lake.doctor(quick=True)
    assert found.ok
    assert {"small-files", "late-rows", "domain-undeclared"} == {each.kind for each in found.advice}
    assert "lake compact market_data.prints --apply" in repr(found)


class _ReadOnly(LocalStore):
    """A disk that refuses every change, for root too."""

    @contextmanager
    def stage(self, path: str, *, durable: bool = True) -> Iterator[Path]:
        yield _refuse()

    def delete(self, path: str) -> None:
        _refuse()

    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        _refuse()
        yield


def _refuse() -> Path:
    raise StorageError("The disk is read-only.")


def _everything(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
