"""Average prices: by volume and by time."""

from __future__ import annotations

from abc import abstractmethod
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from lakehouse.queries.analytics.amounts import origin_of, span_of
from lakehouse.queries.computation import Computation, compute
from lakehouse.queries.inputs import Input
from lakehouse.queries.kernels import averages as kernels
from lakehouse.queries.kernels.compiled import Floats
from lakehouse.queries.operations import Operation
from lakehouse.queries.rows import NANOSECONDS, Block, Integers, Rows, Runs, frozen


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

    Examples:
        >>> import polars as pl
        >>> from datetime import datetime
        >>> times = [datetime(2024, 1, 2, 9, 30, second) for second in (0, 20, 40)]
        >>> trades = pl.DataFrame({"time": times, "price": [10.0, 12.0, 11.0], "size": [100, 200, 100]})
        >>> vwap(trades).read().to_polars()["vwap"].to_list()
        [11.25]
    """
    span = 0 if every is None else span_of(every)
    return compute("vwap", _VolumeWeighted((price, size), span), rows, executor=executor)


def twap(
    rows: Any,
    every: str | timedelta | int | None = None,
    *,
    price: str = "price",
    executor: Executor | None = None,
) -> Computation:
    """Return the time-weighted average price of each symbol, from the first to the last row of each cell.

    A price holds until the next one of the cell. Rows with a null price are left out; where all rows of a
    cell have one time, their plain mean is given. Arguments and errors are those of `vwap`.

    Returns:
        symbol, time (start of the cell; not without `every`), twap.

    Examples:
        >>> import polars as pl
        >>> from datetime import datetime
        >>> times = [datetime(2024, 1, 2, 9, 30, second) for second in (0, 20, 40)]
        >>> trades = pl.DataFrame({"time": times, "price": [10.0, 12.0, 11.0], "size": [100, 200, 100]})
        >>> twap(trades).read().to_polars()["twap"].to_list()
        [11.0]
    """
    span = 0 if every is None else span_of(every)
    return compute("twap", _TimeWeighted((price,), span), rows, executor=executor)


@dataclass
class _Cells:
    """The open cell of each symbol; see `kernels.averages`."""

    start: Integers
    latest: Integers
    sums: Floats


@dataclass(frozen=True)
class _Averages(Operation):
    columns: tuple[str, ...]
    every: int

    label: ClassVar[str]
    width: ClassVar[int]

    def shrinks(self) -> bool:
        return True

    def fields(self, source: Input) -> list[pa.Field]:
        source.check_number(*self.columns)
        time = [pa.field(source.time, NANOSECONDS, nullable=False)] if self.every else []
        return [*time, pa.field(self.label, pa.float64())]

    def start(self, symbols: tuple[str, ...]) -> _Cells:
        n = len(symbols)
        return _Cells(np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros((n, self.width)))

    def step(self, rows: Rows, state: _Cells) -> Block | None:
        most = int(rows.offsets[-1]) + len(rows.symbols)
        times, values = np.empty(most, np.int64), np.empty(most)
        counts = np.zeros(len(rows.symbols), np.int64)
        self.average(rows, state, (times, values, counts))
        return self.block(times[: counts.sum()], values[: counts.sum()], counts)

    def finish(self, state: _Cells) -> Block | None:
        open_ = state.sums[:, -1] > 0
        with np.errstate(all="ignore"):
            values = self.value(state.sums[open_].T)
        return self.block(state.start[open_], values, open_.astype(np.int64))

    def block(self, times: Integers, values: Floats, counts: Integers) -> Block:
        return Block(counts, (times.copy(), values.copy()) if self.every else (values.copy(),))

    @abstractmethod
    def average(self, rows: Rows, state: _Cells, out: tuple[Any, ...]) -> None:
        """Write the averages of the cells that rows complete; change the state of the open ones."""

    @abstractmethod
    def value(self, sums: Floats) -> Floats:
        """Return the averages of open cells."""


@dataclass(frozen=True)
class _VolumeWeighted(_Averages):
    label = "vwap"
    width = 3

    def average(self, rows: Rows, state: _Cells, out: tuple[Any, ...]) -> None:
        price, size = (rows.columns[name] for name in self.columns)
        runs = rows.runs or self._runs(rows)
        cells = self.every, origin_of(self.every), state.start, state.sums
        kernels.volume_weighted(runs.offsets, runs.codes, runs.times, price, size, *cells, *out)

    def cells(self) -> tuple[int, int]:
        return self.every, origin_of(self.every)

    def _runs(self, rows: Rows) -> Runs:
        offsets, codes, times = (np.empty(len(rows) + 1, np.int64) for _ in range(3))
        n = kernels.cell_runs(rows.offsets, rows.times, *self.cells(), offsets, codes, times)
        return Runs(*(frozen(each) for each in (offsets[: n + 1], codes[:n], times[:n])))

    def value(self, sums: Floats) -> Floats:
        found: Floats = sums[0] / sums[1]
        return found


@dataclass(frozen=True)
class _TimeWeighted(_Averages):
    label = "twap"
    width = 5

    def average(self, rows: Rows, state: _Cells, out: tuple[Any, ...]) -> None:
        cells = self.every, origin_of(self.every), state.start, state.latest, state.sums
        kernels.time_weighted(rows.offsets, rows.times, rows.columns[self.columns[0]], *cells, *out)

    def value(self, sums: Floats) -> Floats:
        area, held, _, total, count = sums
        found: Floats = np.where(held > 0, area / held, total / count)
        return found
