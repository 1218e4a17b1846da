"""A small change in a large table: which keys, which columns, and the commits behind them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

import lakehouse
from benchmarks.data import batch_of_bars, symbols
from benchmarks.many_files import renamed
from benchmarks.scale import Scale
from benchmarks.table import Row, below
from benchmarks.timing import once

LIMIT_S = 5.0
NAME = "market_data.bars_1m"
CORRECTIONS = 10
SYMBOLS = 500


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Yield the time of finding one row in ten thousand, before and after every file was rewritten."""
    lake = lakehouse.open(folder / "differing", create=True)
    names = symbols(SYMBOLS)
    product = lake.create(
        NAME,
        like=batch_of_bars(SYMBOLS, names, 0),
        key=("symbol", "time"),
        layout="date=day,symbol=row_groups",
    )
    for day in range(scale.days):
        product.append(batch_of_bars(scale.rows_a_day, names, day))
    lake.snapshot("before")
    total = scale.days * scale.rows_a_day
    changed = max(CORRECTIONS, total // 10_000)
    for number in range(CORRECTIONS):
        frame = batch_of_bars(scale.rows_a_day, names, scale.days * number // CORRECTIONS)
        product.upsert(_correction(frame, number, changed // CORRECTIONS), message=f"fix {number}")
    lake.snapshot("after")
    renamed(lake, product)
    lake.snapshot("rewritten")
    what = f"`lake.diff`: {changed:,} changed rows of {total:,} in {scale.days} files, with their commits"
    yield _row(lake, what, "after", changed)
    yield _row(lake, f"{what}, after every file was rewritten", "rewritten", changed)


def _row(lake: lakehouse.Lake, what: str, after: str, changed: int) -> Row:
    found: list[lakehouse.Difference | None] = []
    seconds = once(lambda: found.append(lake.diff("before", after)[NAME].rows))
    changes = None if found[0] is None else found[0].changes.to_arrow()
    if changes is None or changes.num_rows != changed or changes.column("_version").null_count:
        raise RuntimeError(f"The {changed} changes, or the commits behind them, were not found.")
    return below(what, seconds, LIMIT_S)


def _correction(frame: pa.Table, first: int, count: int) -> pa.Table:
    """Return `count` bars with another volume: those of symbol number `first`, then of the next."""
    minutes = frame.num_rows // SYMBOLS
    symbol, minute = np.divmod(np.arange(count), minutes)
    bars = frame.take(pa.array(minute * SYMBOLS + first + symbol))
    return bars.set_column(6, "volume", pa.array(np.arange(count) + 0.5))
