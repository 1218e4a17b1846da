"""The benchmark script runs from start to end; a quick run judges no number."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TARGETS = ["< 100 ms", "< 200 ms", "< 10 ms", ">= 2 M rows/s", "<= 1.5 times", "< 300 ms"]
TARGETS += ["< 1 s", "< 50 ms", "< 5 s", ">= 500 MB/s"]


def test_a_quick_run_prints_one_table_with_every_target(tmp_path: Path) -> None:
    out = tmp_path / "numbers.md"
    before = (ROOT / "benchmarks" / "results.md").read_bytes()
    command = [sys.executable, "benchmarks/run.py", "--quick", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert lines[0] == "| What | Result | Target | Verdict |"
    assert all(line.count(" | ") == 3 for line in lines)
    assert all(any(f"| {target} |" in line for line in lines) for target in TARGETS)
    assert out.read_text(encoding="utf-8").endswith(done.stdout)
    assert (ROOT / "benchmarks" / "results.md").read_bytes() == before


def test_it_runs_as_a_module_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.run", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--quick" in done.stdout
