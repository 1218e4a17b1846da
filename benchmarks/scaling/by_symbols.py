"""Symbols: the same number of rows in more and more symbols."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.data import symbols, trades
from benchmarks.place import new_product
from benchmarks.scaling.curves import Chart, Curve
from benchmarks.timing import measure, once

ROWS_A_DAY, DAYS, READS = 500_000, 4, 15
NAME = "market_data.trades"


def charts(folder: Path, sizes: Sequence[int]) -> Iterator[Chart]:
    """Yield the time of a bulk append and of reads over the number of symbols."""
    found: dict[str, list[float]] = {}
    for size in sizes:
        for name, seconds in _measured(folder / f"symbols-{size}", size):
            found.setdefault(name, []).append(seconds * 1000)
    curves = [Curve(name, values) for name, values in found.items()]
    yield Chart("symbols", "Time over symbols, two million rows in all", "symbols", "ms", sizes, curves)


def _measured(place: Path, size: int) -> Iterator[tuple[str, float]]:
    product, names = new_product(place, NAME), symbols(size)
    frames = [trades(ROWS_A_DAY, day, names=names) for day in range(DAYS)]
    waiting = iter(frames)
    appended = measure(lambda: product.append(next(waiting)), DAYS - 1, warm=1)
    yield f"append of {ROWS_A_DAY:,} rows", appended.p50
    middle = names[size // 2]
    yield "every row of one symbol", measure(partial(product.read, middle), READS).p50
    yield "last row of one symbol", measure(partial(product.latest, middle), READS).p50
    yield "last row of every symbol", measure(product.latest, 3).p50
    yield "one column of all", once(partial(product.read, None, None, None, ["price"]))
