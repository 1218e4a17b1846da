"""Who holds on to data: the snapshots and the locks, with the versions that their manifests name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from lakehouse.catalog.pinned import PinnedProduct, Snapshot
from lakehouse.catalog.pins import list_pins, load_pin
from lakehouse.catalog.snapshots import load_snapshot, snapshot_names
from lakehouse.errors import NotFoundError
from lakehouse.store import Store


@dataclass(frozen=True, slots=True)
class Holder:
    """A snapshot or the pin of a lock."""

    kind: Literal["snapshot", "lock"]
    """which of both"""
    name: str
    """of the snapshot, or the id of the pin"""
    author: str
    """who made it"""
    created: str
    """when, ISO 8601 UTC"""
    message: str
    """why"""
    products: tuple[PinnedProduct, ...]
    """what it holds, with the paths of the manifests"""

    def __str__(self) -> str:
        """Name it as a person would."""
        return f"{self.kind} {self.name} ({self.author})"


def list_holders(store: Store) -> Iterator[Holder]:
    """Yield every snapshot, then every pin, by name.

    Raises:
        IntegrityError: a document is broken: who can not read what is pinned must not take anything away.
    """
    for name in snapshot_names(store):
        yield from _holder("snapshot", partial(load_snapshot, store, name))
    for identity in list_pins(store):
        yield from _holder("lock", partial(load_pin, store, identity))


def holds_still(store: Store, holder: Holder) -> bool:
    """Say whether a set is there and was not dropped since it was listed."""
    return holder.name in (snapshot_names(store) if holder.kind == "snapshot" else list_pins(store))


def _holder(kind: Literal["snapshot", "lock"], load: Callable[[], Snapshot]) -> list[Holder]:
    try:
        found = load()
    except NotFoundError:  # dropped since it was listed
        return []
    return [Holder(kind, found.name, found.author, found.created, found.message, found.products)]
