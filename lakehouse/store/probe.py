"""Try out whether a store keeps the one promise on which a lake rests: of all who put a name, one wins.

Some servers that speak S3 ignore `If-None-Match: *`, or look and write in two steps: there two writers both
believe that they have published a version, and the commit of one is lost without a word.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Barrier

from lakehouse.errors import AlreadyExistsError, NotFoundError, StorageError
from lakehouse.store.base import Store

PROBES = "catalog/probes"
_HINT = (
    "Use a bucket whose server honours If-None-Match on PUT, such as AWS S3 or Ceph radosgw, with no cache or"
    " gateway before it that drops the header; or a local disk."
)


@dataclass(frozen=True, slots=True)
class Check:
    """One promise of a store."""

    promise: str
    """in words"""
    tried: int
    """how often it was put to the test"""
    failures: tuple[str, ...] = ()
    """what was found instead, each time that it was broken"""

    @property
    def ok(self) -> bool:
        """Whether it was kept each time."""
        return not self.failures

    def __str__(self) -> str:
        """Say the promise and how it went."""
        if self.ok:
            return f"ok      {self.promise} ({self.tried} times)"
        return f"BROKEN  {self.promise} ({len(self.failures)} of {self.tried} times): {self.failures[0]}"


@dataclass(frozen=True, slots=True, repr=False)
class Probe:
    """What a store was asked, and what it kept."""

    url: str
    """of the store"""
    rounds: int
    """number of names for which writers raced"""
    writers: int
    """how many raced for each name"""
    checks: tuple[Check, ...]
    """promises without which a lake loses data"""
    deletes: Check
    """without it nothing is lost, but garbage collection can free nothing"""

    @property
    def safe(self) -> bool:
        """Whether a lake in this store loses nothing."""
        return all(check.ok for check in self.checks)

    @property
    def ok(self) -> bool:
        """Whether every promise was kept."""
        return self.safe and self.deletes.ok

    @property
    def hint(self) -> str | None:
        """What to do about a promise that was broken."""
        if not self.safe:
            return _HINT
        return None if self.ok else f"Allow deletes in {self.url}, and remove what is left in {PROBES}."

    def __repr__(self) -> str:
        """List the promises and how they went."""
        verdict = (
            "safe" if self.ok else "safe, but it does not delete" if self.safe else "NOT SAFE for a lake"
        )
        lines = [f"{self.url}: {verdict}; {self.rounds} rounds of {self.writers} writers"]
        lines += [f"  {check}" for check in (*self.checks, self.deletes)]
        return "\n".join(lines + ([f"Hint: {self.hint}"] if self.hint else []))


def probe_store(store: Store, *, rounds: int = 20, writers: int = 8) -> Probe:
    """Let writers race for names below `catalog/probes/`, look at what is there afterwards, and clean up.

    A server that looks and writes in two steps lets only some races through, so that many rounds find more.

    Args:
        store: of a lake, or of where one shall be.
        rounds: number of names.
        writers: how many threads put each name at the same moment.

    Raises:
        StorageError: the store refused or can not be reached, so that nothing can be said.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from lakehouse.store import open_store
        >>> with TemporaryDirectory() as folder:
        ...     probe_store(open_store(Path(folder)), rounds=2).ok
        True
    """
    paths = [f"{PROBES}/{uuid.uuid4().hex}" for _ in range(rounds)]
    seen = _Seen()
    try:
        with ThreadPoolExecutor(writers) as pool:
            for path in paths:
                _race(store, path, writers, pool, seen)
    except BaseException:
        for path in paths:
            with suppress(StorageError):
                store.delete(path)
        raise
    for path in paths:
        _remove(store, path, seen)
    checks = tuple(seen.check(promise) for promise in (_ONE_WINNER, _WINNERS_BYTES, _LISTED, _REFUSED))
    return Probe(store.url, rounds, writers, checks, seen.check(_DELETED))


def require_safe(store: Store) -> None:
    """Refuse a bucket where two writers can both win, after one short race.

    A local disk is not tried: its hard links decide who wins, and one without them refuses by itself.

    Raises:
        StorageError: the bucket is not safe, refused, or can not be reached.
    """
    if not store.url.startswith("s3://"):
        return
    probe = probe_store(store, rounds=1, writers=3)
    if not probe.safe:
        broken = "; ".join(f"{check.promise}: {check.failures[0]}" for check in probe.checks if not check.ok)
        raise StorageError(
            f"{store.url} is not safe for a lake: it broke a promise. {broken}.", hint=probe.hint
        )


_ONE_WINNER = "of all who put a name at once, one wins"
_WINNERS_BYTES = "what is read are the winner's bytes"
_LISTED = "a listing shows an object as soon as it is there"
_REFUSED = "a later put of a name that is taken is refused"
_DELETED = "what was deleted is gone"


@dataclass(slots=True)
class _Seen:
    """What was tried so far, by promise."""

    tried: dict[str, int] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)

    def note(self, promise: str, failure: str | None) -> None:
        self.tried[promise] = self.tried.get(promise, 0) + 1
        if failure is not None:
            self.failures.setdefault(promise, []).append(failure)

    def check(self, promise: str) -> Check:
        return Check(promise, self.tried.get(promise, 0), tuple(self.failures.get(promise, ())))


def _race(store: Store, path: str, writers: int, pool: ThreadPoolExecutor, seen: _Seen) -> None:
    contents = [f"{path} of writer {number} {uuid.uuid4().hex}".encode() for number in range(writers)]
    together = Barrier(writers)
    outcomes = list(pool.map(lambda data: _put(store, path, data, together.wait), contents))
    errors = [outcome for outcome in outcomes if isinstance(outcome, StorageError)]
    winners = [data for data, outcome in zip(contents, outcomes, strict=True) if outcome is True]
    if not winners and errors:
        raise errors[0]
    seen.note(_ONE_WINNER, None if len(winners) == 1 else f"{len(winners)} of {writers} won")
    _look(store, path, winners, seen)
    outcome = _put(store, path, b"a later writer", lambda: None)
    if isinstance(outcome, StorageError):
        raise outcome
    seen.note(_REFUSED, "it was accepted" if outcome else None)
    if not outcome:
        _look(store, path, winners, seen)


def _put(store: Store, path: str, data: bytes, start: Callable[[], object]) -> bool | StorageError:
    """Put an object; say whether it won, or what went wrong."""
    start()
    try:
        store.put_if_absent(path, data)
    except AlreadyExistsError:
        return False
    except StorageError as error:
        return error
    return True


def _look(store: Store, path: str, winners: list[bytes], seen: _Seen) -> None:
    """Read and list what is there; where several won, the bytes of one are there and those of others lost."""
    try:
        found = store.get(path)
    except NotFoundError:
        seen.note(_WINNERS_BYTES, "nothing is there")
    else:
        lost = sum(found != data for data in winners)
        seen.note(_WINNERS_BYTES, f"those of {lost} winners are lost" if lost else None)
    listed = {entry.path: entry.size for entry in store.list(PROBES)}
    right = path in listed and (not winners or listed[path] in {len(data) for data in winners})
    seen.note(_LISTED, None if right else "it is not there, or has another size")


def _remove(store: Store, path: str, seen: _Seen) -> None:
    try:
        store.delete(path)
    except StorageError as error:
        seen.note(_DELETED, error.message)
        return
    left = store.size(path) is not None or any(entry.path == path for entry in store.list(PROBES))
    seen.note(_DELETED, "it is there still" if left else None)
