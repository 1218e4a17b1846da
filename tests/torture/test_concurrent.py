"""Processes that work at the same time, and are killed and stopped at any time: no promise is broken."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.torture.test_interleavings import ask
from tests.torture.test_interleavings import driver as driver

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no process can be stopped there")


@pytest.mark.parametrize("seed", range(6))
def test_processes_at_once_lose_and_double_nothing(driver: subprocess.Popen[str], seed: int) -> None:
    assert ask(driver, do="stampede", seed=seed, workers=4, turns=12) == []


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(100, 300))
def test_many_processes_for_long_lose_and_double_nothing(driver: subprocess.Popen[str], seed: int) -> None:
    assert ask(driver, do="stampede", seed=seed, workers=8, turns=40) == []
