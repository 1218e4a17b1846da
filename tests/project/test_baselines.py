"""The table of baselines for the README: it can be made here, and goes where its marks are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.baselines import BEGIN, END, between_marks

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "baselines.py"


def test_a_table_takes_the_place_of_what_stands_between_the_marks() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = between_marks(text, "| new |")
    assert once == f"before\n{BEGIN}\n| new |\n{END}\nafter\n"
    assert between_marks(once, "| new |") == once


@pytest.mark.parametrize("text", ["", BEGIN, f"{END} {BEGIN}", f"{BEGIN} {BEGIN} {END}"])
def test_a_text_without_its_marks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="each once and in this order"):
        between_marks(text, "| new |")


@pytest.mark.torture
def test_the_quick_table_says_that_the_lake_loses_nothing() -> None:
    command = [sys.executable, str(SCRIPT), "--quick"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
    assert run.returncode == 0, run.stderr
    lake = [line for line in run.stdout.splitlines() if "this lake" in line]
    assert len(lake) == 2
    assert "verified" in lake[0]
    assert lake[1].endswith("200 reported success, 200 are there: 0 lost |")
