"""Rows: a table of trades that grows day by day. The questions stay the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

import lakehouse
from benchmarks.data import session_days, symbols, trades
from benchmarks.place import new_product
from benchmarks.scaling.curves import Chart, Curve
from benchmarks.scaling.probe import QUESTIONS, SCAN, ask
from benchmarks.timing import measure

SYMBOLS, ROWS_A_DAY, READS = 50, 1_000_000, 15
NAME = "market_data.trades"


def charts(folder: Path, sizes: Sequence[int]) -> Iterator[Chart]:
    """Yield time and peak memory over the number of rows, in `sizes` days of a million rows."""
    product = new_product(folder / "rows", NAME)
    short: dict[str, list[float]] = {}
    whole: dict[str, list[tuple[float, float]]] = {question: [] for question in QUESTIONS}
    cached: list[float] = []
    filled = 0
    for size in sizes:
        for day in range(filled, size):
            product.append(trades(ROWS_A_DAY, day, names=symbols(SYMBOLS)))
        filled = size
        for name, seconds in _short_questions(product, size):
            short.setdefault(name, []).append(seconds * 1000)
        for question, answers in whole.items():
            answers.append(ask(folder / "rows", NAME, question))
        cached.append(ask(folder / "rows", NAME, SCAN, column_cache=True)[1])
    rows = [size * ROWS_A_DAY for size in sizes]
    curves = [Curve(name, values) for name, values in short.items()]
    curves += [Curve(name, [1000 * answer[0] for answer in answers]) for name, answers in whole.items()]
    yield Chart("rows", "Time over rows: short questions stay flat", "rows", "ms", rows, curves)
    peaks = [Curve(name, [answer[1] for answer in answers]) for name, answers in whole.items()]
    peaks.append(Curve(f"{SCAN}, column cache mapped", cached))
    yield Chart("memory", "Peak memory of streaming queries over rows", "rows", "MB", rows, peaks)


def _short_questions(product: lakehouse.Product, days: int) -> Iterator[tuple[str, float]]:
    """Yield the seconds of the questions whose answers do not grow."""
    from datetime import date

    start = np.datetime64(int(session_days(date(2024, 1, 1), days)[days // 2]), "D")
    name = symbols(SYMBOLS)[10]
    yield "one symbol and day", measure(partial(product.read, name, start, start + 1), READS).p50
    yield "last 100 rows of a symbol", measure(partial(product.tail, 100, symbols=name), READS).p50
