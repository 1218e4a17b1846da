"""Leases and intents: what the open processes of a lake read and write.

A *session* is one process at one lake. While it reads, it has one lease, `catalog/leases/<session>.<n>.json`,
renewed as n + 1; before it writes its first file into a table, it announces that by an intent,
`catalog/intents/<session>.<table>.json`. Garbage collection takes both for roots. The protocol needs no clock
that is right, and holds for a grace of zero:

- A lease is published first, and the head is looked at again after: whatever was the head then is held, since
  a collector condemns only files that were dead before, and reads every lease after it has condemned.
- Who wants an old version publishes a lease that names it, and then reads the condemned lists: at least one
  of both sides sees the other, and withdraws.
- Renewals stay for at least the time between two beats of the holder's heart, so that no listing can miss a
  session between an old name that is gone and a new one that it has passed.
- A session is dead when its process is proven to have ended, or when a collector saw no renewal for the time
  to live on its own monotonic clock. The collector then fences its intents, by a commit in each table, and
  deletes its lease; if a renewal appears beside it, the session lives. A holder that renews puts n + 1 first
  and looks for n after: where that is gone, it was taken for dead, and starts anew under another session.
- A commit is conditional on a head without the fence of its session, so a writer that wakes up can not
  commit files that were collected.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from lakehouse.catalog.documents import read_json, take, to_json
from lakehouse.catalog.process import Process
from lakehouse.errors import ArgumentError, ConflictError, IntegrityError, NotFoundError
from lakehouse.store import Store

LEASES = "catalog/leases"
INTENTS = "catalog/intents"
TIME_TO_LIVE_VARIABLE = "LAKEHOUSE_LEASE_SECONDS"
TIME_TO_LIVE_S = 900.0
_LISTINGS = 20
_LEASE_NAME = re.compile(LEASES + r"/([^./]+)\.(\d+)\.json")
_TABLE = re.compile(r"partitions/[^/]+/[^/]+/v\d+")


@dataclass(frozen=True, slots=True)
class Held:
    """What a session holds of one table."""

    since: int | None = None
    """every version from this one on; None for none"""
    versions: tuple[int, ...] = ()
    """older versions, one by one"""


@dataclass(frozen=True, slots=True)
class Lease:
    """What one session reads, as of one renewal."""

    session: str
    """32 hex digits"""
    number: int
    """of the renewal, from 1"""
    process: Process
    """who"""
    author: str
    """user and host, for people"""
    opened: str
    """when the session began, ISO 8601 UTC"""
    time_to_live_s: float
    """seconds without a renewal after which a collector may take it for dead"""
    tables: Mapping[str, Held] = field(default_factory=dict)
    """by path of the table"""
    manifests: tuple[str, ...] = ()
    """of the snapshots and pins that are checked out"""

    @property
    def path(self) -> str:
        """Where the document lies."""
        return lease_path(self.session, self.number)

    def __str__(self) -> str:
        """Name it as a person would."""
        return f"lease {self.session[:8]} ({self.author}, process {self.process.pid}, since {self.opened})"


@dataclass(frozen=True, slots=True)
class Intent:
    """A session writes a table: files whose names carry the session may not be committed yet."""

    session: str
    """32 hex digits"""
    table: str
    """path of the table"""

    @property
    def path(self) -> str:
        """Where the document lies."""
        domain, product, major = self.table.removeprefix("partitions/").split("/")
        return f"{INTENTS}/{self.session}.{domain}.{product}.{major}.json"


def time_to_live_s() -> float:
    """Return the seconds without a renewal after which a session may be taken for dead.

    Raises:
        ArgumentError: the variable is no number above 0.
    """
    text = os.environ.get(TIME_TO_LIVE_VARIABLE) or str(TIME_TO_LIVE_S)
    with suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise ArgumentError(f"{TIME_TO_LIVE_VARIABLE} must be a number of seconds above 0, got {text!r}.")


def lease_path(session: str, number: int) -> str:
    """Return where a renewal of a lease lies."""
    return f"{LEASES}/{session}.{number}.json"


def fence_key(session: str) -> str:
    """Return the transaction id that keeps a session from committing to a table."""
    return f"fence:{session}"


def encode_lease(lease: Lease) -> bytes:
    """Write a lease as a document."""
    return to_json(dataclasses.asdict(lease))


def encode_intent(intent: Intent) -> bytes:
    """Write an intent as a document."""
    return to_json(dataclasses.asdict(intent))


def load_lease(store: Store, path: str) -> Lease:
    """Return one renewal of a lease.

    Raises:
        NotFoundError: it is not there any more.
        IntegrityError: it is broken.
    """
    return _lease(read_json(store, path), path)


def load_intent(store: Store, path: str) -> Intent:
    """Return one intent.

    Raises:
        NotFoundError: it is not there any more.
        IntegrityError: it is broken.
    """
    return _intent(read_json(store, path), path)


def list_leases(store: Store) -> dict[str, Lease]:
    """Return the newest renewal of each session's lease.

    Raises:
        IntegrityError: a document is broken: who can not read what is held must not take anything away.
        ConflictError: leases come and go without end.
    """
    newest = newest_renewals(store)
    found: dict[str, Lease] = {}
    for _ in range(_LISTINGS):
        for session, number in newest.items():
            path = lease_path(session, number)
            with suppress(NotFoundError):
                found[session] = load_lease(store, path)
        missed = newest.keys() - found.keys()
        if not missed:
            return found
        # They ended, or were renewed under names that were not listed yet; who began since is of no concern.
        newest = {s: n for s, n in newest_renewals(store).items() if s in missed}
    raise ConflictError(f"The leases in {store.url} change faster than they can be read.", hint="Try again.")


def list_intents(store: Store) -> list[Intent]:
    """Return all intents, by session and table.

    Raises:
        IntegrityError: a document is broken.
    """
    found = []
    for entry in store.list(INTENTS):
        with suppress(NotFoundError):  # its session has ended in order: it left no file
            found.append(load_intent(store, entry.path))
    return found


def newest_renewals(store: Store) -> dict[str, int]:
    """Return the number of each session's newest renewal, by the names of the documents.

    Raises:
        IntegrityError: a name is not that of a lease.
    """
    newest: dict[str, int] = {}
    for entry in store.list(LEASES):
        match = _LEASE_NAME.fullmatch(entry.path)
        if match is None:
            raise IntegrityError(f"{entry.path} is no lease.")
        newest[match[1]] = max(int(match[2]), newest.get(match[1], 0))
    return newest


def delete_lease(store: Store, session: str) -> None:
    """Delete every renewal of a lease."""
    for entry in list(store.list(LEASES)):
        if entry.path.startswith(f"{LEASES}/{session}."):
            store.delete(entry.path)


def _lease(document: Mapping[str, Any], of: str) -> Lease:
    try:
        tables = {
            table: Held(held["since"], tuple(held["versions"]))
            for table, held in take(document, "tables", dict, of=of).items()
        }
        return Lease(
            session=take(document, "session", str, of=of),
            number=take(document, "number", int, of=of),
            process=Process(**take(document, "process", dict, of=of)),
            author=take(document, "author", str, of=of),
            opened=take(document, "opened", str, of=of),
            time_to_live_s=float(document["time_to_live_s"]),
            tables=tables,
            manifests=tuple(take(document, "manifests", list, of=of)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"{of} is no lease.") from error


def _intent(document: Mapping[str, Any], of: str) -> Intent:
    found = Intent(take(document, "session", str, of=of), take(document, "table", str, of=of))
    if not _TABLE.fullmatch(found.table):
        raise IntegrityError(f"{of} is no intent: {found.table!r} is no table.")
    return found
