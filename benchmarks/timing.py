"""Time an action, in this process or in fresh ones."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Samples:
    """Measured durations."""

    seconds: tuple[float, ...]
    """sorted"""

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Samples:
        """Sort durations."""
        return cls(tuple(sorted(seconds)))

    def percentile(self, share: float) -> float:
        """Return the smallest duration that at least `share` per cent do not exceed."""
        return self.seconds[max(0, math.ceil(len(self.seconds) * share / 100) - 1)]

    @property
    def p50(self) -> float:
        """The median."""
        return self.percentile(50)

    @property
    def p99(self) -> float:
        """The slowest but one in a hundred."""
        return self.percentile(99)


def once(action: Callable[[], object]) -> float:
    """Return how long one call takes, in seconds."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(action: Callable[[], object], times: int, *, warm: int = 2) -> Samples:
    """Time calls of an action, after `warm` calls that do not count."""
    for _ in range(warm):
        action()
    return Samples.of(once(action) for _ in range(times))


def fresh_processes(code: str, *arguments: str, times: int) -> Samples:
    """Time whole processes of Python that run `code`, from start to exit; the first does not count."""

    def run() -> None:
        command = [sys.executable, "-c", code, *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)

    return measure(run, times, warm=1)
