"""Real processes that race for a name, and processes that are killed: for each implementation."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from lakehouse.store import Store

Run = Callable[..., subprocess.Popen[str]]

# Waits for a line before each race, so that all start at once, and then says how it ended.
RACER = """
import sys
from lakehouse.errors import AlreadyExistsError
from lakehouse.store import open_store
store, me = open_store(sys.argv[1]), sys.argv[2]
store.size("warm")
print("ready")
for line in sys.stdin:
    try:
        if int(me) % 2:
            store.put_if_absent(f"race/{line.strip()}", me.encode() * 1000)
        else:
            with store.stage(f"race/{line.strip()}") as file:
                file.write_bytes(me.encode() * 1000)
        print("won")
    except AlreadyExistsError:
        print("lost")
"""

COUNTER = """
import sys
from lakehouse.store import open_store
store = open_store(sys.argv[1])
for _ in range(10):
    with store.lock("t/commit"):
        taken = len(list(store.list("t")))
        store.put_if_absent(f"t/{taken}", b"1")
"""

STAGER = """
import sys
from lakehouse.store import open_store
with open_store(sys.argv[1]).stage("t/part") as file:
    file.write_bytes(b"half")
    print("halfway")
    sys.stdin.readline()
"""

# Says each name once its put has returned: what was said must be there.
WRITER = """
import sys
from lakehouse.store import open_store
store, me = open_store(sys.argv[1]), sys.argv[2]
for number in range(100_000):
    store.put_if_absent(f"t/{me}-{number}", f"{me}-{number} ".encode() * 5000)
    print(f"t/{me}-{number}")
"""

HOLDER = """
import sys
from lakehouse.store import open_store
with open_store(sys.argv[1]).lock("t/commit"):
    print("held")
    sys.stdin.readline()
"""


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def test_of_many_processes_exactly_one_wins_each_name(store: Store, run: Run) -> None:
    racers = [run(RACER, str(number)) for number in range(5)]
    assert [line_of(racer) for racer in racers] == ["ready"] * 5
    for number in range(20):
        for racer in racers:
            tell(racer, f"{number}")
        ends = [line_of(racer) for racer in racers]
        assert sorted(ends) == ["lost"] * 4 + ["won"]
        assert store.get(f"race/{number}") == str(ends.index("won")).encode() * 1000


def test_a_lock_queues_processes(store: Store, run: Run) -> None:
    writers = [run(COUNTER) for _ in range(3)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    assert len(list(store.list("t"))) == 30


def test_a_kill_in_the_middle_of_stage_leaves_nothing_visible(store: Store, run: Run) -> None:
    process = run(STAGER)
    assert line_of(process) == "halfway"
    process.kill()
    process.communicate(timeout=10)
    assert list(store.list("")) == []
    assert store.size("t/part") is None
    store.put_if_absent("t/part", b"whole")
    assert store.get("t/part") == b"whole"


def test_a_killed_writer_loses_nothing_it_had_acknowledged(store: Store, run: Run) -> None:
    acknowledged: list[str] = []
    for number in range(4):
        process = run(WRITER, str(number))
        start = [line_of(process)]
        time.sleep(random.uniform(0, 0.2))
        process.kill()
        acknowledged += start + process.communicate(timeout=10)[0].split("\n")[:-1]
    for entry in store.list("t"):
        assert store.get(entry.path) == f"{entry.path[2:]} ".encode() * 5000  # whole, never torn
    assert set(acknowledged) <= {entry.path for entry in store.list("t")}


def test_a_lock_dies_with_its_process(store: Store, run: Run) -> None:
    process = run(HOLDER)
    assert line_of(process) == "held"
    process.kill()
    process.communicate(timeout=10)
    before = time.monotonic()
    with store.lock("t/commit"):
        assert time.monotonic() - before < 10


@pytest.mark.skipif(sys.platform == "win32", reason="Windows can not fork")
def test_a_fork_works_or_says_that_it_can_not(store: Store, run: Run) -> None:
    script = """
import os, sys
from lakehouse.errors import StorageError
from lakehouse.store import open_store
store = open_store(sys.argv[1])
store.put_if_absent("a", b"1")
child = os.fork()
if child == 0:
    try:
        print(store.get("a").decode(), flush=True)
    except StorageError as error:
        print("spawn" in str(error), flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    said = run(script).communicate(timeout=30)[0]
    assert said.strip() == ("True" if store.url.startswith("s3://") else "1")
