"""Coordinators that are killed at random leave a plan that the others end, exactly once."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import lakehouse

NAME = "market_data.bars_1d"
Vendor = Callable[..., Path]
Serial = Callable[[Path], str]
CHILD = f"""
import sys
import lakehouse

def tell(progress):
    print(progress.done, flush=True)

lake = lakehouse.open(sys.argv[1])
report = lake.backfill("{NAME}", sys.argv[2], commit_bytes=1, executor=sys.argv[3], workers=1, progress=tell)
assert report.ok
"""


def start(lake: lakehouse.Lake, folder: Path, executor: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, lake.url, str(folder), executor]
    root = Path(lakehouse.__file__).parents[1]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)


def kill_after(lines: int, child: subprocess.Popen[str]) -> None:
    """Kill a process when it has told its progress so many times, or let it end before."""
    assert child.stdout is not None
    for _ in range(lines):
        if not child.stdout.readline():
            break
    child.kill()


def check(lake: lakehouse.Lake, folder: Path, digest: str, chunks: int) -> None:
    product = lake[NAME]
    assert product.digest == digest
    assert [entry for entry in lake.store.list("catalog/backfills") if "/claims/" in entry.path] == []
    commits = [commit for commit in product.history() if commit.operation == "backfill"]
    assert set(Counter(key for commit in commits for key in commit.chunks).values()) == {1}
    assert sum(commit.duplicates for commit in commits) == 0
    assert sum(len(commit.chunks) for commit in commits) == chunks
    before = {entry.path: entry.size for entry in lake.store.list("") if "/leases/" not in entry.path}
    again = lake.backfill(NAME, folder, commit_bytes=1)
    assert (again.skipped, again.committed, again.versions) == (chunks, 0, ())
    assert {e.path: e.size for e in lake.store.list("") if "/leases/" not in e.path} == before
    lake.gc(dry_run=False, grace="0s")
    assert lake.doctor().findings == ()
    (status,) = lake.backfills(NAME)
    assert (status.ok, status.done, status.running, status.pending) == (True, chunks, 0, 0)


def run(lake: lakehouse.Lake, folder: Path, seed: int, workers: int, executor: str) -> None:
    """Start coordinators, and kill all but one at random places; the last one has to end the plan."""
    chance = random.Random(seed)
    children = [start(lake, folder, executor) for _ in range(workers)]
    try:
        for child in children[:-1]:
            kill_after(chance.randrange(1, 6), child)
        assert children[-1].stdout is not None
        children[-1].stdout.read()
        assert children[-1].wait() == 0
    finally:
        for child in children:
            with child:  # waits, and closes its pipe
                child.kill()


def test_the_last_of_three_coordinators_ends_what_the_killed_ones_began(
    lake: lakehouse.Lake, vendor: Vendor, serial: Serial
) -> None:
    folder = vendor(16)
    run(lake, folder, seed=1, workers=3, executor="threads")
    check(lake, folder, serial(folder), 16)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(16))
def test_eight_coordinators_killed_at_random(
    lake: lakehouse.Lake, vendor: Vendor, serial: Serial, seed: int
) -> None:
    executor = "processes" if seed % 4 == 0 else "threads"
    folder = vendor(40)
    run(lake, folder, seed, workers=8, executor=executor)
    check(lake, folder, serial(folder), 40)
