"""What processes say of their operations: a file of JSON lines each, to which they only append.

An operation is invoked, and then acknowledged with its result, or failed with an error. One of which only the
invocation is written was in flight when its process was killed.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Operation:
    """One attempt at one step."""

    id: str
    """of the step; a second attempt at the same step has the same"""
    do: str
    """what"""
    step: dict[str, Any]
    """with which arguments"""
    invoked: int
    """monotonic nanoseconds, the same clock for all processes of a machine"""
    ended: int | None = None
    """None where the process was killed"""
    result: dict[str, Any] | None = None
    """what was acknowledged"""
    error: str | None = None
    """class of the error"""
    message: str = field(default="", compare=False)
    """of the error"""
    stood_still: bool = field(default=False, compare=False)
    """whether its process had stood still before this ended, for so long that it may be taken for dead"""

    @property
    def product(self) -> str:
        """The product, where the operation has one."""
        return str(self.step.get("product", ""))


class Journal:
    """Writes the file of one process; a line is written in one call, so a kill tears none."""

    def __init__(self, file: Path) -> None:
        self._handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def invoked(self, step: dict[str, Any]) -> None:
        """Say what is about to be done."""
        self._write({"invoked": time.monotonic_ns(), "step": step})

    def acknowledged(self, result: dict[str, Any]) -> None:
        """Say that it was done."""
        self._write({"ended": time.monotonic_ns(), "result": result})

    def failed(self, error: Exception) -> None:
        """Say that it was refused."""
        self._write({"ended": time.monotonic_ns(), "error": type(error).__name__, "message": str(error)})

    def stood_still(self, since: int, until: int) -> None:
        """Say that nothing of this process ran in between, in monotonic nanoseconds."""
        self._write({"still": [since, until]})

    def _write(self, line: dict[str, Any]) -> None:
        os.write(self._handle, (json.dumps(line) + "\n").encode())


def read_history(folder: Path) -> list[Operation]:
    """Return the operations of all files in a folder, in the order in which they were invoked."""
    found = [each for file in sorted(folder.glob("*.jsonl")) for each in _read(file)]
    return sorted(found, key=lambda operation: operation.invoked)


def _read(file: Path) -> list[Operation]:
    operations: list[Operation] = []
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    stood = min((line["still"][0] for line in lines if "still" in line), default=None)
    for line in lines:
        if "still" in line:
            continue
        if "invoked" in line:
            step = line["step"]
            operations.append(Operation(step["id"], step["do"], step, line["invoked"]))
        else:
            last = operations[-1]
            still = stood is not None and stood < line["ended"]
            operations[-1] = Operation(last.id, last.do, last.step, last.invoked, stood_still=still, **line)
    return operations
