"""Who holds data: snapshots and locks, as they stand at the moment that they are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lakehouse
from lakehouse.catalog.snapshots import drop_snapshot, snapshot_names
from lakehouse.errors import IntegrityError
from lakehouse.maintenance.holders import list_holders
from lakehouse.maintenance.roots import Roots, held_files
from lakehouse.store import Store

Make = Callable[..., lakehouse.Product]


def test_snapshots_and_locks_hold(lake: lakehouse.Lake, product: Make, tmp_path: Path) -> None:
    product([("A", 0, 1)])
    lake.snapshot("q1", author="ann")
    lock = lake.lock(tmp_path / "a.lock", author="bob")
    assert list(map(str, list_holders(lake.store))) == ["snapshot q1 (ann)", f"lock {lock.pin} (bob)"]


def test_one_that_is_dropped_while_they_are_listed_is_none(
    lake: lakehouse.Lake, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retention beside a drop once ended with an error that was none of its own."""
    product([("A", 0, 1)])
    lake.snapshot("q1")
    lake.snapshot("q2")

    def names(store: Store) -> tuple[str, ...]:
        found = snapshot_names(store)
        drop_snapshot(store, "q1", author="ann", message="")
        return found

    monkeypatch.setattr("lakehouse.maintenance.holders.snapshot_names", names)
    found: list[Any] = list(list_holders(lake.store))
    assert [holder.name for holder in found] == ["q2"]


def test_one_that_another_collector_took_after_it_was_listed_is_none(
    lake: lakehouse.Lake, product: Make
) -> None:
    product([("A", 0, 1)])
    lake.snapshot("q1", author="ann")
    lake.snapshot("q2", author="bob")
    roots = Roots((), tuple(list_holders(lake.store)))
    lake.drop_snapshot("q1", dry_run=False)
    for pinned in roots.holders[0].products:
        lake.store.delete(pinned.manifest)
    assert [name for name, _ in held_files(lake.store, roots)] == ["snapshot q2 (bob)"]
    lake.store.delete(roots.holders[1].products[0].manifest)
    with pytest.raises(IntegrityError, match="manifest"):
        list(held_files(lake.store, roots))
