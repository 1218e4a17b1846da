"""Every snapshot and lock still gives the rows and digests that it gave at first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import lakehouse
from lakehouse.errors import NotFoundError
from tests.torture.history import Operation
from tests.torture.model import Row
from tests.torture.reads import rows_of
from tests.torture.writes import PINNING

Versions = Mapping[str, Mapping[int, Sequence[Row]]]


def check(root: Path, operations: Sequence[Operation], versions: Versions) -> Iterator[str]:
    """Verify every snapshot and lock in full, and compare it with what was acknowledged."""
    said = {
        each.step["name"]: each.result["seen"]
        for each in operations
        if each.do in PINNING and each.result is not None
    }
    drops = [each for each in operations if each.do in ("drop", "unpin") and each.result != {"skipped": True}]
    dropping = {each.step["name"] for each in drops}
    gone = {each.step["name"] for each in drops if each.result == {}}
    lake = lakehouse.open(root / "lake", create=True)
    try:
        listed = {snapshot.name for snapshot in lake.snapshots()}
    except lakehouse.LakehouseError as error:
        yield f"the snapshots can not be listed: {error}"
        return
    locked = {file.name for file in root.glob("lock-*")}
    for name in sorted(said.keys() - listed - locked - dropping):
        yield f"the pin {name} was acknowledged, and is lost"
    for name in sorted(gone & listed):
        yield f"the snapshot {name} was dropped, and is there"
    for name in sorted(listed):
        yield from _check_pin(name, lake, name, said.get(name), versions)
    for name in sorted(locked & dropping):
        if not _is_refused(lake, root / name) and name in gone:
            yield f"the lock {name} was let go of, and can be checked out"
    for name in sorted(name for name in locked if name not in dropping or not _is_refused(lake, root / name)):
        yield from _check_pin(name, lake, root / name, said.get(name), versions)


def _is_refused(lake: lakehouse.Lake, lock: Path) -> bool:
    try:
        lake.checkout(lock)
    except NotFoundError:
        return True
    return False


def _check_pin(
    name: str, lake: lakehouse.Lake, what: str | Path, said: Any, versions: Versions
) -> Iterator[str]:
    try:
        checkout = lake.checkout(what)
        verified = checkout.verify()
        found = {product: checkout[product] for product in checkout.products()}
        read = {product: rows_of(pinned) for product, pinned in found.items()}
    except lakehouse.LakehouseError as error:
        yield f"the pin {name} can not be read: {type(error).__name__}: {error}"
        return
    yield from (f"the pin {name}: {problem}" for problem in verified.problems)
    seen = {
        product: {"version": pinned.version, "digest": pinned.digest} for product, pinned in found.items()
    }
    if said is not None and seen != said:
        yield f"the pin {name} was {said} at first, and is {seen}"
    for product, rows in read.items():
        if rows != list(versions.get(product, {}).get(found[product].version, [])):
            yield f"the pin {name} has other rows of {product} than the model"
