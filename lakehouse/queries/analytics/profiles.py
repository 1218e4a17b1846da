"""Shapes of the day: how volume is spread over its minutes."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.queries.analytics.amounts import span_of
from lakehouse.queries.computation import Computation, compute
from lakehouse.queries.inputs import Input
from lakehouse.queries.kernels.compiled import Array, Floats
from lakehouse.queries.kernels.profiles import last_shares, volume_shares
from lakehouse.queries.operations import Operation
from lakehouse.queries.rows import Block, Integers, Rows
from lakehouse.times import MIN_NS, NS_PER_DAY

_MINUTE = 60 * 10**9


def volume_curve(
    rows: Any,
    every: str | timedelta | int = "1min",
    *,
    size: str = "volume",
    executor: Executor | None = None,
) -> Computation:
    """Return how the volume of an average day is spread over its minutes, for each symbol.

    The share of a minute is the mean, over the days of the symbol, of the volume in it over the volume of the
    day; so the shares of a symbol sum to 1. A day without volume does not count. Nulls are no volume.

    Args:
        rows: bars, or trades.
        every: whole minutes, of which a day has a whole number.
        size: column of volumes, 0 or more.
        executor: whose tasks do the work; None for threads.

    Returns:
        symbol, minute (int32, of the UTC day, in which the span begins; only those with a row), share (NaN
        for a symbol without volume).

    Raises:
        NotFoundError: the column is not there.
        ArgumentError: the column holds no numbers, or the span does not divide a day into whole minutes.

    Examples:
        >>> import polars as pl
        >>> from datetime import datetime
        >>> times = [datetime(2024, 1, 2, 9, minute) for minute in (30, 31)]
        >>> bars = pl.DataFrame({"time": times, "volume": [300, 100]})
        >>> volume_curve(bars).read().to_polars().rows()
        [(570, 0.75), (571, 0.25)]
    """
    span = span_of(every)
    if span % _MINUTE or NS_PER_DAY % span:
        raise ArgumentError(f"A day is no whole number of {every!r}, or that is no whole number of minutes.")
    return compute("volume_curve", _VolumeCurve((size,), span), rows, time="minute", executor=executor)


@dataclass
class _Days:
    """The open day, and the sums of those before; see `kernels.profiles`."""

    day: Integers
    bounds: Integers
    volume: Floats
    shares: Floats
    seen: Array
    days: Integers


@dataclass(frozen=True)
class _VolumeCurve(Operation):
    columns: tuple[str, ...]
    every: int

    def shrinks(self) -> bool:
        return True

    def fields(self, source: Input) -> list[pa.Field]:
        source.check_number(*self.columns)
        return [pa.field("minute", pa.int32(), nullable=False), pa.field("share", pa.float64())]

    def start(self, symbols: tuple[str, ...]) -> _Days:
        shape = len(symbols), NS_PER_DAY // self.every
        return _Days(
            day=np.full(len(symbols), MIN_NS // NS_PER_DAY),
            bounds=np.zeros((len(symbols), 2), np.int64),
            volume=np.zeros(shape),
            shares=np.zeros(shape),
            seen=np.zeros(shape, np.bool_),
            days=np.zeros(len(symbols), np.int64),
        )

    def step(self, rows: Rows, state: _Days) -> Block | None:
        size = rows.columns[self.columns[0]]
        sums = state.day, state.bounds, state.volume, state.shares, state.seen, state.days
        volume_shares(rows.offsets, rows.times, size, NS_PER_DAY, self.every, *sums)
        return None

    def finish(self, state: _Days) -> Block | None:
        last_shares(state.bounds, state.volume, state.shares, state.days)
        with np.errstate(all="ignore"):
            shares = state.shares / state.days[:, None]
        symbols, cells = np.nonzero(state.seen)
        counts = np.bincount(symbols, minlength=len(state.days)).astype(np.int64)
        return Block(counts, (cells * (self.every // _MINUTE), shares[symbols, cells]))
