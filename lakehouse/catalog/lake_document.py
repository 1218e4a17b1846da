"""`catalog/lake.json`: what makes a folder a lake."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.catalog.documents import FORMAT, now_iso, read_json, take, to_json
from lakehouse.errors import AlreadyExistsError, NotFoundError
from lakehouse.store import Store

LAKE_DOCUMENT = "catalog/lake.json"


@dataclass(frozen=True, slots=True)
class LakeDocument:
    """The identity of a lake."""

    format: int
    """version of the layout on disk"""
    id: str
    """a UUID that stays the same when the lake is moved or copied"""
    created: str
    """when, ISO 8601 UTC"""


def create_lake(store: Store) -> LakeDocument:
    """Make the root a lake.

    Raises:
        AlreadyExistsError: it is one already.
        StorageError: the disk or bucket refused.
    """
    import uuid

    document = LakeDocument(FORMAT, str(uuid.uuid4()), now_iso())
    try:
        store.put_if_absent(LAKE_DOCUMENT, to_json({"id": document.id, "created": document.created}))
    except AlreadyExistsError as error:
        raise AlreadyExistsError(
            f"There is a lake at {store.url} already.", hint="Open it without create=True."
        ) from error
    return document


def read_lake(store: Store) -> LakeDocument:
    """Read the identity of the lake.

    Raises:
        NotFoundError: the root is no lake.
        IntegrityError: the document is broken.
        LakehouseError: a newer version of the lakehouse made it.
    """
    try:
        document = read_json(store, LAKE_DOCUMENT)
    except NotFoundError as error:
        raise NotFoundError(
            f"There is no lake at {store.url}.", hint="Make one with create=True, or lake init."
        ) from error
    number, identity, created = (
        take(document, "format", int, of=LAKE_DOCUMENT),
        take(document, "id", str, of=LAKE_DOCUMENT),
        take(document, "created", str, of=LAKE_DOCUMENT),
    )
    return LakeDocument(number, identity, created)
