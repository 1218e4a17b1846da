"""A session: one process at one lake, its lease and intents, and what becomes of them when things fail."""

from __future__ import annotations

import gc
import math
import multiprocessing
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from lakehouse.catalog import session as sessions
from lakehouse.catalog.claims import (
    TIME_TO_LIVE_VARIABLE,
    Held,
    encode_intent,
    fence_key,
    list_intents,
    list_leases,
    time_to_live_s,
)
from lakehouse.catalog.claims import Intent as IntentOf
from lakehouse.catalog.condemned import collecting, mark_final, publish_condemned
from lakehouse.catalog.heart import Heart
from lakehouse.catalog.session import Session, session_of
from lakehouse.errors import ArgumentError, LeaseExpiredError, NotFoundError, StorageError
from lakehouse.store import LocalStore, Store

TABLE = "partitions/market_data/bars/v1"
FOLDERS = ("catalog/leases", "catalog/intents")


class File:
    def __init__(self, path: str) -> None:
        self.path = path


class State:
    def __init__(self, version: int) -> None:
        self.version = version
        self.files = [File(f"{TABLE}/part-{version}.parquet")]


class Table:
    """A table whose head moves on."""

    def __init__(self, version: int = 5) -> None:
        self.state = State(version)

    def head(self) -> State:
        return self.state


@pytest.fixture
def session(store: Store) -> Iterator[Session]:
    made = session_of(store)
    yield made
    made.release()


def claims(store: Store) -> list[str]:
    return [entry.path for folder in FOLDERS for entry in store.list(folder)]


def held(store: Store) -> Held:
    (lease,) = list_leases(store).values()
    return lease.tables[TABLE]


def test_a_process_has_one_session_at_a_lake(store: Store) -> None:
    found: list[Session] = []
    begin = threading.Barrier(8)

    def ask() -> None:
        begin.wait()
        found.append(session_of(store))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


def test_threads_that_read_first_together_publish_one_lease(store: Store, session: Session) -> None:
    table, begin = Table(), threading.Barrier(8)

    def read() -> None:
        begin.wait()
        assert session.follow(TABLE, table.head).version == 5

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claims(store)) == 1
    assert held(store) == Held(5, ())


def test_what_is_the_head_after_the_lease_is_what_is_read(store: Store, session: Session) -> None:
    """Between the first look and the lease the table may move on; the second look counts."""
    table, looks = Table(5), []

    def look() -> State:
        looks.append(len(claims(store)))
        table.state = State(5 + len(looks))
        return table.state

    assert session.follow(TABLE, look).version == 7
    assert looks == [0, 1]
    assert held(store).since == 6


def test_a_beat_lets_go_of_what_nobody_uses(store: Store, session: Session) -> None:
    table = Table(5)
    used = session.follow(TABLE, table.head)
    old = State(2)
    session.hold(TABLE, old)
    assert held(store) == Held(5, (2,))
    table.state = State(9)
    session.renew()
    assert held(store) == Held(5, (2,))
    del used, old
    session.renew()
    assert held(store) == Held(9, ())


def test_two_views_of_one_table_hold_no_more_than_their_heads(store: Store, session: Session) -> None:
    """An older view, which nobody used, once kept the version that it had seen for ever."""
    views = [Table(5), Table(5)]
    for view in views:
        session.follow(TABLE, view.head)
    for view in views:
        view.state = State(9)
    session.renew()
    assert held(store).since == 9


def test_a_session_that_ends_leaves_nothing(store: Store, session: Session) -> None:
    session.follow(TABLE, Table().head)
    session.intend(TABLE)
    for _ in range(3):
        session.renew()
    session.release()
    assert claims(store) == []


def test_a_write_that_failed_leaves_the_claims_to_a_collector(store: Store, session: Session) -> None:
    session.intend(TABLE)
    with pytest.raises(ZeroDivisionError), session.writing():
        raise ZeroDivisionError
    session.release()
    assert len(claims(store)) == 2


def test_a_write_during_which_the_session_ended_counts_for_the_old_one(
    store: Store, session: Session
) -> None:
    """The next session once began with one write less than none, and kept or gave back its claims wrongly."""
    writer = session.intend(TABLE)
    with session.writing():
        assert session.is_fenced(writer, {fence_key(writer): 0})
    assert session.intend(TABLE) != writer
    session.release()
    assert [intent.session for intent in list_intents(store)] == [writer]


def test_a_lease_that_was_deleted_is_noticed(
    store: Store, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody deletes it before its time to live is over, so nobody looks before."""
    state = session.follow(TABLE, Table().head)
    assert not session.expired
    store.delete(claims(store)[0])
    assert session.expired
    monkeypatch.setattr("lakehouse.catalog.session.boot_time_s", lambda: math.inf)
    with pytest.raises(LeaseExpiredError, match="lease on it expired"):
        session.confirm([state], "it")
    assert session.follow(TABLE, Table().head).version == 5
    assert len(list_leases(store)) == 1


def test_a_version_that_was_never_held_is_not_confirmed(session: Session) -> None:
    session.follow(TABLE, Table().head)
    with pytest.raises(LeaseExpiredError):
        session.confirm([State(5)], "it")


def test_an_old_version_that_is_being_deleted_is_refused_and_not_held(store: Store, session: Session) -> None:
    session.follow(TABLE, Table().head)
    condemned = publish_condemned(store, [f"{TABLE}/part-2.parquet"], {}, author="ada")
    first = State(2)
    session.hold(TABLE, first)
    with collecting() as run:
        mark_final(store, condemned, run=run, author="ada")
    late = State(2)
    session._said = {}  # as a session has that did not hold it before
    with pytest.raises(NotFoundError, match="Version 2 of market_data/bars/v1 is being deleted"):
        session.hold(TABLE, late)
    with pytest.raises(LeaseExpiredError):
        session.confirm([late], "it")


def test_what_was_refused_once_is_refused_again(store: Store, session: Session) -> None:
    """The lease that was published for the first look once stood for a look that went well."""
    session.follow(TABLE, Table().head)
    condemned = publish_condemned(store, [f"{TABLE}/part-2.parquet"], {}, author="ada")
    with collecting() as run:
        mark_final(store, condemned, run=run, author="ada")
    for _ in range(2):
        again = State(2)
        with pytest.raises(NotFoundError, match="is being deleted"):
            session.hold(TABLE, again)
        with pytest.raises(LeaseExpiredError):
            session.confirm([again], "it")


def test_a_version_whose_look_failed_is_not_held(
    store: Store, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.follow(TABLE, Table().head)
    old = State(2)
    with monkeypatch.context() as patch:
        patch.setattr(
            "lakehouse.catalog.condemned.files_being_deleted", Mock(side_effect=StorageError("lost"))
        )
        with pytest.raises(StorageError):
            session.hold(TABLE, old)
    session.renew()
    assert held(store) == Held(5, ())


class Deaf(LocalStore):
    """A bucket that stores what it gets, and whose answer is lost."""

    deaf: type[Exception] | None = None

    def put_if_absent(self, path: str, data: bytes) -> None:
        super().put_if_absent(path, data)
        if self.deaf and path.startswith(FOLDERS):
            raise self.deaf("lost")


@pytest.fixture
def deaf(store: Store) -> Iterator[Deaf]:
    made = Deaf(Path(store.url))
    yield made
    session_of(made).release()


def test_a_renewal_whose_answer_was_lost_is_followed_by_the_next(deaf: Deaf) -> None:
    """It once was tried for ever under the same number, until the session was taken for dead."""
    session = session_of(deaf)
    session.follow(TABLE, Table().head)
    deaf.deaf = StorageError
    session.renew()
    deaf.deaf = None
    session.renew()
    (lease,) = list_leases(deaf).values()
    assert lease.number == 3
    session.release()
    assert claims(deaf) == []


def test_an_intent_whose_answer_was_lost_is_our_own(deaf: Deaf) -> None:
    session = session_of(deaf)
    session.follow(TABLE, Table().head)
    (lease,) = list_leases(deaf).values()
    mine = IntentOf(lease.session, TABLE)
    deaf.put_if_absent(mine.path, encode_intent(mine))
    assert session.intend(TABLE) == lease.session


class ReadOnly(LocalStore):
    """A disk that nobody may write."""

    refuses = True

    def put_if_absent(self, path: str, data: bytes) -> None:
        if self.refuses:
            raise StorageError("read-only")
        super().put_if_absent(path, data)


def test_a_lake_that_can_not_be_written_is_read_without_a_lease(store: Store) -> None:
    session = session_of(ReadOnly(Path(store.url)))
    state = session.follow(TABLE, Table().head)
    session.hold(TABLE, State(2))
    session.renew()
    assert (state.version, claims(store)) == (5, [])
    with pytest.raises(StorageError, match="can not be pinned: read-only"):
        session.confirm([state], "it")
    with pytest.raises(StorageError):
        session.intend(TABLE)


def test_a_refusal_that_is_remembered_keeps_nothing_of_its_callers(store: Store) -> None:
    """Its frames held a DuckDB instance, which a forked child freed, waiting for threads of its parent."""
    session = session_of(ReadOnly(Path(store.url)))

    def caller() -> weakref.ReferenceType[Table]:
        table = Table()
        session.hold(TABLE, table.head())
        return weakref.ref(table)

    of_caller = caller()
    gc.collect()
    assert of_caller() is None


def test_what_a_full_disk_kept_from_the_lease_is_read_and_not_pinned(store: Store) -> None:
    disk = ReadOnly(Path(store.url))
    disk.refuses = False
    session = session_of(disk)
    session.follow(TABLE, Table().head)
    disk.refuses = True
    other = "partitions/market_data/other/v1"
    table = Table(3)
    state = session.follow(other, table.head)
    disk.refuses = False
    session.renew()
    with pytest.raises(StorageError, match="can not be pinned: read-only"):
        session.confirm([state], "it")
    session.confirm([session.follow(other, table.head)], "it")
    session.release()


def in_child(act: Callable[[], bool]) -> bool:
    """Run an action in a forked child, and say whether it was true."""
    child = os.fork()
    if child == 0:
        os._exit(0 if act() else 1)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    raise TimeoutError("the child hangs")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_forked_child_gives_nothing_back_that_is_its_parents(store: Store, session: Session) -> None:
    session.follow(TABLE, Table().head)
    before = claims(store)

    def give_back() -> bool:
        session.release()
        return True

    assert in_child(give_back)
    assert claims(store) == before
    session.renew()
    assert not session.expired


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_forked_child_has_a_lease_of_its_own(store: Store, session: Session) -> None:
    session.follow(TABLE, Table().head)

    def read() -> bool:
        session.follow(TABLE, Table().head)
        both = len(list_leases(store)) == 2
        session.release()
        return both and len(list_leases(store)) == 1

    assert in_child(read)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_child_does_not_wait_for_locks_that_threads_of_its_parent_hold(
    store: Store, session: Session
) -> None:
    session.follow(TABLE, Table().head)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with session._lock, sessions._beginning:
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    fresh = LocalStore(Path(store.url))

    def begin_anew() -> bool:
        session.release()
        return not session_of(fresh).expired

    assert in_child(begin_anew)
    done.set()
    thread.join()


def test_the_heart_outlives_whatever_a_lake_raises(
    store: Store, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that is none of ours once ended the thread, and with it every lease of the process."""
    monkeypatch.setenv(TIME_TO_LIVE_VARIABLE, "0.15")
    table = Table()

    def look() -> State:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("a bug")
        return table.state

    session.follow(TABLE, look)
    monkeypatch.setattr(sessions, "_heart", Heart(sessions._renew_all, sessions._release_all))
    good = session_of(LocalStore(Path(store.url)))
    good.follow(TABLE, table.head)
    time.sleep(0.5)
    numbers = [lease.number for lease in list_leases(store).values()]
    assert max(numbers) >= 3
    good.release()


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_a_time_to_live_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TIME_TO_LIVE_VARIABLE, text)
    with pytest.raises(ArgumentError, match="LAKEHOUSE_LEASE_SECONDS must be a number of seconds above 0"):
        time_to_live_s()


def test_a_store_that_travels_takes_no_claims_along(store: Store, session: Session) -> None:
    session.follow(TABLE, Table().head)
    assert "claims" not in store.__getstate__()


def read_in_child(url: str) -> None:
    session_of(LocalStore(Path(url))).follow(TABLE, Table().head)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_of_multiprocessing_leaves_no_claim(store: Store, method: str) -> None:
    """It ends without what `atexit` would run."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system can not {method}")
    context: Any = multiprocessing.get_context(method)
    child = context.Process(target=read_in_child, args=(store.url,))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert claims(store) == []
