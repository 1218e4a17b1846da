"""A small lake, and the command line in this process and in another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lakehouse.cli.main import main

BARS = "market_data.bars_1d"
ROOT = Path(__file__).parents[2]

_AAPL = """\
date,open,high,low,close,volume
2024-01-02,187.15,188.44,183.885,185.64,82488700
2024-01-03,184.22,185.88,183.43,184.25,58414500
2024-01-04,182.15,183.0872,180.88,181.91,71983600
"""
_IBM = """\
date,open,high,low,close,volume
2024-01-02,162.83,163.29,160.38,161.5,3825000
2024-01-03,161.0,161.73,160.08,160.1,4086100
2024-01-04,160.0,158.0,161.5,160.86,3212000
"""
"""The last row has a high below its low, which breaks the rule `ohlc`."""


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


@pytest.fixture
def vendor(tmp_path: Path) -> Path:
    """Return a folder with a file of bars for each of two stocks; one row of IBM is wrong."""
    folder = tmp_path / "vendor"
    folder.mkdir()
    (folder / "AAPL.csv").write_text(_AAPL)
    (folder / "IBM.csv").write_text(_IBM)
    return folder


@pytest.fixture
def lake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Run `lake` in this process, in an empty folder around which there is no lake."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("LAKEHOUSE_ROOT", raising=False)
    monkeypatch.delenv("LAKEHOUSE_TRACEBACK", raising=False)
    monkeypatch.setenv("LAKEHOUSE_AUTHOR", "tester")

    def run(*words: object) -> Ran:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def bars(lake: Callable[..., Ran], vendor: Path) -> Callable[..., Ran]:
    """Run `lake` in a lake that holds the vendor's bars: 5 rows, and 1 in quarantine."""
    assert lake("init").code == 0
    assert lake("create", BARS, "--like", vendor / "AAPL.csv", "--symbol-from-name").code == 0
    assert lake("backfill", BARS, vendor).code == 0
    return lake


@pytest.fixture
def spawn(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start `lake` in a process of its own, in the lake of the other fixtures."""

    def start(
        *words: object, environment: dict[str, str] | None = None, **settings: Any
    ) -> subprocess.Popen[str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("LAKEHOUSE_")}
        own |= {"PYTHONPATH": str(ROOT), "LAKEHOUSE_AUTHOR": "tester", **(environment or {})}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": tmp_path / "here", **settings}
        line = [sys.executable, "-m", "lakehouse.cli.main", *map(str, words)]
        return subprocess.Popen(line, env=own, text=True, encoding="utf-8", **pipes)

    return start


@pytest.fixture
def away(spawn: Callable[..., subprocess.Popen[str]]) -> Callable[..., Ran]:
    """Run `lake` to its end in a process of its own."""

    def run(*words: object, text: str | None = None, **settings: Any) -> Ran:
        stdin = subprocess.DEVNULL if text is None else subprocess.PIPE
        with spawn(*words, stdin=stdin, **settings) as process:
            out, err = process.communicate(text, timeout=120)
        return Ran(process.returncode, out, err)

    return run
