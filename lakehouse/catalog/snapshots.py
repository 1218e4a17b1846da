"""Snapshots: names for sets of product versions, given in one atomic step and never changed."""

from __future__ import annotations

from collections.abc import Mapping

from lakehouse.catalog.pinned import (
    PinnedProduct,
    Snapshot,
    VersionFacts,
    check_not_dropped,
    drop_set,
    dropped_names,
    load_set,
    publish_set,
    read_manifest,
    set_names,
)
from lakehouse.errors import AlreadyExistsError, ArgumentError, IntegrityError, NotFoundError
from lakehouse.names import ProductName, check_document_name
from lakehouse.store import Store
from lakehouse.times import to_nanoseconds

__all__ = [
    "PinnedProduct",
    "Snapshot",
    "VersionFacts",
    "check_free",
    "drop_snapshot",
    "list_snapshots",
    "load_snapshot",
    "publish_snapshot",
    "read_manifest",
    "snapshot_names",
    "withdraw_snapshot",
]

FOLDER = "catalog/snapshots"


def publish_snapshot(
    store: Store,
    name: str,
    products: Mapping[ProductName, tuple[VersionFacts, bytes]],
    *,
    author: str,
    message: str = "",
) -> Snapshot:
    """Give a set of product versions a name.

    Args:
        store: the lake.
        name: 1 to 100 letters, digits, '-', '_' and single dots; names must differ by more than case.
        products: the facts of each version, and the bytes of its manifest.
        author: who makes it.
        message: why.

    Raises:
        ArgumentError: the name is not legal on every disk, or there are no products.
        AlreadyExistsError: the name is taken; that snapshot is untouched.
    """
    check_free(store, name)
    try:
        return publish_set(store, FOLDER, name, products, author=author, message=message)
    except AlreadyExistsError as error:
        raise _taken(name) from error


def check_free(store: Store, name: str) -> None:
    """Raise unless a snapshot can have this name.

    Raises:
        ArgumentError: the name is not legal on every disk.
        AlreadyExistsError: the name is taken, or that of a snapshot that was dropped.
    """
    check_document_name(name, kind="snapshot")
    if name.endswith(".dropped"):
        raise ArgumentError(f"Not a name for a snapshot: {name!r}.", hint="Names must not end in .dropped.")
    known = (*snapshot_names(store), *dropped_names(store, FOLDER))
    taken = {each.casefold(): each for each in known}
    if name.casefold() in taken:
        raise _taken(taken[name.casefold()])


def snapshot_names(store: Store) -> tuple[str, ...]:
    """Return the names of all snapshots, sorted."""
    return set_names(store, FOLDER)


def list_snapshots(store: Store) -> list[Snapshot]:
    """Return all snapshots, the oldest first.

    Raises:
        IntegrityError: a document is broken.
    """
    snapshots = [load_set(store, FOLDER, name) for name in snapshot_names(store)]
    return sorted(snapshots, key=lambda snapshot: (_created(snapshot), snapshot.name))


def load_snapshot(store: Store, name: str) -> Snapshot:
    """Read one snapshot.

    Raises:
        NotFoundError: there is none of that name, or it was dropped.
        IntegrityError: its document is broken.
    """
    check_document_name(name, kind="snapshot")
    check_not_dropped(store, FOLDER, name)
    try:
        return load_set(store, FOLDER, name)
    except NotFoundError as error:
        raise NotFoundError.among("snapshot", name, snapshot_names(store)) from error


def drop_snapshot(store: Store, name: str, *, author: str, message: str) -> None:
    """Let go of a snapshot; its name is never used again.

    Raises:
        NotFoundError: there is none of that name, or it was dropped before.
    """
    load_snapshot(store, name)
    drop_set(store, FOLDER, name, author=author, message=message)


def withdraw_snapshot(store: Store, name: str) -> None:
    """Take back a snapshot that its maker could not vouch for, and so never acknowledged."""
    store.delete(f"{FOLDER}/{name}.json")


def _created(snapshot: Snapshot) -> int:
    """Return when it was made: its text drops trailing zeros, so texts do not sort ('.52Z' < '.5Z')."""
    try:
        return to_nanoseconds(snapshot.created)
    except ArgumentError as error:
        raise IntegrityError(f"{FOLDER}/{snapshot.name}.json: 'created': {error.message}") from error


def _taken(name: str) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"There is a snapshot {name!r} already.",
        hint="Snapshots never change, and a dropped name stays taken: use another.",
    )
