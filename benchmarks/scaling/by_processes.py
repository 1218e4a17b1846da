"""Processes: readers and writers of one product at once, each in a process of its own.

A worker is this module as a script: `… by_processes reader|writer LAKE NUMBER COUNT`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import lakehouse
from benchmarks.data import batch_of_bars, symbols
from benchmarks.place import new_product
from benchmarks.scaling.curves import Chart, Curve
from benchmarks.timing import once

ROOT = Path(__file__).parents[2]
NAME, SYMBOLS, DAYS, ROWS = "market_data.bars_1m", 100, 10, 39_000
READS, COMMITS = 300, 40


def charts(folder: Path, sizes: Sequence[int]) -> Iterator[Chart]:
    """Yield reads and commits a second over the number of processes."""
    place = folder / "processes"
    make_product(place)
    counts = {"reader": READS, "writer": COMMITS}
    rates = {
        kind: [size * count / race(kind, place, size, count) for size in sizes]
        for kind, count in counts.items()
    }
    curves = [
        Curve("reads of one symbol and day", rates["reader"]),
        Curve("durable commits to one product", rates["writer"]),
    ]
    yield Chart("processes", "Throughput over processes", "processes", "a second", sizes, curves)


def make_product(place: Path) -> lakehouse.Product:
    """Make the product that all processes use."""
    product = new_product(place, NAME)
    for day in range(DAYS):
        product.append(batch_of_bars(ROWS, symbols(SYMBOLS), day))
    return product


def race(kind: str, place: Path, processes: int, count: int) -> float:
    """Return the seconds from the common start of some processes to the end of the last one."""
    command = [sys.executable, "-m", "benchmarks.scaling.by_processes", kind, str(place)]
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        workers = []
        for number in range(processes):
            arguments = [*command, str(number), str(count)]
            worker = subprocess.Popen(arguments, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
            workers.append(stack.enter_context(worker))
            stack.callback(worker.kill)
        for worker in workers:
            _expect(worker, "ready")
        start = time.perf_counter()
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        for worker in workers:
            _expect(worker, "done")
        return time.perf_counter() - start


def _expect(worker: subprocess.Popen[str], word: str) -> None:
    assert worker.stdout is not None
    if worker.stdout.readline().strip() != word:
        raise RuntimeError(f"a process ended before it was {word}")


def main() -> None:
    """Warm up, say ready, wait for a line, work, say done."""
    kind, place, number, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    product = lakehouse.open(place)[NAME]
    actions = [
        partial({"reader": _read, "writer": _write}[kind], product, number, turn) for turn in range(count + 1)
    ]
    actions[0]()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for action in actions[1:]:
        once(action)
    sys.stdout.write("done\n")


def _read(product: lakehouse.Product, number: int, turn: int) -> None:
    name = symbols(SYMBOLS)[(17 * number + turn) % SYMBOLS]
    product.read(name, "2014-01-06", "2014-01-07")


def _write(product: lakehouse.Product, number: int, turn: int) -> None:
    product.append(batch_of_bars(10, [f"P{time.time_ns()}-{number}"], turn))


if __name__ == "__main__":
    main()
