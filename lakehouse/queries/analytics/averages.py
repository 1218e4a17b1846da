"""Average prices: by volume and by time."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.queries.analytics.amounts import origin_of, span_of
from lakehouse.queries.computation import Computation, compute
from lakehouse.queries.inputs import Input
from lakehouse.queries.kernels.averages import volume_weighted
from lakehouse.queries.operations import Operation
from lakehouse.queries.rows import NANOSECONDS, Block, Integers, Rows


def vwap(
    rows: Any,
    every: str | timedelta | int | None = None,
    *,
    price: str = "price",
    size: str = "size",
    executor: Executor | None = None,
) -> Computation:
    """Return the volume-weighted average price of each symbol, in each cell of time.

    Trades with a null price or size are left out; a cell of no volume is NaN, one of no trade has no row.

    Args:
        rows: trades.
        every: length of a cell, such as "5min" or "1d", from midnight UTC; None for one cell over all rows.
        price: column of prices.
        size: column of sizes.
        executor: whose tasks do the work; None for threads.

    Returns:
        symbol, time (start of the cell; not without `every`), vwap.

    Raises:
        NotFoundError: a column is not there.
        ArgumentError: a column holds no numbers, or the span is none.
    """
    span = 0 if every is None else span_of(every)
    return compute("vwap", _VolumeWeighted((price, size), span), rows, executor=executor)


@dataclass
class _Cells:
    """The open cell of each symbol."""

    symbols: int
    start: Integers
    sums: Any


@dataclass(frozen=True)
class _VolumeWeighted(Operation):
    columns: tuple[str, ...]
    every: int

    def fields(self, source: Input) -> list[pa.Field]:
        source.check_number(*self.columns)
        time = [pa.field(source.time, NANOSECONDS, nullable=False)] if self.every else []
        return [*time, pa.field("vwap", pa.float64())]

    def start(self, symbols: tuple[str, ...]) -> _Cells:
        return _Cells(len(symbols), np.zeros(len(symbols), np.int64), np.zeros((len(symbols), 3)))

    def step(self, rows: Rows, state: _Cells) -> Block | None:
        price, size = (rows.columns[name] for name in self.columns)
        most = len(rows) + len(rows.symbols)
        times, values = np.empty(most, np.int64), np.empty(most)
        counts = np.zeros(len(rows.symbols), np.int64)
        volume_weighted(
            rows.offsets, rows.times, price, size, self.every, origin_of(self.every), state.start, state.sums,
            times, values, counts,
        )  # fmt: skip
        return self._block(times, values, counts)

    def finish(self, state: _Cells) -> Block | None:
        open_ = state.sums[:, 2] > 0
        with np.errstate(all="ignore"):
            values = state.sums[open_, 0] / state.sums[open_, 1]
        return self._block(state.start[open_], values, open_.astype(np.int64))

    def _block(self, times: Integers, values: Any, counts: Integers) -> Block:
        found = int(counts.sum())
        return Block(counts, (times[:found], values[:found])[0 if self.every else 1 :])
