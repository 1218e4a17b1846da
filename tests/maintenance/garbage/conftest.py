"""A lake with one product of two versions, and other processes that work at it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse.catalog.session import session_of
from lakehouse.maintenance.gc import GarbageReport
from lakehouse.times import NS_PER_DAY

NAME = "market_data.ticks"
SCRIPT = Path(__file__).with_name("other_process.py")
_PATIENCE_S = 60.0

Frame = Callable[..., pl.DataFrame]


class Other:
    """Another process: it runs what it is told, and can be stopped and killed."""

    def __init__(self, root: Path, **environment: str) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(root)],
            stdin=pipe,
            stdout=pipe,
            text=True,
            cwd=SCRIPT.parents[3],
            env={**os.environ, **environment},
        )
        self.hear()

    def say(self, source: str) -> None:
        """Give it statements, and do not wait."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(source) + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        """Wait for the value of the statements that it was given; an error shows as its name and message."""
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], _PATIENCE_S)[0], "it does not answer"
        line = self.process.stdout.readline()
        assert line, "the process has ended"
        answer = json.loads(line)
        return answer["value"] if "value" in answer else f"{answer['error']}: {answer['message']}"

    def __call__(self, source: str) -> Any:
        """Run statements, and return the value of the last one."""
        self.say(source)
        return self.hear()

    def wait_until_stopped(self) -> None:
        """Wait until it stands still by itself."""
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            pid, status = os.waitpid(self.process.pid, os.WUNTRACED | os.WNOHANG)
            if pid:
                assert os.WIFSTOPPED(status)
                return
            time.sleep(0.01)
        raise TimeoutError("it never stood still")

    def stop(self) -> None:
        """Make it stand still."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait(60)

    def end(self) -> None:
        """Let it end in order."""
        self.process.communicate(timeout=60)


@pytest.fixture
def frame() -> Frame:
    """Give a function that makes ticks: the price of all, symbols and months."""

    def make(price: float, symbols: str = "AB", days: int = 2) -> pl.DataFrame:
        times = [31 * day * NS_PER_DAY for day in range(days)] * len(symbols)
        return pl.DataFrame(
            {
                "symbol": [symbol for symbol in symbols for _ in range(days)],
                "time": pl.Series(times, dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")),
                "price": [price] * len(times),
            }
        )

    return make


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give the folder of a lake."""
    return tmp_path / "lake"


@pytest.fixture
def lake(root: Path, frame: Frame) -> lakehouse.Lake:
    """Give a lake with a product whose prices were 1 in version 1 and are 2 in version 2."""
    made = lakehouse.open(root, create=True)
    product = made.create(NAME, like=frame(1.0), key=("symbol", "time"), layout="date=month,symbol=identity")
    product.append(frame(1.0))
    product.upsert(frame(2.0))
    session_of(made.store).renew()  # so that it holds the head alone
    return made


@pytest.fixture
def other(root: Path, lake: lakehouse.Lake) -> Iterator[Callable[..., Other]]:
    """Give a function that starts another process at the lake; all are gone after the test."""
    started: list[Other] = []

    def start(**environment: str) -> Other:
        started.append(Other(root, **environment))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        for stream in (each.process.stdin, each.process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):  # what it was told when it was gone
                stream.close()


@pytest.fixture
def collect(root: Path, lake: lakehouse.Lake) -> Callable[..., GarbageReport]:
    """Give a function that collects garbage at once; the lake of the test itself holds only its heads."""

    def run(grace: str = "0s", history: str = "0s", times: int = 1) -> GarbageReport:
        for left in range(times)[::-1]:
            session_of(lake.store).renew()
            report = lakehouse.open(root).gc(dry_run=False, grace=grace, history=history)
            time.sleep(1.1 if left else 0)  # longer than the time to live of those that stand still
        return report

    return run


@pytest.fixture
def data_files(root: Path) -> Callable[[], set[str]]:
    """Give a function that lists the data, quarantine and manifest files of the lake."""

    def found() -> set[str]:
        return {path.relative_to(root).as_posix() for path in root.rglob("*.parquet")}

    return found


def prices_of(view: Any, **which: Any) -> list[float]:
    return sorted(set(pl.DataFrame(view[NAME].read(**which))["price"].to_list()))


@pytest.fixture
def prices() -> Callable[..., list[float]]:
    """Give a function that returns the distinct prices of the product in a lake or checkout."""
    return prices_of
