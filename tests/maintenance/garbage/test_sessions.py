"""Who is dead: a process that is gone, or one that was seen to stand still for its time to live."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lakehouse
from lakehouse.catalog import process as processes
from lakehouse.catalog.claims import Intent, Lease
from lakehouse.catalog.condemned import Condemned
from lakehouse.catalog.process import Process, this_process
from lakehouse.catalog.session import session_of
from lakehouse.maintenance.sessions import bury, dead_sessions, fence
from lakehouse.times import NS_PER_SECOND

NAME = "market_data.ticks"
TABLE = "partitions/market_data/ticks/v1"


def lease(process: Process, number: int = 3) -> Lease:
    return Lease("aa", number, process, "ada", "2024-01-02T00:00:00Z", 60.0)


def seen(seconds: float, number: int = 3, process: Process | None = None) -> Condemned:
    import time

    then = time.monotonic_ns() - int(seconds * NS_PER_SECOND)
    return Condemned("x", "2024-01-02T00:00:00Z", "bob", process or this_process(), then, (), {"aa": number})


ELSEWHERE = Process("other pid:[1]", 1, "1", "far")


def test_a_process_that_runs_is_not_gone() -> None:
    assert not this_process().is_gone
    assert this_process().is_neighbour


def test_a_process_that_has_ended_is_gone() -> None:
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    assert dataclasses.replace(this_process(), pid=ended.pid).is_gone


def test_another_process_of_the_same_number_is_not_the_same() -> None:
    assert dataclasses.replace(this_process(), started="1").is_gone


def test_a_zombie_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    me = dataclasses.replace(this_process(), pid=child.pid, started=processes._started(child.pid) or "")
    child.stdout.read()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert me.is_gone
    child.communicate()


@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError])
def test_a_process_that_does_not_show_but_takes_signals_is_not_gone(
    error: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where /proc hides the processes of other users, each of them was once taken for dead."""
    me = this_process()
    processes._machine()

    def hidden(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(Path, "read_text", hidden)
    assert not me.is_gone


@pytest.mark.parametrize("machine", ["", "other pid:[1]"])
def test_nobody_knows_whether_a_process_elsewhere_is_gone(machine: str) -> None:
    elsewhere = dataclasses.replace(ELSEWHERE, machine=machine)
    assert not elsewhere.is_gone
    assert not elsewhere.is_neighbour


def test_containers_of_one_machine_share_its_clock() -> None:
    boot = this_process().machine.split()[0]
    container = dataclasses.replace(this_process(), machine=f"{boot} pid:[7]")
    assert container.shares_clock
    assert not container.is_neighbour


@pytest.mark.parametrize(
    ("seconds", "number", "dead"), [(61, 3, True), (59, 3, False), (61, 2, False), (61, 4, False)]
)
def test_a_session_is_dead_when_one_renewal_was_seen_for_its_time_to_live(
    seconds: float, number: int, *, dead: bool
) -> None:
    assert dead_sessions([lease(ELSEWHERE)], [], [seen(seconds, number)]) == ({"aa"} if dead else set())


def test_what_another_machine_has_seen_proves_nothing() -> None:
    assert dead_sessions([lease(ELSEWHERE)], [], [seen(10_000, process=ELSEWHERE)]) == set()


def test_an_intent_without_a_lease_is_left_of_a_dead_session() -> None:
    assert dead_sessions([], [Intent("bb", TABLE)], []) == {"bb"}


def test_a_burial_fences_and_ends_the_lease(lake: lakehouse.Lake, root: Path) -> None:
    other = lakehouse.open(root)
    held = other[NAME].scan()
    session = session_of(other.store).intend(TABLE)
    assert bury(lake.store, session, [Intent(session, TABLE)], author="ada")
    assert f"fence:{session}" in lake[NAME].state().transactions
    assert session_of(other.store).expired
    assert held.read().num_rows == 4


def test_a_fence_is_committed_once(lake: lakehouse.Lake) -> None:
    for _ in range(2):
        fence(lake[NAME].table, "00", author="ada")
    assert [commit.operation for commit in lake[NAME].history()].count("fence") == 1
