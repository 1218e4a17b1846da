"""How quick a backfill is, and what it costs to share its work between threads or processes.

Usage: `python -m benchmarks.backfill [--symbols 40] [--runs 3] [--folder DIR]`

Minute bars of one year, a Parquet file for each symbol, are loaded under the contract of the starter, with
its key and its rules. Work is processor time of this process and its children, the start of those
included: on a machine that does other things too, it says more than the time that passed.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import lakehouse
from benchmarks.data import batch_of_bars, minute_bars, symbols
from benchmarks.machine import describe_machine
from benchmarks.place import new_product
from lakehouse.ingest.backfill import BackfillReport

NAME = "market_data.bars_1m"
CORES = 2
LIMIT_ROWS, LIMIT_OVERHEAD, LIMIT_CANDLES_S = 2e6, 1.3, 0.1
WAYS: Mapping[str, Mapping[str, Any]] = {
    "one thread": {"workers": 1},
    "2 threads": {"workers": 2},
    "2 processes": {"workers": 2, "executor": "processes"},
}
CANDLES, CANDLE_RUNS = 10_000, 20


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run took."""

    seconds: float
    """that passed"""
    work: float
    """seconds of processor time, of this process and its children"""


def measured(folder: Path, source: Path, **how: Any) -> tuple[Cost, BackfillReport]:
    """Load a source into a new lake."""
    shutil.rmtree(folder, ignore_errors=True)
    lake = lakehouse.open(new_product(folder, NAME).table.store.url)
    started, work = time.perf_counter(), _work()
    report = lake.backfill(NAME, source, **how)
    cost = Cost(time.perf_counter() - started, _work() - work)
    if not report.ok:
        raise RuntimeError(report.failures[0].error)
    return cost, report


def write_symbols(folder: Path, count: int) -> Path:
    """Write a file of bars for each symbol."""
    folder.mkdir()
    for name in symbols(count):
        pq.write_table(minute_bars([name], 1), folder / f"{name}.parquet", compression="zstd")
    return folder


def ways(folder: Path, source: Path, runs: int) -> Iterator[str]:
    """Yield a line for each way to load a source; the digests must agree."""
    digests, serial = set(), 0.0
    for name, how in WAYS.items():
        costs = []
        for _ in range(runs):
            cost, report = measured(folder / "lake", source, **how)
            costs.append(cost)
            digests.add(report.digest)
        seconds, work = _medians(costs)
        serial = serial or work
        files = len(lakehouse.open(folder / "lake")[NAME].state().files)
        yield (
            f"| {name} | {report.rows_in:,} | {seconds:.2f} s "
            f"| {report.rows_in / seconds / 1e6:.2f} M rows/s "
            f"| {work:.2f} s | {CORES * report.rows_in / work / 1e6:.2f} M rows/s "
            f"| {work / serial:.2f} | {files} |"
        )
    if len(digests) != 1:
        raise RuntimeError(f"The ways differ: {digests}")


def candles(folder: Path) -> Cost:
    """Return the median cost of 10,000 candles in a warm process, each time into another lake."""
    file = folder / "candles.parquet"
    pq.write_table(batch_of_bars(CANDLES, symbols(100), 0), file)
    costs = [measured(folder / "few", file)[0] for _ in range(CANDLE_RUNS + 1)][1:]
    return Cost(*_medians(costs))


def _medians(costs: list[Cost]) -> tuple[float, float]:
    return statistics.median(each.seconds for each in costs), statistics.median(each.work for each in costs)


def _work() -> float:
    """Return seconds of processor time so far, those of children that have ended included."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, whose))


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=40)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        os.environ["LAKEHOUSE_CACHE"] = str(folder / "cache")  # a user's own may hold thousands of tables
        source = write_symbols(folder / "source", options.symbols)
        measured(folder / "lake", source)  # loads the libraries
        print(
            f"\n| way | rows | elapsed | rate | work | rate of {CORES} free cores | work / serial | files |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for line in ways(folder, source, options.runs):
            print(line, flush=True)
        few = candles(folder)
    print(f"\n{CANDLES:,} candles: {few.seconds * 1e3:.0f} ms elapsed, {few.work * 1e3:.0f} ms of work.")
    print(
        f"Limits: {LIMIT_ROWS / 1e6:.0f} M validated rows/s, {CANDLES:,} candles in "
        f"{LIMIT_CANDLES_S * 1e3:.0f} ms, {LIMIT_OVERHEAD} times the serial work."
    )


if __name__ == "__main__":
    main()
