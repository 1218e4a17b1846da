"""The peers' own Python environments, in a folder outside the checkout, and how a contender is started."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.compare.names import OURS

ROOT = Path(__file__).parents[2]
VARIABLE = "LAKEHOUSE_PEERBENCH"
NEWEST: Mapping[str, Sequence[str]] = {
    "venv": (
        "duckdb==2.0.0",
        "polars==2.1.0",
        "pyarrow==26.0.1",
        "deltalake==1.6.6",
        "pandas==3.1.1",
        "numba==0.68.1",
        "chdb==4.4.0",
        "pylance==14.0.2",
    ),
    "venv-arctic": ("arcticdb==6.28.2", "polars", "pyarrow"),
}
"""environment to what it holds; ArcticDB needs a pandas below 3, so it has one to itself"""


def find_peerbench(given: Path | None) -> Path:
    """Return the folder of the comparison: given, named by LAKEHOUSE_PEERBENCH, or beside the checkout.

    Raises:
        SystemExit: it is not there.
    """
    named = os.environ.get(VARIABLE)
    folder = given or (Path(named) if named else ROOT.parent / "shared" / "peerbench")
    if not (folder / "worker.py").exists():
        raise SystemExit(f"Skipped: no peerbench in {folder}. Name its folder by --peerbench or {VARIABLE}.")
    return folder.resolve()


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where peers, data and stores are."""

    peerbench: Path
    """the comparison's own package"""
    folder: Path
    """of environments, data and stores: up to 20 GB at full scale"""

    @property
    def data(self) -> Path:
        """The root of generated data, stores and results."""
        return self.folder / "data"

    def load(self, module: str) -> Any:
        """Import a module of the comparison into this process."""
        parent = str(self.peerbench.parent)
        if parent not in sys.path:
            sys.path.append(parent)
        return importlib.import_module(f"peerbench.{module}")

    def results(self, scale: str) -> Path:
        """Return the folder of what was measured."""
        folder = self.data / scale / "results"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def make_environments(self) -> None:
        """Install each environment that is not there yet; uv does it where it is known, pip elsewhere."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, wanted in NEWEST.items():
            if not self.python(name).exists():
                sys.stderr.write(f"installing {', '.join(wanted)}\n")
                self._install(name, wanted)

    def _install(self, name: str, wanted: Sequence[str]) -> None:
        place, python = str(self.folder / name), str(self.python(name))
        uv = shutil.which("uv")
        if uv is not None:
            commands = [[uv, "venv", place], [uv, "pip", "install", "-q", "-p", python, *wanted]]
        else:
            commands = [
                [sys.executable, "-m", "venv", place],
                [python, "-m", "pip", "install", "-q", *wanted],
            ]
        for command in commands:
            subprocess.run(command, check=True)

    def python(self, environment: str) -> Path:
        """Return the interpreter of an environment."""
        return self.folder / environment / ("Scripts" if os.name == "nt" else "bin") / "python"

    def versions(self) -> str:
        """Say which versions the peers have."""
        found: dict[str, str] = {}
        for name, wanted in NEWEST.items():
            for path in sorted((self.folder / name).rglob("*.dist-info")):
                library, _, version = path.stem.partition("-")
                if library in [text.partition("==")[0] for text in wanted]:
                    found.setdefault(library, version)
        return ", ".join(f"{library} {version}" for library, version in found.items())

    def run(self, contender: str, arguments: Sequence[str], timeout: float) -> str:
        """Run one phase of a contender in a process of its own; return what it complained of."""
        ours = contender in OURS
        module = "benchmarks.compare.worker" if ours else "peerbench.worker"
        theirs = self.python("venv-arctic" if contender == "arcticdb" else "venv")
        python = sys.executable if ours else str(theirs)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(self.peerbench.parent)]),
            "LAKEHOUSE_CACHE": str(self.folder / "cache"),
        }
        command = [python, "-m", module, contender, *arguments]
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=environment,
                timeout=timeout,
                capture_output=True,
                text=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"stopped after {timeout:.0f} s"
        return done.stderr[-4000:] if done.returncode else ""
