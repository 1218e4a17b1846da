"""Real processes at one column cache: side by side, killed in the middle, and with the folder deleted."""

from __future__ import annotations

import gc
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import polars as pl
import pytest

import lakehouse
from lakehouse.partitions.columns import VARIABLE, ColumnCache

Make = Callable[..., lakehouse.Product]
Ticks = Callable[..., pl.DataFrame]
Start = Callable[[int], subprocess.Popen[str]]

# Asks at random until its standard input says otherwise; what it gets is compared with the whole.
READER = """
import random, sys, threading
import polars as pl
import lakehouse
from lakehouse.partitions.columns import cache, column_cache
cache.SMALLEST_FILE_IN_ROWS = 1
product = lakehouse.open(sys.argv[1])["m.ticks"]
good = pl.read_ipc(sys.argv[2])
rng, stop, reads = random.Random(int(sys.argv[3])), [], 0
threading.Thread(target=lambda: stop.append(sys.stdin.readline()), daemon=True).start()
print("ready", flush=True)
while not (stop and reads):
    columns = rng.sample(good.columns, 3)
    symbol = rng.choice([None, "A", "BRK/B"])
    wanted = good if symbol is None else good.filter(pl.col("symbol") == symbol)
    assert product.read(symbol, columns=columns).to_polars().equals(wanted.select(columns)), columns
    reads += 1
    if rng.random() < 0.2:
        column_cache().flush()
print(reads, flush=True)
"""


@pytest.fixture
def start(columns: ColumnCache, product: Make, ticks: Ticks, tmp_path: Path) -> Iterator[Start]:
    """Give a starter of readers of the same product."""
    made = product(*(ticks(6000, seed=part, first=5000 * part) for part in range(3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "0")
        made.read().to_polars().write_ipc(tmp_path / "good.arrow")
    source = Path(__file__).parents[3]
    environment = os.environ | {"PYTHONPATH": str(source), VARIABLE: "2MB"}
    command = [sys.executable, "-c", READER, str(tmp_path / "lake"), str(tmp_path / "good.arrow")]
    with ExitStack() as stack:

        def run(seed: int) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [*command, str(seed)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield run


def ready(readers: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    return readers


def reads_of(reader: subprocess.Popen[str]) -> int:
    """End a reader, and return how often it read; fails where it met a wrong row."""
    answer, _ = reader.communicate("stop\n", timeout=60)
    assert reader.returncode == 0
    return int(answer)


def test_readers_that_fill_and_evict_at_once_all_get_right_rows(start: Start, columns: ColumnCache) -> None:
    readers = ready([start(seed) for seed in range(3)])
    time.sleep(1.5)
    assert all(reads_of(reader) > 0 for reader in readers)
    assert 0 < columns.size <= 2_000_000 * (1 + 3 / 20) + 30 * 8192


def test_a_cache_that_is_deleted_again_and_again_is_made_again(start: Start, columns: ColumnCache) -> None:
    readers = ready([start(seed) for seed in range(2)])
    for _ in range(40):
        shutil.rmtree(columns.folder, ignore_errors=True)
        time.sleep(0.03)
    assert all(reads_of(reader) > 0 for reader in readers)


def test_killed_readers_leave_nothing_that_is_wrong(start: Start, columns: ColumnCache) -> None:
    rng = random.Random(7)
    for turn in range(4):
        (reader,) = ready([start(turn)])
        time.sleep(rng.random() / 3)
        reader.kill()
        reader.wait()
    (last,) = ready([start(9)])
    time.sleep(0.5)
    assert reads_of(last) > 0


def test_a_process_that_ends_writes_first_what_it_decoded(start: Start, columns: ColumnCache) -> None:
    (reader,) = ready([start(1)])
    reads_of(reader)
    assert list(columns.folder.glob("*/*.column"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks")
def test_a_fork_reads_on_and_does_not_wait_for_the_thread_of_its_parent(
    columns: ColumnCache, product: Make, ticks: Ticks
) -> None:
    """Another thread of the parent may hold the lock of the queue at that moment, and is not in the child."""
    made = product(ticks(6000), ticks(6000, seed=1, first=6000))
    good = made.read().to_polars()
    prices = good["price"].to_list()
    columns.flush()
    assert made.read().to_polars().equals(good)  # mapped
    writer = columns._writer
    assert writer is not None
    held, done = Event(), Event()

    def hold() -> None:
        with writer._changed:
            held.set()
            done.wait(60)

    with ThreadPoolExecutor() as threads, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forks in a process with threads
        threads.submit(hold)
        held.wait(10)
        gc.freeze()  # what other tests left: engines with threads of their own do not survive a fork
        child = os.fork()
        if not child:
            signal.alarm(20)
            writer.flush()
            rows = lakehouse.open(made.table.store.url)["m.ticks"].read(columns=["price"]).to_arrow()
            os._exit(0 if rows["price"].to_pylist() == prices else 1)
        gc.unfreeze()
        done.set()
        assert os.waitpid(child, 0)[1] == 0
    assert made.read().to_polars().equals(good)
