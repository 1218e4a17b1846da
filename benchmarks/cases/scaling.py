"""Commits, snapshots and checkouts of tables with many live files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import lakehouse
from benchmarks.data import batch_of_bars, symbols
from benchmarks.many_files import ROWS, fill
from benchmarks.scale import Scale
from benchmarks.table import Row, below, duration
from benchmarks.timing import Samples, measure, once

COMMIT_LIMIT_S, SNAPSHOT_LIMIT_S, CHECKOUT_LIMIT_S = 0.1, 1.0, 0.05
COLD = """
import sys, time, lakehouse
lake = lakehouse.open(sys.argv[1])
start = time.perf_counter()
lake.snapshot("cold")
print(time.perf_counter() - start)
"""


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Yield a commit to one of the tables, and a snapshot and a checkout of all of them."""
    lake = lakehouse.open(folder / "scaling", create=True)
    products = [fill(lake, number, scale.live_files) for number in range(scale.products)]
    many = f"{scale.products} products with {scale.live_files:,} files each"
    cold = _seconds_of(lake.url)
    taken = once(partial(lake.snapshot, "warm"))
    yield below(
        f"Snapshot of {many}", taken, SNAPSHOT_LIMIT_S, note=f" ({duration(cold)} in a fresh process)"
    )
    lock = folder / "scaling.lock"
    lake.lock(lock, "warm")
    opened = measure(lambda: lakehouse.checkout(lock), scale.reads)
    first = once(partial(lakehouse.checkout(lock)["market_data.p0"].read, "S001", "2014-01-01", "2014-01-02"))
    note = f" (then {duration(first)} to read one day)"
    yield below(f"Checkout of {many}, p50", opened.p50, CHECKOUT_LIMIT_S, note=note)
    frames = [batch_of_bars(ROWS, symbols(100), batch) for batch in range(1, scale.commits + 3)]
    taken_each = Samples.of([once(partial(products[0].append, frame)) for frame in frames][2:])
    what = f"Commit of {ROWS:,} bars at {scale.live_files:,} live files, p50 of {scale.commits}"
    yield below(what, taken_each.p50, COMMIT_LIMIT_S, note=f" (p99 {duration(taken_each.p99)})")


def _seconds_of(url: str) -> float:
    """Return what a snapshot takes in a process that knows nothing of the lake yet."""
    command = [sys.executable, "-c", COLD, url]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
