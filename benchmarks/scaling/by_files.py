"""Partitions: a fresh process finds one symbol and day in tables of more and more of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.cold import ask_for_rows, build
from benchmarks.scaling.curves import Chart, Curve

ROUNDS = 7


def charts(folder: Path, sizes: Sequence[int]) -> Iterator[Chart]:
    """Yield the time from the start of a process to its answer, beside DuckDB's own file."""
    probes = {size: build(folder / f"files-{size}", size) for size in sizes}
    found: dict[str, dict[int, list[float]]] = {}
    for number in range(-1, ROUNDS):  # the first round fills caches, and does not count
        for size in sizes:
            for name, probe in probes[size].items():
                milliseconds = ask_for_rows(folder / f"files-{size}", probe, size)[0]
                if number >= 0:
                    found.setdefault(name, {}).setdefault(size, []).append(milliseconds)
    curves = [Curve(name, [median(taken[size]) for size in sizes]) for name, taken in found.items()]
    title = "Process start to first answer over (symbol, date) partitions"
    yield Chart("files", title, "partitions", "ms", sizes, curves)
