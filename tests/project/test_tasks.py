"""The Makefile is a thin cover of `tools/run.py`, which is all that a machine without make needs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_make_and_the_runner_know_the_same_tasks() -> None:
    declared = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    shown = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "run.py"), "--help"], capture_output=True, text=True, check=True
    ).stdout
    tasks = re.findall(r"^  ([a-z-]+) {2,}\S", shown.partition("\ntasks:\n")[2], re.MULTILINE)
    assert declared is not None
    assert set(declared[1].split()) - {"help"} == set(tasks)


def test_unknown_task_is_refused_with_the_choices() -> None:
    runner = ROOT / "tools" / "run.py"
    done = subprocess.run([sys.executable, str(runner), "tets"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "test-services" in done.stderr


def test_clean_removes_what_tasks_write_and_nothing_else(tmp_path: Path) -> None:
    written = (".venv/bin/python", "demo/report.txt", "tests/__pycache__/x.pyc")
    for name in (*written, "tests/test_x.py", "data/lake"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "tools").mkdir()
    runner = Path(shutil.copy(ROOT / "tools" / "run.py", tmp_path / "tools"))
    subprocess.run([sys.executable, str(runner), "clean"], check=True)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["data/lake", "tests/test_x.py", "tools/run.py"]
