"""The last accepted counts, and what is worse than they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.regression.instructions import ROOT, copied

ACCEPTED = ROOT / "benchmarks" / "accepted.json"
TOLERANCE = 1.15
HINT = "If it is worth it, accept it: python -m benchmarks.regression --accept"

Counts = Mapping[str, int]


def count_work(lake: Path, job: str) -> dict[str, int]:
    """Return the counts of one job on a copy of the lake, in the second process of a machine that does it.

    The first one fills this machine's cache, which is beside the copy.
    """
    with copied(lake) as place:
        command = [sys.executable, "-m", "benchmarks.regression.work", str(place), job]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "LAKEHOUSE_CACHE": str(place.parent / "cache")}
        for _ in range(2):
            done = subprocess.run(
                command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
            )
            if done.returncode:
                raise RuntimeError(f"{job}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout))


def load_accepted() -> dict[str, object]:
    """Return the accepted table: `work`, `instructions`, and the `versions` that the latter belong to."""
    return dict(json.loads(ACCEPTED.read_text(encoding="utf-8"))) if ACCEPTED.exists() else {}


def worse(present: Counts, accepted: Counts, *, tolerance: float = TOLERANCE) -> list[str]:
    """Return a line for each count above the accepted one by more than the tolerance.

    Examples:
        >>> worse({"calls": 120, "get": 1, "list": 1}, {"calls": 100, "get": 1})
        ['calls: 120, accepted 100', 'list: 1, accepted 0']
    """
    limits = {name: accepted.get(name, 0) for name in present}
    return [
        f"{name}: {count:,}, accepted {limits[name]:,}"
        for name, count in present.items()
        if count > round(limits[name] * tolerance, 6)
    ]
