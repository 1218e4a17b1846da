"""A process of the rig: it takes one step at a time, as told, and writes its journal."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.torture.history import Journal
from tests.torture.operations import SKIPPED, Hand, take
from tests.torture.points import Points
from tests.torture.pulse import Pulse

CONSTANTS: dict[str, dict[str, Any]] = {
    "lakehouse.partitions.replay": {"CHECKPOINT_EVERY": 2},
    "lakehouse.store.file_lock": {"PATIENCE_SECONDS": 0.05},
}
"""of the library, so that little work meets what much work would"""
LEASE_SECONDS = "0.5"


def prepare() -> None:
    """Set the constants of this process."""
    os.environ["LAKEHOUSE_LEASE_SECONDS"] = LEASE_SECONDS
    for name, values in CONSTANTS.items():
        module = importlib.import_module(name)
        for constant, value in values.items():
            if hasattr(module, constant):
                setattr(module, constant, value)


def serve(pipe: Connection, root: Path, journal: Path) -> None:
    """Take steps until the pipe is closed."""
    prepare()
    points, hand, log = Points(), Hand(root), Journal(journal)
    pulse = Pulse(log, float(LEASE_SECONDS))
    while True:
        try:
            turn = pipe.recv()
        except EOFError:
            os._exit(0)  # what is held at the end is of no interest

        def stand_still(name: str) -> None:
            pipe.send({"stopped": name})
            pipe.recv()

        points.arm(turn["stop_at"] or turn["die_at"], stand_still if turn["stop_at"] else _die)
        pipe.send(attempt(hand, log, turn["step"], pulse.look) | {"points": points.passed})
        points.arm(0, _die)


def attempt(
    hand: Hand, log: Journal, step: dict[str, Any], look: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Take a step, and write down how it went; the checker judges errors, foreign ones too."""
    try:
        step = hand.resolve(step)
        log.invoked(step)
        result = take(hand, step)
    except Exception as error:
        look()
        log.failed(error)
        return {"error": type(error).__name__, "trace": traceback.format_exc()}
    log.acknowledged(result)
    return {"result": "skipped" if result is SKIPPED else "done"}


def _die(name: str) -> None:
    if sys.platform == "win32":
        os._exit(9)
    os.kill(os.getpid(), signal.SIGKILL)
