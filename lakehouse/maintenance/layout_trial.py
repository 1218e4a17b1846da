"""Try layouts on a sample of a product's own rows: what each would cost in bytes and in time to read.

The rows are written in every layout to a temporary folder, with the row groups and the encodings that the
lake itself would give them, and the row groups that a question touches are decoded, without any cache.
Nothing of the product is changed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lakehouse.maintenance.relayout import period_borders, rows_before
from lakehouse.partitions.arrays import times_of
from lakehouse.partitions.layout import Layout, period_starts
from lakehouse.partitions.parquet_files import write_data_files
from lakehouse.partitions.parquet_reader import Parquet, open_parquet
from lakehouse.partitions.reading import read_stored
from lakehouse.partitions.selection import select_pieces
from lakehouse.partitions.sorting import Symbols
from lakehouse.partitions.state import TableState
from lakehouse.store import open_store
from lakehouse.times import NS_PER_DAY, Interval

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_ROWS = 2_000_000
REPEATS = 3
MOST_FILES = 500
"""that the sample may fill in one layout: each is synced to the disk"""
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """What one layout made of the sample; times are the best of a few, in milliseconds."""

    layout: str
    """as contracts write it"""
    files: int
    """that the sample filled"""
    size: int
    """their bytes"""
    bytes_per_row: float
    """of the sample"""
    write_ms: float
    """to sort into partitions, encode and sync"""
    symbol_ms: float
    """every column of one symbol, over the whole sample"""
    symbol_day_ms: float
    """every column of that symbol on one day"""
    day_ms: float
    """one column of every symbol on that day"""
    scan_ms: float
    """every column of every row"""


@dataclass(frozen=True, slots=True)
class LayoutTrial:
    """The sample, and what each layout made of it."""

    rows: int
    """rows of the sample"""
    symbols: int
    """symbols in it: all of the product where one day of them is not too much"""
    days: int
    """UTC days with rows in it, the newest ones of the product"""
    measured: tuple[Measured, ...]
    """in the order in which the layouts were given"""
    left_out: tuple[str, ...] = ()
    """layouts that make too many files of the sample"""


@dataclass(frozen=True, slots=True)
class _Question:
    """What is read: of which symbols, when, which columns."""

    symbols: tuple[str, ...] | None
    interval: Interval
    columns: tuple[str, ...]


def try_layouts(state: TableState, layouts: Sequence[Layout], *, rows: int = SAMPLE_ROWS) -> LayoutTrial:
    """Write a sample of one version in each layout, and time how it reads.

    Args:
        state: the version; it must have rows and a time column.
        layouts: to try.
        rows: about how many rows to take: the newest days that have no more, or else every n-th symbol of the
            newest day.

    Raises:
        IntegrityError: a file of the version is missing or altered.
    """
    sample, days = _sample(state, rows)
    symbols = Symbols.of(sample.column(state.schema.symbol) if state.schema.symbol else None, sample.num_rows)
    asked = _questions(state, symbols, days)
    able = [layout for layout in layouts if _files(layout, symbols, days) <= MOST_FILES]
    measured = tuple(_measure(state, layout, sample, asked) for layout in able)
    left_out = tuple(str(layout) for layout in layouts if layout not in able)
    return LayoutTrial(sample.num_rows, len(symbols.names), len(days), measured, left_out)


def _files(layout: Layout, symbols: Symbols, days: npt.NDArray[np.int64]) -> int:
    """Return about how many files a layout makes of the sample."""
    periods = 1 if layout.date == "none" else len(np.unique(period_starts(days * NS_PER_DAY, layout.date)))
    return periods * (len(symbols.names) if layout.symbol == "identity" else max(1, layout.buckets))


def _sample(state: TableState, rows: int) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Return stored rows, and the days that they are of."""
    interval, expected = Interval(), float(state.rows)
    borders = period_borders(state, Layout("day"))
    if state.rows > rows and len(borders):
        left = state.rows - rows_before(state, borders)
        place = int(np.argmax(left <= rows)) if np.any(left <= rows) else len(borders) - 1
        interval, expected = Interval(start=int(borders[place])), float(left[place])
    selections = select_pieces(state, None, interval)
    if expected > rows and state.schema.symbol:
        every = sorted({symbol for selection in selections for symbol in selection.symbols})
        selections = select_pieces(state, every[:: int(np.ceil(expected / rows))], interval)
    found = read_stored(state, selections, interval)
    if not found.num_rows:  # the estimate missed: files need not have rows on every day
        found = read_stored(state, select_pieces(state, None, Interval()), Interval())
    times = times_of(found, state.schema)
    return found, np.unique(np.floor_divide(np.zeros(0, np.int64) if times is None else times, NS_PER_DAY))


def _questions(state: TableState, symbols: Symbols, days: npt.NDArray[np.int64]) -> dict[str, _Question]:
    """Return the questions by name: of the symbol with a middling number of rows, on the middle day."""
    order = np.argsort(np.bincount(symbols.codes), kind="stable")
    symbol = None if state.schema.symbol is None else (symbols.names[order[len(order) // 2]],)
    start = int(days[len(days) // 2]) * NS_PER_DAY
    day, every = Interval(start, start + NS_PER_DAY), tuple(state.schema.names)
    one = tuple(name for name in (state.schema.time, _value_column(state)) if name)
    return {
        "symbol_ms": _Question(symbol, Interval(), every),
        "symbol_day_ms": _Question(symbol, day, every),
        "day_ms": _Question(None, day, one),
        "scan_ms": _Question(None, Interval(), every),
    }


def _value_column(state: TableState) -> str | None:
    """Return the last column of numbers, which bars call close or volume."""
    numbers = [column.name for column in state.schema.columns if column.type.startswith(("float", "int"))]
    floats = [column.name for column in state.schema.columns if column.type.startswith("float")]
    found = floats or numbers
    return found[-1] if found else None


def _measure(state: TableState, layout: Layout, sample: pa.Table, asked: dict[str, _Question]) -> Measured:
    with TemporaryDirectory(prefix="lakehouse-layout-") as folder:
        store = open_store(folder)
        began = time.perf_counter()
        written = write_data_files(store, "trial", state.schema, layout, sample, writer="trial")
        took = time.perf_counter() - began
        files = tuple(each.file for each in written)
        tried = replace(state, store=store, layout=layout, files=files)
        size = sum(file.size for file in files)
        timed = {name: _timed(tried, Path(folder), question) for name, question in asked.items()}
        return Measured(str(layout), len(files), size, size / sample.num_rows, write_ms=took * 1_000, **timed)


def _timed(state: TableState, folder: Path, question: _Question) -> float:
    """Return the best time to decode what a question needs, with parsed footers and open files."""
    with ExitStack() as stack, ThreadPoolExecutor(_THREADS) as pool:
        jobs = list(_jobs(state, folder, question, stack))

        def once() -> float:
            began = time.perf_counter()
            for future in [pool.submit(file.read, question.columns, groups=groups) for file, groups in jobs]:
                future.result()
            return time.perf_counter() - began

        return min(once() for _ in range(REPEATS)) * 1_000


def _jobs(
    state: TableState, folder: Path, question: _Question, stack: ExitStack
) -> Iterator[tuple[Parquet, list[int]]]:
    """Yield an open file and some of its row groups, a share for each thread."""
    for selection in select_pieces(state, question.symbols, question.interval):
        for groups in _shares(selection.groups):
            yield stack.enter_context(open_parquet(folder / selection.file.path)), groups


def _shares(groups: Sequence[int]) -> Iterable[list[int]]:
    shares = (list(groups[place::_THREADS]) for place in range(_THREADS))
    return [share for share in shares if share]
