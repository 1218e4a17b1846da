"""Collectors that are killed, that stand still, and that work at once: what is held stays, garbage goes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

import lakehouse
from lakehouse.catalog.condemned import list_condemned, publish_condemned
from lakehouse.catalog.session import session_of
from lakehouse.errors import IntegrityError, NotFoundError, StorageError
from lakehouse.maintenance import gc
from lakehouse.store import Store

NAME = "market_data.ticks"
GC = "lake.gc(dry_run=False, grace='0s', history='0s').deleted_files"

Act = Callable[..., Any]


def test_a_collector_that_is_killed_at_any_step_is_followed_by_one_that_ends_its_work(
    lake: lakehouse.Lake, other: Act, collect: Act, frame: Act, data_files: Act, root: Path
) -> None:
    steps = [
        ("type(lake.store), 'put_if_absent'", 1),
        ("type(lake.store), 'put_if_absent'", 2),
        ("type(lake.store), 'put_if_absent'", 3),
        ("type(lake.store), 'delete'", 1),
        ("type(lake.store), 'delete'", 3),
        ("type(lake.store), 'delete'", 5),
        ("type(lake.store), 'delete'", 6),
    ]
    for price, (point, at) in enumerate(steps, 3):
        lake[NAME].upsert(frame(float(price)))
        session_of(lake.store).renew()
        collector = other()
        collector(f"die_before({point}, at={at})")
        collector.say(GC)
        collector.process.wait(60)
        assert lake.verify().ok
        collect()
        assert data_files() == {file.path for file in lake[NAME].state().files}, (point, at)
        assert not list_condemned(lake.store)
        assert not list(root.glob("catalog/condemned/*"))


def test_two_collectors_at_once_delete_what_one_would(
    lake: lakehouse.Lake, other: Act, data_files: Act, collect: Act
) -> None:
    session_of(lake.store).renew()
    both = [other(), other()]
    for each in both:
        each.say(GC)
    assert sum(each.hear() for each in both) >= 4
    collect()
    assert data_files() == {file.path for file in lake[NAME].state().files}


def test_nobody_may_begin_to_hold_what_a_collector_that_stands_still_is_about_to_delete(
    lake: lakehouse.Lake, other: Act, collect: Act, root: Path
) -> None:
    """A second collector once took the list away after it had met a reader that came too late.

    From then on the version could be pinned, and the first collector woke up and deleted its files.
    """
    session_of(lake.store).renew()
    collector = other()
    collector("from lakehouse.maintenance import gc; stop_before(gc, '_delete')")
    collector.say(GC)
    collector.wait_until_stopped()
    late = other()
    late("import lakehouse.catalog.condemned as c; c.files_being_deleted = lambda store: frozenset()")
    late("held = lake[NAME].scan(version=1)")  # it holds, though it should not
    assert collect().deleted_files == 0
    with pytest.raises(NotFoundError, match="being deleted"):
        lake.snapshot("late", {NAME: 1})
    collector.go_on()
    assert collector.hear() == 4
    assert not lake.snapshots()
    assert lake.verify().ok


def test_a_snapshot_that_stands_can_be_checked_out_while_a_collector_stands_still(
    lake: lakehouse.Lake, other: Act, collect: Act, prices: Act, tmp_path: Path
) -> None:
    """What was condemned before it was pinned is on the list, and refused nobody who has the pin."""
    session_of(lake.store).renew()
    collect(grace="1h")
    lake.snapshot("old", {NAME: 1})
    session_of(lake.store).renew()
    collector = other()
    collector("from lakehouse.maintenance import gc; stop_before(gc, '_delete')")
    collector.say(GC)
    collector.wait_until_stopped()
    held = lake.checkout("old")
    lake.lock(tmp_path / "old.lock", "old")
    collector.go_on()
    assert collector.hear() == 0
    assert prices(held) == [1.0]
    assert lake.checkout(tmp_path / "old.lock").verify().ok


def test_a_snapshot_that_is_dropped_stays_readable_where_it_is_checked_out(
    lake: lakehouse.Lake, other: Act, collect: Act, data_files: Act
) -> None:
    from lakehouse.catalog.snapshots import drop_snapshot

    lake.snapshot("old", {NAME: 1})
    reader = other()
    reader("held = lake.checkout('old')")
    drop_snapshot(lake.store, "old", author="ada", message="no longer needed")
    assert collect().deleted_files == 0
    assert reader("prices(held)") == [1.0]
    with pytest.raises(NotFoundError, match="dropped by ada"):
        lake.checkout("old").products()
    reader.end()
    assert collect().deleted_files == 5
    assert data_files() == {file.path for file in lake[NAME].state().files}


def test_a_lock_that_is_made_from_a_snapshot_which_is_dropped_meanwhile_is_withdrawn(
    lake: lakehouse.Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lakehouse import pinning
    from lakehouse.catalog.snapshots import drop_snapshot

    lake.snapshot("old", {NAME: 1})
    real = pinning._confirm

    def drop_then_confirm(*arguments: Any) -> None:
        drop_snapshot(lake.store, "old", author="ada", message="")
        real(*arguments)

    monkeypatch.setattr(pinning, "_confirm", drop_then_confirm)
    with pytest.raises(NotFoundError):
        lake.lock(tmp_path / "old.lock", "old")
    assert not (tmp_path / "old.lock").exists()
    assert [entry.path for entry in lake.store.list("catalog/pins") if entry.path.endswith(".json")] == []


@pytest.mark.parametrize(
    "file",
    [
        "../outside.parquet",
        "partitions/../../outside.parquet",
        "/etc/outside.parquet",
        "partitions/market_data/ticks/v1/_delta_log/00000000000000000001.json",
        "partitions/market_data/ticks/v1/_delta_log/x.checkpoint.parquet",
        "partitions/market_data/ticks/v1/mine.parquet",
        "partitions/market_data/unknown/v1/part-0-1.parquet",
        "partitions/market_data/ticks/vx/part-0-1.parquet",
        "partitions/x.parquet",
        "partitions/market_data/ticks/v1/CON.parquet",
        "catalog/lake.json",
        "catalog/snapshots/kept/market_data.ticks.0.parquet",
        "",
    ],
)
def test_an_altered_list_deletes_nothing_that_it_should_not(
    lake: lakehouse.Lake, root: Path, collect: Act, file: str
) -> None:
    lake.snapshot("kept")
    paths = [root.parent / "outside.parquet", root / file]
    for path in paths:
        if file and path.is_relative_to(root.parent) and path.parent.is_dir() and not path.exists():
            path.write_bytes(b"mine")
    live = [each.path for each in lake[NAME].state().files]
    manifest = lake.snapshots()[0].products[0].manifest
    before = {path for path in root.parent.rglob("*.*") if "condemned" not in path.parts}
    publish_condemned(lake.store, [file, *live, manifest], {}, author="mallory")
    collect(history="30d")
    after = set(root.parent.rglob("*.*"))
    assert {path for path in before - after if path.parent.name not in ("leases", "intents")} == set()
    assert lake.verify().ok


def test_a_file_that_a_writer_has_not_committed_yet_is_safe_from_an_altered_list(
    lake: lakehouse.Lake, other: Act, collect: Act, data_files: Act
) -> None:
    before = data_files()
    writer = other()
    writer("from lakehouse.partitions.table import Table; stop_before(Table, 'queue')")
    writer.say("lake[NAME].upsert(frame(7.0)).version")
    writer.wait_until_stopped()
    publish_condemned(lake.store, data_files() - before, {}, author="mallory")
    collect(history="30d")
    writer.go_on()
    assert writer.hear() == 3
    assert lake.verify().ok


@pytest.mark.parametrize("folder", ["leases", "intents", "condemned", "pins", "snapshots"])
def test_what_can_not_be_read_keeps_everything(
    lake: lakehouse.Lake, root: Path, collect: Act, data_files: Act, folder: str
) -> None:
    path = root / "catalog" / folder / ("0" * 32 + (".1.json" if folder == "leases" else ".json"))
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"format": 1}))
    before = data_files()
    with pytest.raises(IntegrityError):
        collect()
    assert data_files() == before


def test_a_collector_whose_name_is_not_utf_8_can_collect(
    lake: lakehouse.Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other writes replaced what no document can hold; a collection and a restore broke off at it."""
    monkeypatch.setenv("LAKEHOUSE_AUTHOR", "ad\udce4")
    product = lake["market_data.ticks"]
    product.delete("A")
    product.restore(1, message="b\udce4ck")
    assert product.history()[0].author == "ad?"
    product.delete("A")
    assert lake.gc(dry_run=False, grace="0s", history="0s").dead_files > 0


def test_a_collection_that_failed_deletes_nothing_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its list is another run's as soon as it is over, and a thread of it once went on deleting."""
    begun = threading.Event()
    deleted: list[str] = []

    class Failing:
        def delete(self, file: str) -> None:
            if file == "bad":
                begun.wait(10)
                raise StorageError("refused")
            begun.set()
            time.sleep(0.2)
            deleted.append(file)

    monkeypatch.setattr(gc, "_DELETED_AT_ONCE", 1)
    with pytest.raises(StorageError, match="refused"):
        gc._delete(cast("Store", Failing()), ["bad", *map(str, range(20))])
    found = len(deleted)
    time.sleep(0.5)
    assert 0 < found == len(deleted) < 20
