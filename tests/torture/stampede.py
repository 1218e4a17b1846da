"""Processes that all work at the same time; some are killed, some stopped for a while, at random."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.torture import worker
from tests.torture.history import Journal
from tests.torture.operations import Hand
from tests.torture.plan import Step, plan
from tests.torture.pulse import Pulse

SECONDS = 120


def stampede(root: Path, seed: int, *, workers: int, turns: int) -> list[str]:
    """Let processes run at once, each with the steps of a seed of its own; return what went wrong."""
    journals = root / "journals"
    journals.mkdir(parents=True)
    chance = random.Random(seed)
    [first, *_] = plan(seed)
    for number, steps in enumerate([[first.step], *(_steps(seed, me, turns) for me in range(workers))]):
        each = multiprocessing.Process(target=_run, args=(root, journals / f"{number}.jsonl", steps, seed))
        each.start()
        if not number:  # it makes the products
            each.join(SECONDS)
    running: list[BaseProcess] = list(multiprocessing.active_children())
    deadline = time.monotonic() + SECONDS
    while running and time.monotonic() < deadline:
        time.sleep(chance.uniform(0.02, 0.2))
        running = [process for process in running if process.is_alive()]
        if running and chance.random() < 0.3:
            _stop_for_a_while(chance.choice(running), chance.uniform(0.05, 0.8))
        elif len(running) > 1 and chance.random() < 0.1:
            chance.choice(running).kill()
    for process in running:
        process.kill()
        process.join()
    return [f"{len(running)} processes did not end within {SECONDS} s"] if running else []


def _run(root: Path, journal: Path, steps: list[Step], seed: int) -> None:
    worker.prepare()
    hand, log = Hand(root), Journal(journal)
    pulse = Pulse(log, float(worker.LEASE_SECONDS))
    for step in steps:
        worker.attempt(hand, log, step, pulse.look)
    os._exit(0)


def _steps(seed: int, me: int, turns: int) -> list[Step]:
    """Return steps under names of their own; what is written has sizes that no other process writes."""
    own = 1_000 * seed + me
    steps = [turn.step for turn in plan(own, turns)[1:]]
    return [_moved(step, 10_000 * me) for step in steps]


def _moved(step: Step, sizes: int) -> Step:
    if "rows" in step:
        return step | {"rows": [[*row[:3], row[3] + sizes] for row in step["rows"]]}
    if "parts" in step:
        return step | {"parts": [_moved(part, sizes) for part in step["parts"]]}
    return step


def _stop_for_a_while(process: BaseProcess, seconds: float) -> None:
    assert process.pid is not None
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGCONT)
