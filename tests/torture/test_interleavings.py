"""Seeded interleavings of writers, readers and maintenance, in which processes die and stop at any step.

A failing seed prints the command that replays it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DRIVER = Path(__file__).with_name("driver.py")
ROOT = DRIVER.parents[2]
IN_ONE_TEST = 10
SEEDS = range(0, 300, IN_ONE_TEST)
FIRST, LAST = (int(seed) for seed in os.environ.get("TORTURE_SEEDS", "1000-11000").split("-"))
MANY_SEEDS = range(FIRST, LAST, 10 * IN_ONE_TEST)
"""`TORTURE_SEEDS=2000-3000 make torture` runs a piece of them; each test is a hundred seeds"""
TURNS, MANY_TURNS = 16, 30

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a process costs seconds where none can fork")


@pytest.fixture(scope="module")
def driver() -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, DRIVER], stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:
        yield process
        process.communicate(timeout=60)


def ask(driver: subprocess.Popen[str], **job: object) -> list[str]:
    """Let the driver do a job, and return its objections."""
    assert driver.stdin is not None
    assert driver.stdout is not None
    driver.stdin.write(json.dumps(job) + "\n")
    driver.stdin.flush()
    found: list[str] = json.loads(driver.stdout.readline())
    return found


def check_seeds(driver: subprocess.Popen[str], seeds: range, turns: int) -> None:
    for seed in seeds:
        found = ask(driver, do="interleave", seed=seed, turns=turns)
        assert not found, "\n".join([f"python tests/torture/replay.py {seed} --turns {turns}", *found])


@pytest.mark.parametrize("first", SEEDS)
def test_no_interleaving_breaks_a_promise(driver: subprocess.Popen[str], first: int) -> None:
    check_seeds(driver, range(first, first + IN_ONE_TEST), TURNS)


@pytest.mark.torture
@pytest.mark.parametrize("first", MANY_SEEDS)
def test_no_longer_interleaving_breaks_one_either(driver: subprocess.Popen[str], first: int) -> None:
    check_seeds(driver, range(first, min(LAST, first + 10 * IN_ONE_TEST)), MANY_TURNS)


@pytest.mark.parametrize("seed", [3, 4])
def test_a_seed_replays_the_same_turns(seed: int) -> None:
    """What each turn came to is the same again; names and times of the lake are others."""
    command = [sys.executable, str(DRIVER.with_name("replay.py")), str(seed)]
    runs = [subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False) for _ in range(2)]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stdout + runs[0].stderr
    first, second = ([line for line in run.stdout.splitlines() if " -> " in line] for run in runs)
    assert first == second
    assert len(first) > TURNS
