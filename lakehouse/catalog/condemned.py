"""Condemned lists: the files that a collector wants to delete, and after the grace is about to delete.

A list is published first, and after its grace marked as final; only then the collector looks a last time at
what is held, and deletes. Who wants to hold an old version publishes a lease first and reads the final lists
after, the collector marks first and reads the leases after: at least one of them sees the other.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from lakehouse.catalog.documents import now_iso, read_json, take, to_json
from lakehouse.catalog.process import Process, this_process
from lakehouse.errors import AlreadyExistsError, IntegrityError, NotFoundError
from lakehouse.store import Store
from lakehouse.times import to_nanoseconds

FOLDER = "catalog/condemned"
FINAL = ".final.json"
"""how the name of the mark ends that says that the files of a list are about to be deleted"""


@dataclass(frozen=True, slots=True)
class Condemned:
    """One list of a collector."""

    id: str
    """32 hex digits"""
    created: str
    """when, ISO 8601 UTC"""
    author: str
    """who collects"""
    process: Process
    """the collector, whose machine's monotonic clock read `monotonic_ns`"""
    monotonic_ns: int
    """when, on that clock"""
    files: tuple[str, ...] = ()
    """to be deleted, relative to the root"""
    sessions: Mapping[str, int] = field(default_factory=dict)
    """the leases that were there, and the number of their newest renewal"""

    @property
    def path(self) -> str:
        """Where the document lies."""
        return f"{FOLDER}/{self.id}.json"

    @property
    def age_ns(self) -> int:
        """How long ago it was published, on this machine's own clock where that can be; else as clocks say.

        It is a courtesy to readers without a lease: nothing rests on it.
        """
        if self.process.is_neighbour:
            return time.monotonic_ns() - self.monotonic_ns
        return max(0, time.time_ns() - to_nanoseconds(self.created))

    @property
    def seen_for_ns(self) -> int | None:
        """How long ago the leases were seen, on the monotonic clock of this machine; None for another's."""
        return time.monotonic_ns() - self.monotonic_ns if self.process.is_neighbour else None


def publish_condemned(
    store: Store, files: Iterable[str], sessions: Mapping[str, int], *, author: str
) -> Condemned:
    """Publish a list of files to delete, and of the leases that were there."""
    listed = tuple(sorted(files))
    found = Condemned(
        uuid.uuid4().hex, now_iso(), author, this_process(), time.monotonic_ns(), listed, dict(sessions)
    )
    store.put_if_absent(found.path, to_json(asdict(found)))
    return found


def mark_final(store: Store, condemned: Condemned, *, author: str) -> None:
    """Say that the files of a list are about to be deleted."""
    with suppress(AlreadyExistsError):  # by a collector that died, or that works on it too
        store.put_if_absent(_final_path(condemned.path), to_json({"time": now_iso(), "author": author}))


def remove_condemned(store: Store, condemned: Condemned) -> None:
    """Take a list away that is worked off; its mark goes last, when nobody can find the list any more."""
    store.delete(condemned.path)
    store.delete(_final_path(condemned.path))


def load_condemned(store: Store, path: str) -> Condemned:
    """Return one list.

    Raises:
        NotFoundError: it is worked off.
        IntegrityError: it is broken.
    """
    document = read_json(store, path)
    try:
        return Condemned(
            id=take(document, "id", str, of=path),
            created=take(document, "created", str, of=path),
            author=take(document, "author", str, of=path),
            process=Process(**take(document, "process", dict, of=path)),
            monotonic_ns=take(document, "monotonic_ns", int, of=path),
            files=tuple(take(document, "files", list, of=path)),
            sessions=take(document, "sessions", dict, of=path),
        )
    except TypeError as error:
        raise IntegrityError(f"{path} is no condemned list.") from error


def list_condemned(store: Store) -> list[Condemned]:
    """Return every list that is not worked off yet, oldest first.

    Raises:
        IntegrityError: a list is broken.
    """
    found = []
    for entry in store.list(FOLDER):
        if not entry.path.endswith(FINAL):
            with suppress(NotFoundError):  # worked off since
                found.append(load_condemned(store, entry.path))
    return sorted(found, key=lambda each: (each.created, each.id))


def files_being_deleted(store: Store) -> frozenset[str]:
    """Return every file of a final list."""
    found: set[str] = set()
    for entry in store.list(FOLDER):
        if entry.path.endswith(FINAL):
            with suppress(NotFoundError):  # worked off since
                found |= set(load_condemned(store, entry.path.removesuffix(FINAL) + ".json").files)
    return frozenset(found)


def _final_path(path: str) -> str:
    return path.removesuffix(".json") + FINAL
