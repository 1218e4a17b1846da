"""Events: the rows at which something has happened."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from lakehouse.queries.analytics.amounts import one_of, positive
from lakehouse.queries.computation import Computation, compute
from lakehouse.queries.inputs import Input
from lakehouse.queries.kernels.compiled import Floats
from lakehouse.queries.kernels.filters import cumulative_sums
from lakehouse.queries.operations import Operation
from lakehouse.queries.rows import Block, Rows, time_array
from lakehouse.queries.sources import input_of

_CHANGES = {"value": 0, "return": 1, "log_return": 2}


def cusum_events(
    rows: Any,
    threshold: float,
    *,
    price: str = "price",
    of: Literal["value", "return", "log_return"] = "log_return",
    executor: Executor | None = None,
) -> Computation:
    """Return the rows at which a price has moved by more than a threshold since the last such row.

    The symmetric CUSUM filter: changes are summed up and down, each sum is held at 0, and an event resets its
    sum. Rows with a null price are left out. Source: M. Lopez de Prado, Advances in Financial Machine
    Learning (2018), section 2.5.2.1.

    Args:
        rows: prices, such as bars.
        threshold: above 0, in the unit of `of`.
        price: column of prices.
        of: what is summed: differences, simple returns, or log returns.
        executor: whose tasks do the work; None for threads.

    Returns:
        symbol, time, the price, side (1 up, -1 down).

    Raises:
        NotFoundError: the column is not there.
        ArgumentError: the column holds no numbers, or the threshold is not above 0.

    Examples:
        >>> import polars as pl
        >>> from datetime import date
        >>> days = [date(2024, 1, day) for day in (2, 3, 4)]
        >>> bars = pl.DataFrame({"day": days, "close": [100.0, 101.0, 103.0]})
        >>> cusum_events(bars, 0.025, price="close").read().to_polars().rows()
        [(datetime.date(2024, 1, 4), 103.0, 1)]
    """
    one_of(of, _CHANGES, name="of")
    source = input_of(rows)
    events = _Events((price,), source.time_type, positive(threshold, name="threshold"), _CHANGES[of])
    return compute("cusum_events", events, source, executor=executor)


@dataclass(frozen=True)
class _Events(Operation):
    columns: tuple[str, ...]
    time: pa.DataType
    threshold: float
    change: int

    def fields(self, source: Input) -> list[pa.Field]:
        source.check_number(*self.columns)
        return [
            pa.field(source.time, self.time, nullable=False),
            pa.field(self.columns[0], pa.float64(), nullable=False),
            pa.field("side", pa.int64(), nullable=False),
        ]

    def start(self, symbols: tuple[str, ...]) -> Floats:
        return np.tile([np.nan, 0.0, 0.0], (len(symbols), 1))

    def step(self, rows: Rows, state: Floats) -> Block | None:
        price = rows.columns[self.columns[0]]
        found, sides = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
        counts = np.zeros(len(rows.symbols), np.int64)
        cumulative_sums(rows.offsets, price, self.threshold, self.change, state, found, sides, counts)
        kept = found[: counts.sum()]
        times = time_array(rows.times[kept], self.time)
        return Block(counts, (times, price[kept].astype(np.float64), sides[: len(kept)].copy()))
