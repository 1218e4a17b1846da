"""What happens after an event: when enough has been traded, and which barrier is touched first."""

from __future__ import annotations

from abc import abstractmethod
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.queries.analytics.amounts import positive, span_of
from lakehouse.queries.analytics.beside import Beside, both_inputs, kept_names
from lakehouse.queries.computation import Computation, compute
from lakehouse.queries.gathering import Wanted
from lakehouse.queries.inputs import Input
from lakehouse.queries.kernels import passages as kernels
from lakehouse.queries.kernels.compiled import Array, Floats
from lakehouse.queries.rows import NANOSECONDS, Block, Integers, Rows, masked_array
from lakehouse.times import MAX_NS, NS_PER_DAY, Interval

_NEVER = MAX_NS - 1


def first_passage(
    trades: Any,
    orders: Any,
    *,
    multiple: float = 1.0,
    price: str = "price",
    size: str = "size",
    within: str | timedelta | int | None = None,
    same_day: bool = False,
    executor: Executor | None = None,
) -> Computation:
    """Return for each order the trade that brings the volume since then to a multiple of the order's size.

    So a theoretical exit is found: the time and price at which an order that takes one part in `multiple` of
    the volume would be done. Trades later than the order count, not those of its own nanosecond; trades with
    a null price or size do not.

    Args:
        trades: with a price and a size.
        orders: with a symbol, a time and a size.
        multiple: of the order's size that has to be traded.
        price: column of prices of the trades.
        size: column of sizes, of both.
        within: the longest wait, inclusive, such as "2h"; None for any.
        same_day: whether an order ends with its day, in UTC.
        executor: whose tasks do the work; None for threads.

    Returns:
        The columns of `orders`, exit_time and exit_price, which are null where the volume was not reached, or
        the size is null or not above 0: give sizes of sales as positive numbers; in the order (symbol, time).

    Raises:
        NotFoundError: a column is not there.
        ArgumentError: a column holds no numbers, or one side alone has symbols.

    Examples:
        >>> import polars as pl
        >>> from datetime import datetime
        >>> times = [datetime(2024, 1, 2, 9, 30, second) for second in (0, 20, 40)]
        >>> trades = pl.DataFrame({"time": times, "price": [10.0, 12.0, 11.0], "size": [100, 200, 100]})
        >>> orders = pl.DataFrame({"time": times[:1], "size": [250]})
        >>> first_passage(trades, orders).read().to_polars()["exit_price"].to_list()
        [11.0]
    """
    source, right = both_inputs(orders, trades, what="One side")
    source.check_number(size)
    right.check_number(price, size)
    wait = None if within is None else span_of(within, name="within")
    made = _Passages(
        (size,), kept_names(source), source.time_type, right, (price, size), wait,
        same_day, positive(multiple, name="multiple"),
    )  # fmt: skip
    return compute("first_passage", made, source, executor=executor)


def triple_barrier(
    rows: Any,
    events: Any,
    *,
    width: float | str,
    horizon: str | timedelta | int | None,
    upper: float | None = 1.0,
    lower: float | None = 1.0,
    side: str | None = None,
    price: str = "price",
    executor: Executor | None = None,
) -> Computation:
    """Label each event by the barrier that the price touches first.

    The event enters at the first price at or after its time; its gain is price / entry - 1, times its side.
    Source: M. Lopez de Prado, Advances in Financial Machine Learning (2018), chapter 3.

    Args:
        rows: prices.
        events: with a symbol and a time, such as those of `cusum_events`.
        width: unit of the barriers as a return: a number, or a column of the events, such as a volatility.
        horizon: the longest wait, inclusive, such as "1d"; None for none.
        upper: barrier above, in units of `width`; None for none.
        lower: barrier below, likewise, as a positive number.
        side: column of the events: 1 for long, -1 for short; None for long.
        price: column of prices.
        executor: whose tasks do the work; None for threads.

    Returns:
        The columns of `events`, then label (1 the upper barrier, -1 the lower one, 0 the end of the horizon),
        exit_time, exit_price and gain. They are null where the rows end before that, where there is none,
        where width or side is null, or where width is not above 0: such barriers are touched at once.

    Raises:
        NotFoundError: a column is not there.
        ArgumentError: a column holds no numbers, a barrier is not positive, or one side alone has symbols.

    Examples:
        >>> import polars as pl
        >>> from datetime import date
        >>> days = [date(2024, 1, day) for day in (2, 3, 4)]
        >>> bars = pl.DataFrame({"day": days, "price": [100.0, 101.0, 97.0]})
        >>> labels = triple_barrier(bars, bars.select("day"), width=0.02, horizon="5d").read().to_polars()
        >>> labels["label"].to_list()
        [-1, -1, None]
    """
    source, right = both_inputs(events, rows, what="One side")
    columns = tuple(name for name in (width, side) if isinstance(name, str))
    source.check_number(*columns)
    right.check_number(price)
    units = tuple(None if unit is None else positive(unit, name="barrier") for unit in (upper, lower))
    wait = None if horizon is None else span_of(horizon, name="horizon")
    fixed = width if isinstance(width, str) else positive(width, name="width")
    made = _Barriers(
        columns, kept_names(source), source.time_type, right, (price,), wait,
        False, fixed, side, units,
    )  # fmt: skip
    return compute("triple_barrier", made, source, executor=executor)


@dataclass(frozen=True)
class _Following(Beside):
    """Follow each row of the source through later rows of another input."""

    followed: tuple[str, ...]
    wait: int | None
    same_day: bool

    def shrinks(self) -> bool:
        return True

    def fields(self, source: Input) -> list[pa.Field]:
        kept = self.kept_fields(source)
        for field in self.made():
            if field.name in [other.name for other in kept]:
                raise ArgumentError(f"The events have a column {field.name!r} already: rename it.")
        return [*kept, *self.made()]

    @abstractmethod
    def made(self) -> list[pa.Field]:
        """Return the columns that are made."""

    def deadlines(self, times: Integers) -> Integers:
        """Return the last time at which each event may end."""
        last = np.full(len(times), _NEVER, np.int64)
        if self.wait is not None:
            last = np.where(times > _NEVER - self.wait, _NEVER, times + self.wait)
        if self.same_day:
            last = np.minimum(last, times - times % NS_PER_DAY + NS_PER_DAY - 1)
        return last

    def later(self, rows: Rows, open_: Array) -> Any:
        """Yield the rows that follow, until every event has ended."""
        wanted = Wanted(rows.symbols, Interval(int(rows.times.min())), self.followed)
        for slab in self.right.stream(wanted):
            if not open_.any():
                return
            if len(slab):
                yield slab


@dataclass(frozen=True)
class _Passages(_Following):
    multiple: float

    def made(self) -> list[pa.Field]:
        return [pa.field("exit_time", NANOSECONDS), pa.field("exit_price", pa.float64())]

    def step(self, rows: Rows, state: None) -> Block | None:
        if not len(rows):
            return None
        need = self.multiple * rows.columns[self.columns[0]].astype(np.float64)
        open_, deadline = need > 0, self.deadlines(rows.times)
        exit_time, exit_price = np.zeros(len(rows), np.int64), np.full(len(rows), np.nan)
        for slab in self.later(rows, open_):
            kernels.volume_passages(
                rows.offsets, rows.times, deadline, slab.offsets, slab.times, *slab.columns.values(),
                open_, need, exit_time, exit_price,
            )  # fmt: skip
        found = ~np.isnan(exit_price)
        times = masked_array(exit_time, found, NANOSECONDS)
        return self.block(rows, times, masked_array(exit_price, found, pa.float64()))


@dataclass(frozen=True)
class _Barriers(_Following):
    width: float | str
    side: str | None
    units: tuple[float | None, ...]

    def made(self) -> list[pa.Field]:
        return [
            pa.field("label", pa.int64()),
            pa.field("exit_time", NANOSECONDS),
            pa.field("exit_price", pa.float64()),
            pa.field("gain", pa.float64()),
        ]

    def step(self, rows: Rows, state: None) -> Block | None:
        if not len(rows):
            return None
        width, side = (self._numbers(rows, each) for each in (self.width, self.side or 1.0))
        barriers = [np.full(len(rows), np.nan) if unit is None else unit * width for unit in self.units]
        open_ = (width > 0) & ~np.isnan(side)
        judged, deadline = open_.copy(), self.deadlines(rows.times)
        entry, exit_price = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
        label, exit_time = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
        for slab in self.later(rows, open_):
            kernels.barrier_touches(
                rows.offsets, rows.times, deadline, *barriers, side, slab.offsets, slab.times,
                *slab.columns.values(), open_, entry, label, exit_time, exit_price,
            )  # fmt: skip
        found = judged & ~open_ & ~np.isnan(exit_price)
        with np.errstate(all="ignore"):
            gain = side * (exit_price / entry - 1.0)
        values = (label, exit_time, exit_price, gain)
        columns = zip(values, self.made(), strict=True)
        return self.block(rows, *(masked_array(each, found, field.type) for each, field in columns))

    def _numbers(self, rows: Rows, what: float | str) -> Floats:
        if isinstance(what, str):
            return rows.columns[what].astype(np.float64)
        return np.full(len(rows), float(what))
