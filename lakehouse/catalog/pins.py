"""Pins: what each lock file that was handed out holds on to; a snapshot with an id for a name.

Garbage collection takes every pin for a root, so a pin is published before its lock file is written.
"""

from __future__ import annotations

from collections.abc import Mapping

from lakehouse.catalog.pinned import (
    Snapshot,
    VersionFacts,
    check_not_dropped,
    drop_set,
    load_set,
    publish_set,
    set_names,
)
from lakehouse.errors import NotFoundError
from lakehouse.names import ProductName, check_document_name, fresh_id
from lakehouse.store import Store

FOLDER = "catalog/pins"


def publish_pin(
    store: Store,
    products: Mapping[ProductName, tuple[VersionFacts, bytes]],
    *,
    author: str,
    message: str = "",
) -> Snapshot:
    """Hold on to a set of product versions, under an id of its own.

    Raises:
        ArgumentError: there are no products.
    """
    identity = fresh_id()
    return publish_set(store, FOLDER, identity, products, author=author, message=message, identity=identity)


def list_pins(store: Store) -> tuple[str, ...]:
    """Return the ids of all pins, sorted."""
    return set_names(store, FOLDER)


def check_pin(store: Store, identity: str) -> None:
    """Raise if a pin was dropped.

    Raises:
        NotFoundError: naming who dropped it, when and why.
    """
    check_not_dropped(store, FOLDER, identity)


def drop_pin(store: Store, identity: str, *, author: str, message: str) -> None:
    """Let go of what a lock file pins: the file can not be checked out any more.

    Raises:
        NotFoundError: there is no pin of that id, or it was dropped before.
    """
    load_pin(store, identity)
    drop_set(store, FOLDER, identity, author=author, message=message)


def withdraw_pin(store: Store, identity: str) -> None:
    """Take back a pin that its maker could not vouch for, and so never acknowledged."""
    store.delete(f"{FOLDER}/{identity}.json")


def load_pin(store: Store, identity: str) -> Snapshot:
    """Read one pin.

    Raises:
        NotFoundError: there is none of that id, or it was dropped.
        IntegrityError: its document is broken.
    """
    check_document_name(identity, kind="pin")
    check_not_dropped(store, FOLDER, identity)
    try:
        return load_set(store, FOLDER, identity)
    except NotFoundError as error:
        raise NotFoundError.among("pin", identity, list_pins(store)) from error
