"""One process at one lake: it keeps the lease on what is read here, and the intents of what is written.

The protocol is that of `catalog.claims`. A session lives as long as its store; a daemon thread renews the
leases of all sessions of the process, and they are deleted when the process ends in order.
"""

from __future__ import annotations

import atexit
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar
from weakref import WeakSet

from lakehouse.catalog.authors import author_of
from lakehouse.catalog.claims import Held, Intent, Lease, encode_intent, encode_lease, fence_key, lease_path
from lakehouse.catalog.condemned import files_being_deleted
from lakehouse.catalog.documents import now_iso, storable
from lakehouse.catalog.holdings import Holdings, State
from lakehouse.catalog.process import this_process
from lakehouse.errors import LakehouseError, LeaseExpiredError, NotFoundError, StorageError
from lakehouse.store import Store

TIME_TO_LIVE_VARIABLE = "LAKEHOUSE_LEASE_SECONDS"
_TIME_TO_LIVE_S = 900.0
_BEATS = 3

Version = TypeVar("Version", bound=State)


def session_of(store: Store) -> Session:
    """Return the session of this process at a lake; it begins with its first claim."""
    found = store.claims
    if not isinstance(found, Session):
        with _beginning:
            found = store.claims if isinstance(store.claims, Session) else Session(store)
            store.claims = found
    return found


class Session:
    """What this process holds of one lake; safe to share between threads, and another in a forked child."""

    _id: str
    _number: int
    """of the newest renewal; 0 before the first"""
    _oldest: int
    """of the renewals that still stand"""
    _unsettled: int
    """writes that may have left files behind"""
    _holdings: Holdings

    def __init__(self, store: Store) -> None:
        self._store = store
        self._expired = False
        self._begin()
        self._lock = threading.RLock()
        _sessions.add(self)

    @property
    def expired(self) -> bool:
        """Whether this process was ever taken for dead: what it held before may be gone."""
        return self._expired

    def follow(self, table: str, look: Callable[[], Version]) -> Version:
        """Hold the heads of a table from now on, and return the present one.

        Args:
            table: its path.
            look: returns the head. What it returns after the lease was published is held; a lake that can
                not be written is read without a lease.
        """
        self._in_this_process()
        if table not in self._looks:
            with self._lock:
                if table not in self._looks:
                    self._look_for_own_lease()
                    self._holdings.add_head(table, look())
                    self._publish_if_possible()
                    self._looks[table] = look
        holdings = self._holdings
        with holdings.looking(table):
            state = look()
            holdings.add_head(table, state)
        return state

    def hold(self, table: str, state: State) -> None:
        """Hold an old version, which a collector may be about to delete.

        Raises:
            NotFoundError: it is being deleted just now.
        """
        self._in_this_process()
        with self._lock:
            self._look_for_own_lease()
            self._holdings.add_version(table, state)
            said = self._said.get(table, Held())
            if state.version in said.versions or (said.since is not None and state.version >= said.since):
                return
            self._publish_if_possible()
        self._refuse_condemned(state, f"Version {state.version} of {table.removeprefix('partitions/')}")

    def hold_set(self, what: str, states: Mapping[str, State]) -> None:
        """Hold the versions of a snapshot or pin.

        Args:
            what: its name, for the message.
            states: by the paths of their manifests.

        Raises:
            NotFoundError: a file of them is being deleted just now.
        """
        self._in_this_process()
        with self._lock:
            self._look_for_own_lease()
            for manifest, state in states.items():
                self._holdings.add_set(manifest, state)
            self._publish_if_possible()
        for state in states.values():
            self._refuse_condemned(state, what)

    def confirm(self, states: Sequence[State], what: str) -> None:
        """Make sure that the lease under which these versions were found still stands.

        Raises:
            LeaseExpiredError: it was taken for dead, and their files may be gone.
            StorageError: the disk or bucket refuses the lease, so nobody else knows of them.
            NotFoundError: a file of them is being deleted just now.
        """
        with self._lock:
            self._in_this_process()
            self._look_for_own_lease()
            if self._unable:
                raise StorageError("The disk or bucket refused the lease, so nothing can be pinned safely.")
            if not all(self._holdings.knows(state) for state in states):
                raise LeaseExpiredError.of(what)
            if self._unsaid:
                self._publish()
                for state in states:
                    self._refuse_condemned(state, what)

    def intend(self, table: str) -> str:
        """Announce once that this session writes a table; return its id, for the names of files.

        Raises:
            StorageError: the disk or bucket refused.
        """
        self._in_this_process()
        with self._lock:
            if table not in self._intents:
                if not self._number:
                    self._publish()
                intent = Intent(self._id, table)
                self._store.put_if_absent(intent.path, encode_intent(intent))
                self._intents.add(table)
            return self._id

    def is_fenced(self, session: str, transactions: Mapping[str, int]) -> bool:
        """Say whether a head refuses the commits of a session; where it is this one, another begins.

        Args:
            session: what `intend` returned.
            transactions: of the head against which the commit will be conditional.
        """
        if fence_key(session) not in transactions:
            return False
        with self._lock:
            if session == self._id:
                self._expire()
        return True

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write files that no commit names yet; a block that raises may leave some behind."""
        with self._lock:
            self._unsettled += 1
        yield
        with self._lock:
            self._unsettled -= 1

    def renew(self) -> None:
        """Renew the lease for what is still in use, unless a collector took this session for dead."""
        with self._lock:
            if not self._number or self._pid != os.getpid():
                return
            self._look_for_own_lease()
            old = self._number
            for table, look in self._looks.items():
                with suppress(LakehouseError):
                    self._holdings.add_head(table, look())  # else an idle process would hold what it saw once
            self._holdings.prune()
            if old and self._publish_if_possible():
                for number in range(self._oldest, old):
                    self._store.delete(lease_path(self._id, number))
                self._oldest = old

    def release(self) -> None:
        """Give everything back; claims stay where a write may have left files, for a collector to find."""
        with self._lock:
            if not self._number or self._pid != os.getpid():
                return
            if not self._unsettled:
                for table in self._intents:
                    self._store.delete(Intent(self._id, table).path)
                for number in range(self._oldest, self._number + 1):
                    self._store.delete(lease_path(self._id, number))
            self._begin()

    def __del__(self) -> None:
        """Release what an abandoned lake held."""
        with suppress(Exception):
            self.release()

    def _begin(self) -> None:
        """Be a new session that holds nothing."""
        self._pid = os.getpid()
        self._id = uuid.uuid4().hex
        self._opened = now_iso()
        self._number, self._oldest, self._unsettled = 0, 1, 0
        self._unable, self._unsaid = False, False
        self._holdings = Holdings()
        self._looks: dict[str, Callable[[], State]] = {}
        self._said: Mapping[str, Held] = {}
        self._intents: set[str] = set()

    def _in_this_process(self) -> None:
        if self._pid != os.getpid():  # a forked child: what it inherited is its parent's
            self._lock = threading.RLock()
            self._begin()

    def _expire(self) -> None:
        self._expired = True
        self._begin()

    def _look_for_own_lease(self) -> None:
        if self._number and self._store.size(lease_path(self._id, self._number)) is None:
            self._expire()

    def _publish_if_possible(self) -> bool:
        """Publish the lease where this process may write; a reader of a read-only lake has none."""
        if self._unable:
            return False
        try:
            self._publish()
        except StorageError:  # readers go on: what was said before still stands
            self._unable, self._unsaid = not self._number, True
            return False
        return True

    def _publish(self) -> None:
        """Publish the next renewal, and look whether the one before it still stands.

        Raises:
            StorageError: the disk or bucket refused.
            LeaseExpiredError: a collector has taken this session for dead.
        """
        tables = self._holdings.tables()
        lease = Lease(
            session=self._id,
            number=self._number + 1,
            process=this_process(),
            author=storable(author_of()),
            opened=self._opened,
            time_to_live_s=time_to_live_s(),
            tables=tables,
            manifests=self._holdings.manifests(),
        )
        self._store.put_if_absent(lease.path, encode_lease(lease))
        if self._number and self._store.size(lease_path(self._id, self._number)) is None:
            self._store.delete(lease.path)
            self._expire()
            raise LeaseExpiredError.of(self._store.url)
        self._number, self._said, self._unsaid = lease.number, tables, False
        _heart.beat()

    def _refuse_condemned(self, state: State, what: str) -> None:
        if self._unable:
            return
        condemned = files_being_deleted(self._store)
        if condemned and any(file.path in condemned for file in state.files):
            raise NotFoundError(
                f"{what} is being deleted by garbage collection just now.",
                hint="Read a later version; a snapshot or a lock would have kept it.",
            )


def time_to_live_s() -> float:
    """Return the seconds without a renewal after which a session may be taken for dead."""
    return float(os.environ.get(TIME_TO_LIVE_VARIABLE) or _TIME_TO_LIVE_S)


class _Heart:
    """The thread that renews the leases of this process."""

    def __init__(self) -> None:
        self._pid = 0

    def beat(self) -> None:
        """Start beating, if this process does not yet."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            threading.Thread(target=self._run, name="lakehouse leases", daemon=True).start()

    def _run(self) -> None:
        while True:
            threading.Event().wait(time_to_live_s() / _BEATS)
            _renew_all()


_beginning = threading.Lock()
_sessions: WeakSet[Session] = WeakSet()
_heart = _Heart()


def _renew_all() -> None:
    for session in list(_sessions):
        with suppress(LakehouseError):  # the next beat tries again
            session.renew()


@atexit.register
def _release_all() -> None:
    for session in list(_sessions):
        with suppress(LakehouseError):
            session.release()
