"""A read-only lake at a snapshot, a lock or a time: the same rows for ever, the same read API and SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.errors import ArgumentError, IntegrityError, NotFoundError
from lakehouse.names import ProductName
from lakehouse.product import PinnedProduct
from lakehouse.times import to_iso, to_nanoseconds
from lakehouse.view import LakeView

if TYPE_CHECKING:
    from lakehouse.catalog.locks import Lock
    from lakehouse.catalog.pinned import PinnedProduct as Pinned
    from lakehouse.lake import Lake
    from lakehouse.partitions.state import TableState
    from lakehouse.partitions.verify import Verification
    from lakehouse.store import Store


class Checkout(LakeView):
    """Products at fixed versions. It needs manifests and data files, and no Delta log."""

    def __init__(self, store: Store, label: str, states: Mapping[ProductName, TableState]) -> None:
        self.store = store
        self.label = label
        self.states = dict(states)

    def products(self) -> list[str]:
        """Return the names of the pinned products, sorted."""
        return sorted(str(name) for name in self.states)

    def __getitem__(self, name: str | ProductName) -> PinnedProduct:
        """Return a pinned product.

        Raises:
            NotFoundError: it is not part of this checkout.
        """
        parsed = ProductName.parse(name)
        if parsed not in self.states:
            raise NotFoundError.among("product of this checkout", str(parsed), self.products())
        return PinnedProduct(self.states[parsed])

    @property
    def digests(self) -> dict[str, str]:
        """The content digest of each product."""
        return {str(name): state.digest for name, state in sorted(self.states.items())}

    def verify(self, *, quick: bool = False) -> Verification:
        """Recompute hashes and digests of every pinned file, and name what differs."""
        from lakehouse.partitions.verify import Verification, verify_state

        total = Verification(0, 0, 0)
        for state in self.states.values():
            total += verify_state(state, quick=quick)
        return total

    def __repr__(self) -> str:
        """Name the checkout and its products."""
        return f"<Checkout {self.label}: {', '.join(self.products())}>"


def checkout_of(lake: Lake, what: Any) -> Checkout:
    """Return the checkout of a snapshot name, a lock, or a time.

    A text names the snapshot rather than a file of that name; a `Path` names the file. What is neither is
    read as a time.

    Raises:
        NotFoundError: there is no such snapshot or file, and the text is no time either.
    """
    from lakehouse.catalog.locks import Lock, read_lock
    from lakehouse.catalog.pinned import dropped_names
    from lakehouse.catalog.snapshots import FOLDER, load_snapshot, snapshot_names

    if isinstance(what, Lock):
        return from_lock(lake.store, what, lake.id)
    if isinstance(what, (str, Path)):
        names = snapshot_names(lake.store)
        is_file = _is_file(what)
        if is_file and (isinstance(what, Path) or what not in names):
            return from_lock(lake.store, read_lock(what), lake.id)
        if str(what) in names:
            return from_snapshot(lake.store, str(what))
        try:
            instant = to_nanoseconds(str(what))
        except ArgumentError:
            if str(what) in dropped_names(lake.store, FOLDER):
                load_snapshot(lake.store, str(what))  # says who dropped it, and why
            raise NotFoundError.among("snapshot", str(what), names) from None
        return _at_time(lake, instant)
    return _at_time(lake, to_nanoseconds(what))


def from_snapshot(store: Store, name: str) -> Checkout:
    """Return the checkout of a snapshot.

    Raises:
        NotFoundError: there is none of that name, or it was dropped.
        IntegrityError: a manifest is missing or altered.
    """
    from lakehouse.catalog.snapshots import load_snapshot

    snapshot = load_snapshot(store, name)
    try:
        states = _states(store, snapshot.products)
    finally:
        load_snapshot(store, name)  # dropped, it has lost its manifests; dropped meanwhile, it is not held
    return Checkout(store, f"snapshot {snapshot.name}", states)


def from_lock(store: Store, lock: Lock, lake_id: str) -> Checkout:
    """Return the checkout of a lock in the lake that holds its pin.

    Raises:
        IntegrityError: it is another lake, or a manifest is missing or altered.
        NotFoundError: the pin was dropped.
    """
    from lakehouse.catalog.pins import check_pin

    if lock.lake_id != lake_id:
        raise IntegrityError(
            f"The lock was made in the lake {lock.lake_id}, and this is {lake_id}.",
            hint="Give the lake's root: checkout(path, root=…).",
        )
    try:
        states = _states(store, lock.products)
    finally:
        check_pin(store, lock.pin)  # dropped, it has lost its manifests; dropped meanwhile, it is not held
    return Checkout(store, f"lock {lock.pin}", states)


def _is_file(path: str | Path) -> bool:
    """Say whether there is a file; a text that no disk takes for a path names none."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def _at_time(lake: Lake, instant: int) -> Checkout:
    states = {ProductName.parse(name): lake[name].state(time=instant) for name in lake.products()}
    return Checkout(lake.store, f"time {to_iso(instant)}", states)


def _states(store: Store, products: Iterable[Pinned]) -> dict[ProductName, TableState]:
    """Read the manifests of a set, and hold what they name."""
    from lakehouse.catalog.pinned import read_manifest
    from lakehouse.catalog.session import session_of
    from lakehouse.partitions.manifest import decode_manifest

    states = {
        pinned.manifest: decode_manifest(store, read_manifest(store, pinned), where=pinned.manifest)
        for pinned in products
    }
    session_of(store).hold_set(states)
    return {state.name: state for state in states.values()}
