"""Full, read-only and failing disks, at any step of a write: an error of ours, and the lake as it was."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse.catalog.rule import Rule
from lakehouse.errors import NotFoundError, StorageError
from lakehouse.partitions import replay
from lakehouse.store import durable

NAME = "market_data.bars_1m"
KEY = ("symbol", "time")
LAYOUT = "date=month,symbol=row_groups"
RULES = (Rule("open_positive", "positive", ("open",), {}),)

Bars = Callable[..., pl.DataFrame]
Facts = dict[str, Any]
Write = Callable[[lakehouse.Lake, Bars], object]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of 2 MiB and 400 files."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root of a Linux can mount a small disk")
    options = ["-t", "tmpfs", "-o", "size=2m,nr_inodes=400", "tmpfs", str(folder)]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def fill_bytes(disk: Path, left: int) -> None:
    """Leave `left` pages."""
    gc.collect()  # lakes that were opened to look give back the space of their leases now, and not later
    found = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes((found.f_bavail - left) * found.f_frsize))


def fill_names(disk: Path, left: int) -> None:
    """Leave room for `left` names of files."""
    gc.collect()
    (disk / "ballast").mkdir()
    for number in range(os.statvfs(disk).f_favail - left):
        (disk / "ballast" / str(number)).touch()


def empty(disk: Path) -> None:
    shutil.rmtree(disk / "ballast") if (disk / "ballast").is_dir() else (disk / "ballast").unlink()


@pytest.fixture
def full(disk: Path, bars: Bars) -> lakehouse.Lake:
    """Give a lake on the small disk, with a product in version 2, a snapshot, and a lock beside it."""
    lake = lakehouse.open(disk / "lake", create=True)
    product = lake.create(NAME, like=bars(), key=KEY, layout=LAYOUT, rules=RULES)
    product.append(bars())
    product.append(bars(("AAPL",)))
    lake.snapshot("before")
    lake.lock(disk.parent / "lake.lock")
    bars(("C", "D"), first=19_740).write_parquet(disk.parent / "source.parquet")
    return lake


def facts_of(lake: lakehouse.Lake) -> Facts:
    """Read all that shows with fresh eyes."""
    fresh = lakehouse.open(lake.url)
    facts: Facts = {"snapshots": [snapshot.name for snapshot in fresh.snapshots()]}
    for name in fresh.products():
        product = fresh[name]
        rows = product.read().to_polars()
        facts[name] = (product.version, product.digest, rows.height, product.contract.version)
    assert fresh.verify().ok
    return facts


def mixed(bars: Bars) -> pl.DataFrame:
    """Make good and bad rows."""
    return pl.concat([bars(("X", "Y"), first=19_760), bars(("BAD",), price=-5.0)])


WRITES: dict[str, Write] = {
    "append": lambda lake, bars: lake[NAME].append(mixed(bars), idempotency_key="k"),
    "upsert": lambda lake, bars: lake[NAME].upsert(bars(price=50.0), idempotency_key="k"),
    "update": lambda lake, bars: lake[NAME].update(bars(("IBM",), price=60.0), idempotency_key="k"),
    "delete": lambda lake, bars: lake[NAME].delete("IBM", end="2024-01-03", idempotency_key="k"),
    "restore": lambda lake, bars: lake[NAME].restore(1, idempotency_key="k"),
    "create": lambda lake, bars: lake.create("signals.other", like=bars()),
    "snapshot": lambda lake, bars: lake.snapshot("after"),
    "compact": lambda lake, bars: lake.compact(NAME, dry_run=False),
    "retain": lambda lake, bars: lake.retain(NAME, before="2024-01-03", dry_run=False),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("fill", [fill_bytes, fill_names])
def test_a_disk_that_is_full_at_any_step_refuses_and_keeps_the_lake(
    disk: Path, full: lakehouse.Lake, bars: Bars, fill: Callable[[Path, int], None], write: str
) -> None:
    before, left = facts_of(full), 0
    while refused(disk, left, fill, lambda: WRITES[write](lakehouse.open(full.url), bars)):
        assert facts_of(full) == before
        left += 1
    assert left > 0
    assert facts_of(full) != before


def refused(disk: Path, left: int, fill: Callable[[Path, int], None], write: Callable[[], object]) -> bool:
    """Say whether a write is refused, with a hint, where the disk has so little left."""
    fill(disk, left)
    try:
        write()
    except StorageError as error:
        return "Free some disk space" in (error.hint or "") or pytest.fail(f"no hint: {error}")
    finally:
        empty(disk)
    return False


@pytest.mark.parametrize("fill", [fill_bytes, fill_names])
def test_a_backfill_onto_a_full_disk_reports_its_chunks_and_can_be_repeated(
    disk: Path, full: lakehouse.Lake, fill: Callable[[Path, int], None]
) -> None:
    before = facts_of(full)
    fill(disk, 1)
    report = full.backfill(NAME, disk.parent / "source.parquet")
    assert not report.ok
    assert "No space left on device" in report.failures[0].error
    assert facts_of(full) == before
    empty(disk)
    assert full.backfill(NAME, disk.parent / "source.parquet").accepted == 6


@pytest.mark.parametrize("fill", [fill_bytes, fill_names])
def test_an_export_onto_a_full_disk_makes_no_lake(
    disk: Path, full: lakehouse.Lake, fill: Callable[[Path, int], None]
) -> None:
    left = 0
    while refused(disk, left, fill, lambda: full.export(disk.parent / "lake.lock", disk / "export")):
        with pytest.raises(NotFoundError, match="There is no lake"):
            lakehouse.open(disk / "export")
        shutil.rmtree(disk / "export", ignore_errors=True)
        left += 1
    assert left > 5
    assert lakehouse.open(disk / "export").verify().ok


def test_a_checkpoint_that_does_not_fit_only_warns(
    disk: Path, full: lakehouse.Lake, bars: Bars, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its commit has landed before it: an error would make the writer repeat what is there."""
    monkeypatch.setattr(replay, "CHECKPOINT_EVERY", 1)
    product, warned = full[NAME], 0
    for left in range(40):
        version = product.version
        fill_bytes(disk, left)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                product.append(bars(("Z",), first=20_000 + 30 * left))
                assert product.version == version + 1
            except StorageError:
                assert product.version == version
        warned += sum("No checkpoint" in str(each.message) for each in caught)
        empty(disk)
    assert warned
    assert facts_of(full)[NAME][0] == product.version


def test_a_read_only_disk_reads_and_refuses_writes(disk: Path, full: lakehouse.Lake, bars: Bars) -> None:
    before = facts_of(full)
    files = sorted(disk.rglob("*"))
    remount(disk, "ro")
    try:
        assert facts_of(full) == before
        lake = lakehouse.open(full.url, create=True)
        assert lake.sql(f"select count(*) as n from {NAME}").to_polars().item() == 9
        assert lake.checkout("before").verify().ok
        assert lakehouse.checkout(disk.parent / "lake.lock").verify().ok
        assert len(lake[NAME].history()) == 3
        assert lake.export(disk.parent / "lake.lock", disk.parent / "small").verify().ok
        for name, write in WRITES.items():
            with pytest.raises(StorageError, match="Read-only file system") as caught:
                write(lake, bars)
            assert caught.value.hint == "The lake is on a read-only disk: open it for reading only.", name
        with pytest.raises(StorageError, match="Read-only file system"):
            lake.lock(disk.parent / "other.lock")
        assert not (disk.parent / "other.lock").exists()
        with pytest.raises(StorageError, match="Read-only file system"):
            lakehouse.open(disk / "new", create=True)
        assert facts_of(full) == before
    finally:
        remount(disk, "rw")
    assert sorted(disk.rglob("*")) == files


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("write", ["append", "upsert", "update", "delete", "restore"])
def test_a_disk_that_fails_at_any_step_leaves_all_or_nothing(
    lake: lakehouse.Lake, bars: Bars, monkeypatch: pytest.MonkeyPatch, write: str, number: int
) -> None:
    """Where only the sync of the new name fails, the name shows: the writer repeats by its key."""
    product = lake.create(NAME, like=bars(), key=KEY, layout=LAYOUT, rules=RULES)
    product.append(bars())
    product.append(bars(("AAPL",)))
    before, version = facts_of(lake), product.version
    for step in range(1, 40):
        writer = lakehouse.open(lake.url)
        held = writer[NAME].state(), writer[NAME].state(version=1)  # a lease that fails stops no reader
        with monkeypatch.context() as patch:
            reached = fail_at(patch, step, number)
            try:
                WRITES[write](writer, bars)
                break
            except StorageError:
                if reached != ["sync_folder"]:
                    assert facts_of(lake) == before
        if product.version != version:
            assert WRITES[write](lake, bars).repeated  # type: ignore[attr-defined]  # each returns a commit
            break
    assert step > 3
    assert [state.version for state in held] == [version, 1]
    assert product.version == version + 1
    assert lake.verify().ok


def fail_at(patch: pytest.MonkeyPatch, step: int, number: int) -> list[str]:
    """Make the disk fail at the `step`th of its steps, and say which it was."""
    passed: list[str] = []
    reached: list[str] = []

    def failing(name: str, original: Callable[..., None]) -> Callable[..., None]:
        def call(*paths: Path) -> None:
            passed.append(name)
            if len(passed) == step:
                reached.append(name)
                raise OSError(number, os.strerror(number))
            original(*paths)

        return call

    for name in ("make_folder", "sync", "link", "sync_folder"):
        patch.setattr(durable, name, failing(name, getattr(durable, name)))
    return reached
