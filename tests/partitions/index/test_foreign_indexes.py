"""Indexes that were damaged, or made by another process or of another log, change no answer."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse.partitions import footers, indexed, replay
from lakehouse.partitions.index.columns import DamagedIndexError
from lakehouse.partitions.index.live import LiveFiles, Slice
from lakehouse.partitions.index.part import Part

NAME = "market_data.bars"
Write = Callable[[lakehouse.Product, int], Any]


def day(number: int) -> pl.DataFrame:
    times = pl.Series([number * 86_400 * 10**9], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))
    return pl.DataFrame({"symbol": ["A"], "time": times, "price": [float(number)]})


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test a cache of its own."""
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(tmp_path / "cache"))
    footers._footers.clear()
    return tmp_path / "cache" / "index"


@pytest.fixture
def product(tmp_path: Path, cache: Path) -> lakehouse.Product:
    """Return a product of 12 files."""
    lake = lakehouse.open(tmp_path / "lake", create=True)
    made = lake.create(NAME, like=day(0), key=["symbol", "time"], layout="date=day")
    for number in range(12):
        made.append(day(number))
    return made


def afresh(product: lakehouse.Product) -> lakehouse.Product:
    """Return the product as a process does that has not seen it yet."""
    return lakehouse.open(product.table.store.url)[NAME]


def days(product: lakehouse.Product) -> list[float]:
    return product.read().to_polars()["price"].to_list()


def log_of(product: lakehouse.Product) -> Path:
    return Path(product.table.store.url, product.table.path, "_delta_log")


def test_two_processes_that_order_the_files_otherwise_do_not_mix(
    product: lakehouse.Product, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint lists the files in another order than the log; an index on an index has their numbers."""
    monkeypatch.setattr(indexed, "SMALL", 4)
    monkeypatch.setattr(indexed, "EVERY", 1)
    shutil.rmtree(cache)
    first = afresh(product)
    assert days(first) == list(range(12))  # it made an index
    log = replay.by_log(first.state())
    other = replay.Snapshot(replace(log, files=tuple(reversed(log.files))), first.table._head.metadata)
    with monkeypatch.context() as patch:
        patch.setattr(indexed, "_newer", lambda *_: None)  # it looked before the first one had written
        indexed.keep(other)
    first.delete(["A"], "1970-01-03", "1970-01-04")  # an index that stands on the first one's

    assert days(afresh(product)) == days(first) == [float(n) for n in range(12) if n != 2]


def test_a_process_that_saw_another_log_makes_no_index(
    product: lakehouse.Product, cache: Path, tmp_path: Path
) -> None:
    """The lake was made anew at the same place, and has as many versions; the process looks only then."""
    before = product.table._head
    stale = replace(before, state=replace(before.state, files=tuple(before.state.files)))
    shutil.rmtree(tmp_path / "lake")
    shutil.rmtree(cache)
    lake = lakehouse.open(tmp_path / "lake", create=True)
    made = lake.create(NAME, like=day(0), key=["symbol", "time"], layout="date=day")
    for number in range(100, 112):
        made.append(day(number))
    assert made.version == stale.state.version
    shutil.rmtree(cache)
    assert indexed.keep(stale) is stale
    assert days(afresh(product)) == list(range(100, 112))
    assert indexed.load(product.table.store, product.table.path) is not None


@pytest.mark.parametrize("question", [days, lambda product: product.append(day(50)).rows])
def test_a_damaged_index_is_made_anew(
    product: lakehouse.Product, cache: Path, question: Callable[[lakehouse.Product], Any]
) -> None:
    """Else each process would find the damage, and read the whole log, for ever."""
    (folder,) = cache.iterdir()
    for path in folder.glob("*.arrow"):
        path.write_bytes(bytes(path.stat().st_size))
    question(afresh(product))
    days(afresh(product))  # where the first one only read
    found = indexed.load(product.table.store, product.table.path)
    assert found is not None
    for part, _ in LiveFiles.of(found.state.files).now.slices:
        for name in part.columns.names():
            part.columns.whole(name)


def test_an_index_can_be_used_by_who_can_not_touch_it(
    product: lakehouse.Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr("os.utime", refused)
    assert indexed.load(product.table.store, product.table.path) is not None


def test_threads_see_one_list_of_files_while_damage_is_found(product: lakehouse.Product) -> None:
    """One thread has looked at the parts, and reads the later files, when another one finds the damage."""
    files = LiveFiles.of(product.state().files)
    assert files.now.slices
    plain = files.plain()
    halfway, found = Event(), Event()

    class Slow(Part):
        def file(self, number: int) -> Any:
            halfway.set()
            found.wait(10)
            return super().file(number)

    slices = [Slice(Slow(part.columns, part.notes), dead) for part, dead in files.now.slices]
    shared = LiveFiles(slices, files.now.added, lambda: plain)

    def damaged(_: Any) -> int:
        if shared.now.slices:
            raise DamagedIndexError("x")
        return 0

    with ThreadPoolExecutor() as threads:
        slow = threads.submit(shared.all)
        halfway.wait(10)
        shared._sound(damaged)
        found.set()
        assert sorted(file.path for file in slow.result()) == sorted(file.path for file in plain.all())


def test_a_head_that_was_taken_back_is_not_remembered(product: lakehouse.Product) -> None:
    """The log was restored from a backup, and went on otherwise."""
    entries = sorted(log_of(product).glob("*.json"))
    for entry in entries[-3:]:
        entry.unlink()
    assert days(afresh(product)) == list(range(9))
    other = afresh(product)
    for number in range(20, 23):
        other.append(day(number))
    assert other.version == len(entries) - 1
    assert days(afresh(product)) == [*range(9), 20, 21, 22]


def test_what_dead_processes_left_is_deleted(product: lakehouse.Product, cache: Path) -> None:
    (folder,) = cache.iterdir()
    for name, age in (("a.b.arrow", 7200), (".c", 7200), ("d.e.arrow", 60), (".f", 60)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - age,) * 2)
    for number in range(20, 40):
        product.append(day(number))
    left = {path.name for path in folder.iterdir()} & {"a.b.arrow", ".c", "d.e.arrow", ".f"}
    assert left == {"d.e.arrow", ".f"}
    assert days(afresh(product)) == [*range(12), *range(20, 40)]
