"""What a session holds: the versions that are in use in this process, by weak references to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, Protocol
from weakref import ReferenceType, ref

from lakehouse.catalog.claims import Held

_MANY = 256

Refs = list[ReferenceType[Any]]


class File(Protocol):
    """A data file of a version."""

    @property
    def path(self) -> str:
        """Relative to the root."""


class State(Protocol):
    """One version of one product; `partitions.state.TableState` is one."""

    @property
    def version(self) -> int:
        """The commit."""

    @property
    def files(self) -> Sequence[File]:
        """The data files."""


class Holdings:
    """Heads that are followed, old versions, and checked-out sets; a version goes when nobody uses it."""

    def __init__(self) -> None:
        self._followed: dict[str, Refs] = {}
        self._held: dict[str, Refs] = {}
        self._sets: dict[str, Refs] = {}
        self._floors: dict[str, int] = {}
        self._latest: dict[str, int] = {}
        self._looking: dict[str, list[int]] = {}
        self._lock = Lock()

    @contextmanager
    def looking(self, table: str) -> Iterator[None]:
        """Look at the head of a table: what is found is no older than what was found before."""
        with self._lock:
            bound = self._latest.get(table, 0)
            self._looking.setdefault(table, []).append(bound)
        try:
            yield
        finally:
            with self._lock:
                self._looking[table].remove(bound)

    def add_head(self, table: str, state: State) -> None:
        """Note a version that was seen as the head."""
        with self._lock:
            self._floors.setdefault(table, state.version)
            self._latest[table] = max(state.version, self._latest.get(table, 0))
            _remember(self._followed.setdefault(table, []), state)

    def add_version(self, table: str, state: State) -> None:
        """Note an old version."""
        with self._lock:
            _remember(self._held.setdefault(table, []), state)

    def add_set(self, manifest: str, state: State) -> None:
        """Note a version of a snapshot or pin."""
        with self._lock:
            _remember(self._sets.setdefault(manifest, []), state)

    def forget(self, states: Iterable[State]) -> None:
        """Take back what was noted of some versions."""
        unwanted = {id(state) for state in states}
        with self._lock:
            for refs in (*self._followed.values(), *self._held.values(), *self._sets.values()):
                refs[:] = [each for each in refs if id(each()) not in unwanted]

    def knows(self, state: State) -> bool:
        """Say whether this very version was noted."""
        with self._lock:
            everything = (*self._followed.values(), *self._held.values(), *self._sets.values())
            return any(each() is state for refs in everything for each in refs)

    def prune(self) -> None:
        """Forget what nobody uses any more, and raise the floor of each table to the oldest head in use."""
        with self._lock:
            for refs in (self._followed, self._held, self._sets):
                for key, each in list(refs.items()):
                    each[:] = [one for one in each if one() is not None]
                    if not each and refs is not self._followed:
                        del refs[key]
            for table, heads in self._followed.items():
                used = [*_versions(heads), *self._looking.get(table, ())]
                self._floors[table] = min(used, default=self._latest[table])

    def tables(self) -> dict[str, Held]:
        """Return what is held of each table."""
        found = {}
        for table in sorted(self._followed.keys() | self._held.keys()):
            since = self._floors.get(table)
            old = sorted({v for v in _versions(self._held.get(table, ())) if since is None or v < since})
            found[table] = Held(since, tuple(old))
        return found

    def manifests(self) -> tuple[str, ...]:
        """Return the manifests of the sets that are held."""
        return tuple(sorted(self._sets))


def _remember(refs: Refs, state: State) -> None:
    if refs and refs[-1]() is state:
        return
    if len(refs) >= _MANY and len(refs) & (len(refs) - 1) == 0:  # now and then: a loop over old versions
        refs[:] = [each for each in refs if each() is not None]
    refs.append(ref(state))


def _versions(refs: Iterable[ReferenceType[Any]]) -> Iterator[int]:
    for each in refs:
        state = each()
        if state is not None and state.files:  # an empty version needs no file to stay
            yield state.version
