"""The rows of several files in their one order, a bounded number at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from lakehouse.partitions.reading import read_stored
from lakehouse.partitions.selection import Selection, select_pieces
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.times import Interval

Range = tuple[tuple[str, ...] | None, Interval]


def ordered_rows(
    state: TableState, files: Sequence[DataFile], *, at_once: int, interval: Interval | None = None
) -> Iterator[pa.Table]:
    """Yield the rows of some files as they are stored, in the order (symbol, time, sequence).

    Args:
        state: the version that the files are of.
        files: some of its files.
        at_once: the rows of each table but the last; about twice as many are in memory.
        interval: only the rows whose times are in it; None for all.

    Raises:
        IntegrityError: a file is missing or altered.
    """
    alone = replace(state, files=tuple(files))
    rows: pa.Table | None = None
    for symbols, times in _ranges(alone, at_once, interval or Interval()):
        read = read_stored(alone, select_pieces(alone, symbols, times), times)
        if not read.num_rows:
            continue
        rows = read if rows is None else pa.concat_tables([rows, read]).unify_dictionaries()
        while rows.num_rows > at_once:
            yield rows.slice(0, at_once)
            rows = rows.slice(at_once)
    if rows is not None:
        yield rows


def _ranges(state: TableState, at_once: int, interval: Interval) -> Iterator[Range]:
    """Yield neighbouring ranges of symbols, or of the times of one symbol, that hold few enough rows."""
    if state.rows <= at_once:
        yield None, interval
        return
    selections = select_pieces(state, None, interval)
    run: list[str] = []
    count = 0
    for symbol, rows in sorted(_rows_by_symbol(selections).items()):
        if run and count + rows > at_once:
            yield tuple(run), interval
            run, count = [], 0
        if rows > at_once:
            for part in _cuts(selections, symbol, at_once, interval) if state.schema.time else [interval]:
                yield (symbol,) if state.schema.symbol else None, part
        else:
            run.append(symbol)
            count += rows
    if run:
        yield tuple(run), interval


def _rows_by_symbol(selections: Sequence[Selection]) -> Counter[str]:
    rows: Counter[str] = Counter()
    for selection in selections:
        counts = np.bincount(selection.footer.code, selection.footer.rows).astype(np.int64)
        rows.update(dict(zip(selection.footer.symbols, counts.tolist(), strict=True)))
    return rows


def _cuts(
    selections: Sequence[Selection], symbol: str, at_once: int, interval: Interval
) -> Iterator[Interval]:
    """Yield intervals that part an interval, each with about as many rows of a symbol as may be read."""
    pieces: list[tuple[int, int]] = []
    for selection in selections:
        footer = selection.footer
        if symbol in footer.symbols:
            mine = footer.code == footer.symbols.index(symbol)
            pieces += zip(footer.first[mine].tolist(), footer.rows[mine].tolist(), strict=True)
    start, count = interval.start, 0
    for first, rows in sorted(pieces):
        if count + rows > at_once and first > start:
            yield Interval(start, first)
            start, count = first, 0
        count += rows
    yield Interval(start, interval.end)
