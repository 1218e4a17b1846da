"""From when to when a file was live, read from the log, beside the versions themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lakehouse
from lakehouse.maintenance.lifetimes import Lifetime, TableRecord, read_record
from lakehouse.maintenance.tables import open_tables

NAME = "market_data.ticks"

Act = Callable[..., Any]


@pytest.mark.parametrize(
    ("removed", "since", "reaches"), [(None, 9, True), (5, 4, True), (5, 5, False), (5, 9, False)]
)
def test_a_file_reaches_the_versions_before_its_removal(
    removed: int | None, since: int, *, reaches: bool
) -> None:
    assert Lifetime("x", 1, 2, removed).reaches(since) is reaches


@pytest.mark.parametrize(
    ("versions", "meets"),
    [((), False), ((1,), False), ((2,), True), ((1, 4), True), ((5,), False), ((1, 9), False)],
)
def test_a_file_meets_the_versions_from_its_addition_to_its_removal(
    versions: tuple[int, ...], *, meets: bool
) -> None:
    assert Lifetime("x", 1, 2, 5).meets(versions) is meets


def test_the_lifetimes_tell_the_files_of_every_version(lake: lakehouse.Lake, frame: Act) -> None:
    product = lake[NAME]
    product.delete("A")
    product.restore(2)
    product.upsert(frame(3.0))
    product.restore(1)
    (table,) = open_tables(lake.store)
    lifetimes = read_record(table).lifetimes
    for version in range(1, product.version + 1):
        files = {file.path for file in product.state(version=version).files}
        assert {life.path for life in lifetimes if life.meets((version,))} == files


def test_a_log_that_was_cut_tells_the_end_of_files_and_not_their_beginning(
    lake: lakehouse.Lake, root: Path, frame: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lakehouse.partitions import replay

    monkeypatch.setattr(replay, "CHECKPOINT_EVERY", 2)
    old = {file.path for file in lake[NAME].state().files}
    for price in (3.0, 4.0):
        lake[NAME].upsert(frame(price))
    for version in range(3):
        (root / f"partitions/market_data/ticks/v1/_delta_log/{version:020}.json").unlink()
    (table,) = open_tables(lakehouse.open(root).store)
    record = read_record(table)
    assert (record.oldest, record.head) == (3, 4)
    assert {life.path for life in record.lifetimes if life.added == 0} == old


def test_the_version_of_an_instant_is_the_head_of_that_time(lake: lakehouse.Lake) -> None:
    (table,) = open_tables(lake.store)
    record = read_record(table)
    times = dict(record.committed_ms)
    assert record.version_at(times[2]) == 2
    assert record.version_at(times[0] - 1) == 0
    assert record.version_at(times[2] + 10**9) == 2


def test_a_commit_without_a_time_does_not_cut_the_history_short(lake: lakehouse.Lake) -> None:
    """A foreign entry may have none; it was once taken for one from before everything else."""
    (table,) = open_tables(lake.store)
    times = ((4, 4000), (3, 0), (2, 2000), (1, 1000), (0, 500))
    record = TableRecord(table, 4, 0, (), frozenset(), times)
    assert [record.version_at(instant) for instant in (100, 500, 1500, 2000, 5000)] == [0, 0, 1, 3, 4]
