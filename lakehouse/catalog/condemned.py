"""Condemned lists: the files that a collector wants to delete, and after the grace is about to delete.

A list is published first, and after its grace marked as final; only then the collector looks a last time at
what is held, and deletes. Who wants to hold an old version publishes a lease first and reads the final lists
after, the collector marks first and reads the leases after: at least one of them sees the other.

A final list belongs to the run of a collector that marked it. Another run may not work on it, nor take it
away while one of its files is there: the first may have stopped just before it deletes, and nobody may begin
to hold what it is about to delete. When its process is proven to have ended, another run takes the list
over, by the next mark.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field

from lakehouse.catalog.documents import now_iso, read_json, take, to_json
from lakehouse.catalog.process import Process, this_process
from lakehouse.errors import AlreadyExistsError, IntegrityError, NotFoundError
from lakehouse.names import fresh_id
from lakehouse.store import Store
from lakehouse.times import to_nanoseconds

FOLDER = "catalog/condemned"
FINAL = ".final.json"
"""how the name of a mark ends that says that the files of a list are about to be deleted"""
_MARK = re.compile(FOLDER + r"/([^./]+)\.(\d+)\.final\.json")
_runs: set[str] = set()


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
        if self.process.shares_clock:
            return time.monotonic_ns() - self.monotonic_ns
        return max(0, time.time_ns() - to_nanoseconds(self.created))

    @property
    def seen_for_ns(self) -> int | None:
        """How long ago the leases were seen, on the monotonic clock of this machine; None for another's."""
        return time.monotonic_ns() - self.monotonic_ns if self.process.shares_clock else None


def publish_condemned(
    store: Store, files: Iterable[str], sessions: Mapping[str, int], *, author: str
) -> Condemned:
    """Publish a list of files to delete, and of the leases that were there."""
    listed = tuple(sorted(files))
    found = Condemned(
        fresh_id(), now_iso(), author, this_process(), time.monotonic_ns(), listed, dict(sessions)
    )
    store.put_if_absent(found.path, to_json(asdict(found)))
    return found


@contextmanager
def collecting() -> Iterator[str]:
    """Give the run of a collector an id, under which it marks lists as its own while the block lasts."""
    run = fresh_id()
    _runs.add(run)
    try:
        yield run
    finally:
        _runs.discard(run)


def mark_final(store: Store, condemned: Condemned, *, run: str, author: str) -> bool:
    """Say that a run is about to delete the files of a list, unless another one may be doing so.

    Returns:
        Whether the list is now the run's own.
    """
    marks = _marks(store).get(condemned.id, [])
    if marks and not _is_over(store, _mark_path(condemned.id, marks[-1])):
        return False
    path = _mark_path(condemned.id, marks[-1] + 1 if marks else 1)
    mark = {"time": now_iso(), "author": author, "process": asdict(this_process()), "run": run}
    try:
        store.put_if_absent(path, to_json(mark))
    except AlreadyExistsError:  # another run was faster
        return False
    if store.size(condemned.path) is None:  # worked off since it was read
        store.delete(path)
        return False
    return True


def remove_condemned(store: Store, condemned: Condemned) -> None:
    """Take a list away that is worked off; its marks go last, when nobody can find the list any more."""
    store.delete(condemned.path)
    for number in _marks(store).get(condemned.id, []):
        store.delete(_mark_path(condemned.id, number))


def remove_stray_marks(store: Store) -> None:
    """Delete the marks of lists that are gone: a collector was killed while it took them away."""
    for id, numbers in _marks(store).items():
        if store.size(f"{FOLDER}/{id}.json") is None:
            for number in numbers:
                store.delete(_mark_path(id, number))


def lists_of_strangers(store: Store) -> frozenset[str]:
    """Return the ids of the final lists of collectors of which nobody here can tell whether they ended."""
    newest = {id: _mark_path(id, marks[-1]) for id, marks in _marks(store).items()}
    return frozenset(id for id, path in newest.items() if not _marker(store, path)[0].is_neighbour)


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
            files=_texts(take(document, "files", list, of=path), of=path),
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
    for id in _marks(store):
        with suppress(NotFoundError):  # worked off since
            found |= set(load_condemned(store, f"{FOLDER}/{id}.json").files)
    return frozenset(found)


def list_of_mark(path: str) -> str:
    """Return the path of the list to which a mark belongs."""
    return f"{path.removesuffix(FINAL).rpartition('.')[0]}.json"


def _marks(store: Store) -> dict[str, list[int]]:
    """Return the numbers of the marks of each final list, in their order."""
    found: dict[str, list[int]] = {}
    for entry in store.list(FOLDER):
        if match := _MARK.fullmatch(entry.path):
            found.setdefault(match[1], []).append(int(match[2]))
    return {id: sorted(numbers) for id, numbers in found.items()}


def _mark_path(id: str, number: int) -> str:
    return f"{FOLDER}/{id}.{number}{FINAL}"


def _is_over(store: Store, mark: str) -> bool:
    """Say whether the run that made a mark is proven to have ended."""
    process, run = _marker(store, mark)
    return process.is_gone or (process == this_process() and run not in _runs)


def _marker(store: Store, mark: str) -> tuple[Process, str]:
    """Return whose run made a mark; one that was removed meanwhile was nobody's we know."""
    try:
        document = read_json(store, mark)
        return Process(**take(document, "process", dict, of=mark)), take(document, "run", str, of=mark)
    except NotFoundError:
        return Process("", 0, "", ""), ""
    except TypeError as error:
        raise IntegrityError(f"{mark} is no mark of a collector.") from error


def _texts(values: list[object], *, of: str) -> tuple[str, ...]:
    texts = tuple(value for value in values if isinstance(value, str))
    if len(texts) != len(values):
        raise IntegrityError(f"{of} is no condemned list: a file is no text.")
    return texts
