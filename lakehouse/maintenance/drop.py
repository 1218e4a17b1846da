"""Let go of a snapshot, or of what a lock file pins: only when somebody says so, and says what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lakehouse.catalog.authors import author_of
from lakehouse.catalog.pinned import Snapshot, read_manifest
from lakehouse.catalog.pins import drop_pin, load_pin
from lakehouse.catalog.snapshots import drop_snapshot, load_snapshot
from lakehouse.maintenance.holders import list_holders
from lakehouse.maintenance.roots import Roots, subtract_held
from lakehouse.maintenance.tables import open_tables
from lakehouse.partitions.manifest import decode_manifest
from lakehouse.store import Store

Kind = Literal["snapshot", "lock"]


@dataclass(frozen=True, slots=True, repr=False)
class DropReport:
    """What is let go of, or would be."""

    dry_run: bool
    """nothing was changed"""
    kind: Kind
    """a snapshot, or the pin of a lock file"""
    name: str
    """of the snapshot, or the id of the pin"""
    author: str
    """who made it"""
    created: str
    """when, ISO 8601 UTC"""
    message: str
    """why it was made"""
    products: tuple[str, ...]
    """`domain.product@version`"""
    files: int
    """data files that no head, snapshot or lock but this one holds: garbage collection may delete them"""
    bytes: int
    """their size"""

    def __repr__(self) -> str:
        """Say it in words."""
        verb = "would be dropped" if self.dry_run else "is dropped"
        return (
            f"The {self.kind} {self.name}, made by {self.author} at {self.created}, {verb}: "
            f"{', '.join(self.products)}. It alone holds {self.files:,} files of {self.bytes:,} bytes."
        )


def drop(
    store: Store, kind: Kind, name: str, *, dry_run: bool, author: str = "", message: str = ""
) -> DropReport:
    """Let go of a snapshot or a pin.

    Raises:
        NotFoundError: there is none of that name, or it was dropped before.
    """
    found = load_snapshot(store, name) if kind == "snapshot" else load_pin(store, name)
    own = _files_held_alone(store, kind, found)
    if not dry_run:
        remove = drop_snapshot if kind == "snapshot" else drop_pin
        remove(store, name, author=author_of(author), message=message)
    return DropReport(
        dry_run=dry_run,
        kind=kind,
        name=name,
        author=found.author,
        created=found.created,
        message=found.message,
        products=tuple(f"{product.name}@{product.version}" for product in found.products),
        files=len(own),
        bytes=sum(own.values()),
    )


def _files_held_alone(store: Store, kind: Kind, found: Snapshot) -> dict[str, int]:
    """Return the files and sizes that no head, snapshot or pin but this one holds."""
    sizes: dict[str, int] = {}
    for product in found.products:
        state = decode_manifest(store, read_manifest(store, product), where=product.manifest)
        sizes |= {file.path: file.size for file in state.files}
    others = (each for each in list_holders(store) if (each.kind, each.name) != (kind, found.name))
    alone, _ = subtract_held(store, Roots((), tuple(others)), sizes)
    for table in open_tables(store):
        alone -= {file.path for file in table.head().files}
    return {path: sizes[path] for path in alone}
