"""Count the instructions of the jobs, by valgrind: the same code gives the same counts on a busy machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.regression.repeated import COUNTED

ROOT = Path(__file__).parents[2]
LIBRARIES = ("pyarrow", "numpy", "deltalake")
_TOTAL = re.compile(r"Collected : (\d+)")


def missing() -> str | None:
    """Say why instructions can not be counted here; None where they can."""
    return None if shutil.which("valgrind") else "valgrind is not installed"


def versions() -> str:
    """Name what the counts belong to, besides the project: Python and the libraries that do the work."""
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    return ", ".join([python, *(f"{name} {version(name)}" for name in LIBRARIES)])


def count_instructions(lake: Path) -> dict[str, int]:
    """Return the instructions of one run of each job, warm."""
    base = _total(lake, 0, next(iter(COUNTED)))
    return {name: (_total(lake, times, name) - base) // times for name, times in COUNTED.items()}


def _total(lake: Path, times: int, name: str) -> int:
    """Return the instructions of a whole process, on a copy of the lake."""
    with copied(lake) as place:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}", sys.executable]
        command += ["-m", "benchmarks.regression.repeated", str(place), str(times), name]
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=250
        )
    found = _TOTAL.search(done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(f"valgrind failed: {done.stderr[-2000:]}")
    return int(found[1])


@contextmanager
def copied(lake: Path) -> Iterator[Path]:
    """Give a copy of a lake that may be written to, gone afterwards."""
    with TemporaryDirectory(prefix="lakehouse-jobs-") as folder:
        yield Path(shutil.copytree(lake, Path(folder) / "lake"))
