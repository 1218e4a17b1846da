"""Pins: what each lock file that was handed out holds on to; a snapshot with an id for a name.

Garbage collection takes every pin for a root, so a pin is published before its lock file is written.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from lakehouse.catalog.pinned import Snapshot, VersionFacts, load_set, publish_set, set_names
from lakehouse.errors import NotFoundError
from lakehouse.names import ProductName, check_document_name
from lakehouse.store import Store

_FOLDER = "catalog/pins"


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
    identity = uuid.uuid4().hex
    return publish_set(store, _FOLDER, identity, products, author=author, message=message, identity=identity)


def list_pins(store: Store) -> tuple[str, ...]:
    """Return the ids of all pins, sorted."""
    return set_names(store, _FOLDER)


def load_pin(store: Store, identity: str) -> Snapshot:
    """Read one pin.

    Raises:
        NotFoundError: there is none of that id.
        IntegrityError: its document is broken.
    """
    try:
        return load_set(store, _FOLDER, check_document_name(identity, kind="pin"))
    except NotFoundError as error:
        raise NotFoundError.among("pin", identity, list_pins(store)) from error
