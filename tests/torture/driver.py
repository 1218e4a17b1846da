"""Run an interleaving: processes take one step at a time, are killed and stopped; a checker looks at the end.

As a script it is a server: it reads jobs from its standard input, one JSON object a line, and answers each
with a JSON list of objections. The modules are imported once, and a process costs milliseconds.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # started as a script, Python knows only the folder of the script
    sys.path[0] = str(Path(__file__).parents[2])

from tests.lake import lake_processes
from tests.torture import checker, worker
from tests.torture.plan import WORKERS, Turn, plan
from tests.torture.stampede import stampede

JOURNALS = "journals"
STEP_SECONDS = 60
Say = Callable[[str], None]

_IMPORTED = lake_processes.LAZY


class Worker:
    """A process, and those that take its place when it dies."""

    def __init__(self, root: Path, number: int) -> None:
        self._root, self._number, self._lives = root, number, 0
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self.stopped = False

    def take(self, turn: Turn) -> str:
        """Let it take its turn, and say how that went: done, stopped, killed, or an error."""
        if self._process is None or not self._process.is_alive():
            self._start()
        assert self._pipe is not None
        self._pipe.send(asdict(turn))
        return self._answer()

    def resume(self) -> str:
        """Let it go on from where it was stopped."""
        assert self._process is not None
        assert self._pipe is not None
        self.stopped = False
        _signal(self._process, "SIGCONT")
        self._pipe.send("go on")
        return self._answer()

    def end(self) -> None:
        """End it, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def _start(self) -> None:
        self._lives += 1
        self._pipe, theirs = multiprocessing.Pipe()
        journal = self._root / JOURNALS / f"{self._number}-{self._lives}.jsonl"
        self._process = multiprocessing.Process(target=worker.serve, args=(theirs, self._root, journal))
        self._process.start()
        theirs.close()

    def _answer(self) -> str:
        assert self._process is not None
        assert self._pipe is not None
        if not self._pipe.poll(STEP_SECONDS):
            self.end()
            return "hung"
        try:
            answer = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            return "killed"
        if "stopped" in answer:
            self.stopped = True
            _signal(self._process, "SIGSTOP")
            return f"stopped {answer['stopped']}"
        return str(answer.get("trace") or answer["result"])


def interleave(root: Path, turns: Iterable[Turn], say: Say = lambda _: None) -> list[str]:
    """Run the turns one after the other in a new lake below `root`, and return the checker's objections."""
    (root / JOURNALS).mkdir(parents=True)
    workers = [Worker(root, number) for number in range(WORKERS)]
    waiting: dict[int, int] = {}
    hung = []
    try:
        for planned in turns:
            turn = planned
            waiting = _pass_on(workers, waiting, say)
            if len(waiting) == WORKERS - 1:  # one goes on in any case
                turn = replace(turn, stop_at=0)
            chosen = _free(workers, turn.worker)
            said = workers[chosen].take(turn)
            say(f"{chosen} {json.dumps(turn.step)} {_fate(turn)}-> {said}")
            if said.startswith("stopped"):
                waiting[chosen] = turn.turns_stopped
            if said == "hung":
                hung.append(f"the step {turn.step} did not end within {STEP_SECONDS} s")
            if said == "killed" and turn.again:
                say(f"{chosen} again -> {workers[chosen].take(Turn(chosen, turn.step))}")
        while waiting:
            waiting = _pass_on(workers, waiting, say)
    finally:
        for each in workers:
            each.end()
    return hung + checked(root)


def checked(root: Path) -> list[str]:
    """Let a fresh process check what is there."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=_check, args=(theirs, root))
    process.start()
    theirs.close()
    try:
        found: list[str] = ours.recv()
    except EOFError:
        found = ["the checker died"]
    process.join()
    return found


def run_seed(seed: int, *, turns: int, say: Say = lambda _: None, keep: Path | None = None) -> list[str]:
    """Run the interleaving of a seed in a folder that is gone afterwards, unless `keep` names one."""
    root = keep or Path(tempfile.mkdtemp(prefix=f"torture-{seed}-"))
    try:
        return interleave(root, plan(seed, turns), say)
    finally:
        if keep is None:
            shutil.rmtree(root, ignore_errors=True)


def run_stampede(seed: int, *, workers: int, turns: int) -> list[str]:
    """Let processes run at once in a folder that is gone afterwards, and check what is there then."""
    root = Path(tempfile.mkdtemp(prefix=f"stampede-{seed}-"))
    try:
        return stampede(root, seed, workers=workers, turns=turns) + checked(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _check(pipe: Connection, root: Path) -> None:
    worker.prepare()
    try:
        pipe.send(checker.check(root))
    except Exception:
        pipe.send([f"the checker failed: {traceback.format_exc()}"])
    pipe.close()
    os._exit(0)


def _pass_on(workers: list[Worker], waiting: dict[int, int], say: Say) -> dict[int, int]:
    """Count down the turns of those that are stopped, and let go on whose time has come."""
    left = {number: turns - 1 for number, turns in waiting.items()}
    for number in [number for number, turns in left.items() if turns < 0]:
        say(f"{number} goes on -> {workers[number].resume()}")
        del left[number]
    return left


def _free(workers: list[Worker], wanted: int) -> int:
    """Return the wanted worker, or the next one that is not stopped."""
    order = [(wanted + offset) % len(workers) for offset in range(len(workers))]
    return next(number for number in order if not workers[number].stopped)


def _fate(turn: Turn) -> str:
    return (
        f"[dies at {turn.die_at}] " if turn.die_at else f"[stops at {turn.stop_at}] " if turn.stop_at else ""
    )


def _signal(process: BaseProcess, name: str) -> None:
    number = getattr(signal, name, None)  # Windows has neither; there it only waits
    if number is not None and process.pid is not None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def main() -> None:
    """Answer jobs."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a step prints must not be taken for an answer
    for line in sys.stdin:
        job: dict[str, Any] = json.loads(line)
        do = run_seed if job.pop("do") == "interleave" else run_stampede
        print(json.dumps(do(**job)), file=answers)


if __name__ == "__main__":
    multiprocessing.set_start_method("fork" if sys.platform == "linux" else "spawn")
    main()
