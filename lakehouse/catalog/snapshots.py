"""Snapshots: names for sets of product versions, given in one atomic step and never changed."""

from __future__ import annotations

from collections.abc import Mapping

from lakehouse.catalog.pinned import (
    PinnedProduct,
    Snapshot,
    VersionFacts,
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
    "list_snapshots",
    "load_snapshot",
    "publish_snapshot",
    "read_manifest",
    "snapshot_names",
]

_FOLDER = "catalog/snapshots"


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
    check_document_name(name, kind="snapshot")
    taken = {known.casefold(): known for known in snapshot_names(store)}
    if name.casefold() in taken:
        raise _taken(taken[name.casefold()])
    try:
        return publish_set(store, _FOLDER, name, products, author=author, message=message)
    except AlreadyExistsError as error:
        raise _taken(name) from error


def snapshot_names(store: Store) -> tuple[str, ...]:
    """Return the names of all snapshots, sorted."""
    return set_names(store, _FOLDER)


def list_snapshots(store: Store) -> list[Snapshot]:
    """Return all snapshots, the oldest first.

    Raises:
        IntegrityError: a document is broken.
    """
    snapshots = [load_set(store, _FOLDER, name) for name in snapshot_names(store)]
    return sorted(snapshots, key=lambda snapshot: (_created(snapshot), snapshot.name))


def load_snapshot(store: Store, name: str) -> Snapshot:
    """Read one snapshot.

    Raises:
        NotFoundError: there is none of that name.
        IntegrityError: its document is broken.
    """
    try:
        return load_set(store, _FOLDER, check_document_name(name, kind="snapshot"))
    except NotFoundError as error:
        raise NotFoundError.among("snapshot", name, snapshot_names(store)) from error


def _created(snapshot: Snapshot) -> int:
    """Return when it was made: its text drops trailing zeros, so texts do not sort ('.52Z' < '.5Z')."""
    try:
        return to_nanoseconds(snapshot.created)
    except ArgumentError as error:
        raise IntegrityError(f"{_FOLDER}/{snapshot.name}.json: 'created': {error.message}") from error


def _taken(name: str) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"There is a snapshot {name!r} already.", hint="Snapshots never change: use another name."
    )
