"""One process at one lake: it keeps the lease on what is read here, and the intents of what is written.

The protocol is that of `catalog.claims`. A session lives as long as its store; a daemon thread renews the
leases of all sessions of the process, and they are deleted when the process ends in order.
"""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TypeVar
from weakref import WeakSet

from lakehouse.catalog import heart
from lakehouse.catalog.authors import author_of
from lakehouse.catalog.claims import (
    Held,
    Intent,
    Lease,
    encode_intent,
    encode_lease,
    fence_key,
    lease_path,
    time_to_live_s,
)
from lakehouse.catalog.documents import now_iso
from lakehouse.catalog.holdings import Holdings, State
from lakehouse.catalog.process import boot_time_s, this_process
from lakehouse.errors import (
    AlreadyExistsError,
    LakehouseError,
    LeaseExpiredError,
    NotFoundError,
    StorageError,
)
from lakehouse.names import fresh_id
from lakehouse.store import Store

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
    _superseded: list[tuple[int, float]]
    """older renewals that still stand, and when the next one took over"""
    _unsettled: int
    """writes that may have left files behind"""
    _unable: bool
    """the disk or bucket refused the last renewal"""
    _holdings: Holdings
    _said: Mapping[str, Held]
    """what the newest renewal says, which was looked up in the condemned lists"""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._expired = False
        self._lock = threading.RLock()
        self._begin()
        _sessions.add(self)

    @property
    def expired(self) -> bool:
        """Whether this process was ever taken for dead: what it held before may be gone."""
        return self._expired or self._is_lease_gone()

    def follow(self, table: str, look: Callable[[], Version]) -> Version:
        """Hold the heads of a table from now on, and return the present one.

        Args:
            table: its path.
            look: returns the head. What it returns after the lease was published is held; a lake that can
                not be written is read without a lease.
        """
        # Before the look whether it is followed: where the session ends in between, what is found is noted in
        # holdings that nobody vouches for any more.
        holdings = self._holdings
        if look not in self._looks:
            holdings = self._begin_to_follow(table, look)
        with holdings.looking(table):
            state = look()
            holdings.add_head(table, state)
        return state

    def hold(self, table: str, state: State) -> None:
        """Hold an old version, which a collector may be about to delete.

        Raises:
            NotFoundError: it is being deleted just now.
        """
        with self._lock:
            self._look_for_own_lease()
            self._holdings.add_version(table, state)
            said = self._said.get(table, Held())
            if state.version in said.versions or (said.since is not None and state.version >= said.since):
                return
            self._publish_if_possible(state)
            try:  # within the lock: what the lease says counts for other threads as looked at
                self._refuse_condemned(table, state)
            except BaseException:
                self._holdings.forget([state])
                self._said = {}
                raise

    def hold_set(self, states: Mapping[str, State]) -> None:
        """Hold the versions of a snapshot or pin, if it was not dropped before this returns.

        No condemned list is looked at: a collector looks at snapshots and pins after it has marked its list,
        and between two looks at the leases, so it sees either the set or the lease on it.

        Args:
            states: by the paths of their manifests.
        """
        with self._lock:
            self._look_for_own_lease()
            for manifest, state in states.items():
                self._holdings.add_set(manifest, state)
            self._publish_if_possible(*states.values())

    def confirm(self, states: Iterable[State], what: str) -> None:
        """Make sure that the lease under which these versions were found still stands.

        Raises:
            LeaseExpiredError: it was taken for dead, and their files may be gone.
            StorageError: the disk or bucket refused it.
        """
        with self._lock:
            try:
                if self._is_lease_gone():  # looked up, since the clock of a paused machine stands still
                    self._expire()
            except StorageError:  # what was published can not be withdrawn now: a young lease vouches for it
                if not self._is_young():
                    raise
            known = self._number and all(self._holdings.knows(state) for state in states)
            if self._refusal and (self._unable or not known):
                raise StorageError(f"{what} is not held, so it can not be pinned: {self._refusal}")
            if not known:
                raise LeaseExpiredError.of(what)

    def intend(self, table: str) -> str:
        """Announce once that this session writes a table; return its id, for the names of files.

        Raises:
            StorageError: the disk or bucket refused.
        """
        with self._lock:
            if table not in self._intents:
                if not self._number:
                    self._publish()
                intent = Intent(self._id, table)
                with suppress(AlreadyExistsError):  # it is our own: an answer of the store was lost
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
            session = self._id
            self._unsettled += 1
        yield
        with self._lock:
            if session == self._id:
                self._unsettled -= 1

    def renew(self) -> None:
        """Renew the lease for what is still in use, unless a collector took this session for dead."""
        with self._lock:
            self._look_for_own_lease()
            if not self._number:
                return
            for look, table in self._looks.items():
                with suppress(LakehouseError):
                    self._holdings.add_head(table, look())  # else an idle process would hold what it saw once
            self._holdings.prune()
            if self._publish_if_possible():
                self._delete_superseded(time.monotonic() - time_to_live_s() / heart.BEATS)

    def release(self) -> None:
        """Give everything back; claims stay where a write may have left files, for a collector to find."""
        with self._lock:
            if self._number and not self._unsettled:
                for table in self._intents:
                    self._store.delete(Intent(self._id, table).path)
                self._delete_superseded(time.monotonic())
                self._store.delete(lease_path(self._id, self._number))
            self._begin()

    def __del__(self) -> None:
        """Release what an abandoned lake held."""
        with suppress(Exception):
            self.release()

    def _begin(self) -> None:
        """Be a new session that holds nothing."""
        self._id = fresh_id()
        self._opened = now_iso()
        self._number, self._superseded, self._unsettled = 0, [], 0
        self._unable = False
        self._refusal = ""  # its message: the error itself would keep the frames of its callers alive
        self._renewed_s = -math.inf
        self._looks: dict[Callable[[], State], str] = {}
        self._holdings = Holdings()
        self._said = {}
        self._intents: set[str] = set()

    def begin_in_child(self) -> None:
        """Be another session in a forked child: what it inherited is its parent's, and a lock may be held."""
        self._lock = threading.RLock()
        # Kept, not freed: what hangs on it may need threads of the parent to end.
        _inherited.append(dict(vars(self)))
        self._begin()

    def _begin_to_follow(self, table: str, look: Callable[[], State]) -> Holdings:
        """Publish a lease that holds the heads of a table; return where to note what is seen of it."""
        with self._lock:
            if look not in self._looks:
                self._look_for_own_lease()
                state = look()
                self._holdings.add_head(table, state)
                if not self._publish_if_possible(state) and self._number:
                    return Holdings()  # not held, so it can be read and not pinned; the next call tries again
                self._looks[look] = table
            return self._holdings

    def _expire(self) -> None:
        self._expired = True
        self._begin()

    def _is_lease_gone(self) -> bool:
        number = self._number
        return bool(number) and self._store.size(lease_path(self._id, number)) is None

    def _look_for_own_lease(self) -> None:
        """Begin anew if a collector took this session for dead, which needs the whole time to live."""
        if not self._is_young() and self._is_lease_gone():
            self._expire()

    def _is_young(self) -> bool:
        return boot_time_s() - self._renewed_s <= time_to_live_s() / 2

    def _publish_if_possible(self, *states: State) -> bool:
        """Publish the lease where this process may write; a reader of a read-only lake has none.

        Args:
            states: what it would hold for the first time, and what is not held where the disk refuses.
        """
        if self._unable and not self._number:
            return False
        try:
            self._publish()
        except StorageError as error:
            self._unable, self._refusal = True, error.message
            self._holdings.forget(states)
            return False
        return True

    def _publish(self) -> None:
        """Publish the next renewal, and look whether the one before it still stands.

        Raises:
            StorageError: the disk or bucket refused.
            LeaseExpiredError: a collector has taken this session for dead.
        """
        begun_s = boot_time_s()
        tables = self._holdings.tables()
        number = self._number + 1
        while not self._put_lease(number, tables):
            number += 1
        if self._is_lease_gone():
            self._store.delete(lease_path(self._id, number))
            self._expire()
            raise LeaseExpiredError.of(self._store.url)
        now = time.monotonic()
        self._superseded += [(old, now) for old in range(max(1, self._number), number)]
        self._number, self._said, self._unable, self._renewed_s = number, tables, False, begun_s
        _heart.beat()

    def _put_lease(self, number: int, tables: Mapping[str, Held]) -> bool:
        """Publish one renewal; False if it is there already, since an answer of the store was lost."""
        lease = Lease(
            session=self._id,
            number=number,
            process=this_process(),
            author=author_of(),
            opened=self._opened,
            time_to_live_s=time_to_live_s(),
            tables=tables,
            manifests=self._holdings.manifests(),
        )
        try:
            self._store.put_if_absent(lease.path, encode_lease(lease))
        except AlreadyExistsError:
            return False
        return True

    def _delete_superseded(self, until: float) -> None:
        """Delete the renewals that have had a later one since `until`: no listing that long can miss both."""
        while self._superseded and self._superseded[0][1] <= until:
            self._store.delete(lease_path(self._id, self._superseded[0][0]))
            del self._superseded[0]

    def _refuse_condemned(self, table: str, state: State) -> None:
        from lakehouse.catalog.condemned import files_being_deleted  # old versions are rarely asked for

        if self._unable:
            return
        condemned = files_being_deleted(self._store)
        if condemned and any(file.path in condemned for file in state.files):
            raise NotFoundError(
                f"Version {state.version} of {table.removeprefix('partitions/')} is being deleted by garbage "
                "collection just now.",
                hint="Read a later version; a snapshot or a lock would have kept it.",
            )


_beginning = threading.Lock()
_sessions: WeakSet[Session] = WeakSet()
_inherited: list[object] = []
"""what the sessions of a forked child held in its parent"""


def _open_sessions() -> list[Session]:
    with _beginning:  # a set that grows meanwhile can not be listed
        return list(_sessions)


def _renew_all() -> None:
    for session in _open_sessions():
        with suppress(Exception):  # whatever it was: a heart that stops would end every lease of the process
            session.renew()


@atexit.register
def _release_all() -> None:
    for session in _open_sessions():
        with suppress(LakehouseError):
            session.release()


_heart = heart.Heart(_renew_all, _release_all)


def _after_fork() -> None:
    """Give a child locks and sessions of its own: other threads of the parent may have held the old locks."""
    global _beginning
    _beginning = threading.Lock()
    for session in _open_sessions():
        session.begin_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
