"""Bars of trades: by time, ticks, volume, dollars, and imbalance."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.queries.analytics.amounts import amount_type, amounts, one_of, origin_of, positive, span_of
from lakehouse.queries.computation import Computation, compute
from lakehouse.queries.inputs import Input
from lakehouse.queries.kernels import bars as kernels
from lakehouse.queries.kernels.compiled import Floats
from lakehouse.queries.operations import Operation
from lakehouse.queries.rows import NANOSECONDS, Block, Integers, Rows
from lakehouse.queries.sources import input_of
from lakehouse.times import NS_PER_SECOND

_MANY_TICKS = 16
_MOST_TICKS = 1 << 62
_PRICES = ("open", "high", "low", "close")
_MEASURES = {"tick": 0, "volume": 1, "dollar": 2}


def time_bars(
    rows: Any,
    every: str | timedelta | int = "1min",
    *,
    price: str = "price",
    size: str = "size",
    executor: Executor | None = None,
) -> Computation:
    """Return a bar for each span of time with a trade.

    Trades without a price are left out; one without a size counts as a trade of no volume.

    Args:
        rows: trades.
        every: length of a bar, such as "1min" or "1d", from midnight UTC; weeks begin on Mondays.
        price: column of prices.
        size: column of sizes.
        executor: whose tasks do the work; None for threads.

    Returns:
        symbol, time (start of the bar), open, high, low, close, volume (int64 of integers, else float64),
        trades.

    Raises:
        NotFoundError: a column is not there.
        ArgumentError: a column holds no numbers, or the span is none.

    Examples:
        >>> import polars as pl
        >>> from datetime import datetime
        >>> times = [datetime(2024, 1, 2, 9, 30, second) for second in (0, 20, 40)]
        >>> trades = pl.DataFrame({"time": times, "price": [10.0, 12.0, 11.0], "size": [100, 200, 100]})
        >>> time_bars(trades, "1min").read().to_polars().drop("time").rows()
        [(10.0, 12.0, 10.0, 11.0, 400, 3)]
    """
    span = span_of(every)
    return _compute("time_bars", _TimeBars, rows, price, size, (span, origin_of(span)), executor)


def tick_bars(
    rows: Any, ticks: int, *, price: str = "price", size: str = "size", executor: Executor | None = None
) -> Computation:
    """Return a bar for every `ticks` trades of a symbol.

    Rows, columns and errors are those of `time_bars`; `time` is that of the first trade of the bar. The last
    trades, too few for a bar, make none.

    Examples:
        >>> import polars as pl
        >>> from datetime import datetime
        >>> times = [datetime(2024, 1, 2, 9, 30, second) for second in (0, 20, 40)]
        >>> trades = pl.DataFrame({"time": times, "price": [10.0, 12.0, 11.0], "size": [100, 200, 100]})
        >>> tick_bars(trades, 2).read().to_polars().drop("time").rows()
        [(10.0, 12.0, 10.0, 12.0, 300, 2)]
    """
    _whole(ticks, name="ticks")
    return _compute("tick_bars", _ActivityBars, rows, price, size, (0, float(ticks)), executor)


def volume_bars(
    rows: Any, volume: float, *, price: str = "price", size: str = "size", executor: Executor | None = None
) -> Computation:
    """Return a bar whenever the volume since the last one reaches `volume`; see `tick_bars`.

    A trade is not split: it belongs to the bar that it completes.

    Examples:
        >>> import polars as pl
        >>> from datetime import datetime
        >>> times = [datetime(2024, 1, 2, 9, 30, second) for second in (0, 20, 40)]
        >>> trades = pl.DataFrame({"time": times, "price": [10.0, 12.0, 11.0], "size": [100, 200, 100]})
        >>> volume_bars(trades, 150).read().to_polars().drop("time").rows()
        [(10.0, 12.0, 10.0, 12.0, 300, 2)]
    """
    target = positive(volume, name="volume")
    return _compute("volume_bars", _ActivityBars, rows, price, size, (1, target), executor)


def dollar_bars(
    rows: Any, dollars: float, *, price: str = "price", size: str = "size", executor: Executor | None = None
) -> Computation:
    """Return a bar whenever the sum of price times size since the last one reaches `dollars`.

    The unit is the quote currency. See `volume_bars`.

    Examples:
        >>> import polars as pl
        >>> from datetime import datetime
        >>> times = [datetime(2024, 1, 2, 9, 30, second) for second in (0, 20, 40)]
        >>> trades = pl.DataFrame({"time": times, "price": [10.0, 12.0, 11.0], "size": [100, 200, 100]})
        >>> dollar_bars(trades, 1000).read().to_polars()["volume"].to_list()
        [100, 200, 100]
    """
    target = positive(dollars, name="dollars")
    return _compute("dollar_bars", _ActivityBars, rows, price, size, (2, target), executor)


def imbalance_bars(
    rows: Any,
    ticks: int,
    of: Literal["tick", "volume", "dollar"] = "tick",
    *,
    alpha: float = 0.1,
    bounds: tuple[float, float] = (0.1, 10.0),
    price: str = "price",
    size: str = "size",
    executor: Executor | None = None,
) -> Computation:
    """Return a bar whenever buyers or sellers outweigh the others by more than the bars before let expect.

    Columns and errors are those of `tick_bars`; the rule is in `kernels.bars.imbalance_bars`.

    Args:
        rows: trades.
        ticks: trades that the first bar is expected to have, 1 or more.
        of: what is signed and summed: trades, sizes, or price times size.
        alpha: weight of the newest bar in the expectations, above 0 and at most 1.
        bounds: the fewest and the most trades of a bar, as multiples of `ticks`.
        price: column of prices.
        size: column of sizes.
        executor: whose tasks do the work; None for threads.

    Examples:
        >>> import polars as pl
        >>> from datetime import datetime
        >>> times = [datetime(2024, 1, 2, 9, 30, second) for second in (0, 20, 40)]
        >>> trades = pl.DataFrame({"time": times, "price": [10.0, 12.0, 11.0], "size": [100, 200, 100]})
        >>> imbalance_bars(trades, 2, "volume").read().to_polars().drop("time").rows()
        [(10.0, 12.0, 10.0, 12.0, 300, 2)]
    """
    _whole(ticks, name="ticks")
    one_of(of, _MEASURES, name="of")
    if not 0 < positive(alpha, name="alpha") <= 1:
        raise ArgumentError(f"The argument 'alpha' must be above 0 and at most 1, not {alpha!r}.")
    if not isinstance(bounds, Sequence) or len(bounds) != 2:
        raise ArgumentError(f"The argument 'bounds' must be two numbers, not {bounds!r}.")
    low, high = (positive(bound, name="bounds") for bound in bounds)
    if not low <= 1 <= high:
        raise ArgumentError(f"The bounds must have 1 between them, not {bounds!r}.")
    fewest, most = (min(int(bound), _MOST_TICKS) for bound in (np.ceil(low * ticks), high * ticks))
    options = (_MEASURES[of], float(alpha), fewest, most, float(ticks))
    return _compute("imbalance_bars", _ImbalanceBars, rows, price, size, options, executor)


def _compute(
    name: str,
    kind: type[_Bars],
    rows: Any,
    price: str,
    size: str,
    options: tuple[Any, ...],
    executor: Executor | None,
) -> Computation:
    source = input_of(rows)
    source.check_number(price, size)
    return compute(name, kind((price, size), amount_type(source, size), options), source, executor=executor)


def _whole(number: int, *, name: str) -> None:
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
        raise ArgumentError(f"The argument {name!r} must be a whole number of 1 or more, not {number!r}.")


@dataclass
class _Open:
    """The open bar of each symbol; see `kernels.bars`."""

    start: Integers
    prices: Floats
    volume: npt.NDArray[Any]
    trades: Integers
    memory: Floats


@dataclass(frozen=True)
class _Bars(Operation):
    columns: tuple[str, ...]
    volume: pa.DataType
    options: tuple[Any, ...]

    def fields(self, source: Input) -> list[pa.Field]:
        prices = [pa.field(name, pa.float64(), nullable=False) for name in _PRICES]
        time = pa.field(source.time, NANOSECONDS, nullable=False)
        volume = pa.field("volume", self.volume, nullable=False)
        return [time, *prices, volume, pa.field("trades", pa.int64(), nullable=False)]

    def start(self, symbols: tuple[str, ...]) -> _Open:
        n = len(symbols)
        volume = np.zeros(n, np.int64 if pa.types.is_int64(self.volume) else np.float64)
        return _Open(np.zeros(n, np.int64), np.zeros((n, 4)), volume, np.zeros(n, np.int64), np.zeros(n))

    def step(self, rows: Rows, state: _Open) -> Block | None:
        price, size = rows.columns[self.columns[0]], amounts(rows.columns[self.columns[1]], self.volume)
        most = len(rows) + len(rows.symbols)
        times, prices, trades = np.empty(most, np.int64), np.empty((4, most)), np.empty(most, np.int64)
        volume, counts = np.empty(most, state.volume.dtype), np.zeros(len(rows.symbols), np.int64)
        self.cut(
            (rows.offsets, rows.times, price, size),
            (state.start, state.prices, state.volume, state.trades),
            state.memory,
            (times, prices, volume, trades, counts),
        )
        found = int(counts.sum())
        kept = (each[:found] for each in (times, *prices, volume, trades))
        return Block(counts, tuple(np.array(each) for each in kept))  # copies of few: the rest is let go

    @abstractmethod
    def cut(
        self, rows: tuple[Any, ...], state: tuple[Any, ...], memory: Floats, out: tuple[Any, ...]
    ) -> None:
        """Write the bars that rows complete; change the state of the open ones."""


@dataclass(frozen=True)
class _TimeBars(_Bars):
    def shrinks(self) -> bool:
        return bool(self.options[0] >= NS_PER_SECOND)

    def cut(
        self, rows: tuple[Any, ...], state: tuple[Any, ...], memory: Floats, out: tuple[Any, ...]
    ) -> None:
        kernels.time_bars(*rows, *self.options, *state, *out)

    def finish(self, state: _Open) -> Block | None:
        open_ = state.trades > 0
        columns = (state.start, *state.prices.T, state.volume, state.trades)
        return Block(open_.astype(np.int64), tuple(column[open_] for column in columns))


@dataclass(frozen=True)
class _ActivityBars(_Bars):
    def shrinks(self) -> bool:
        measure, target = self.options
        return bool(measure == 0 and target >= _MANY_TICKS)

    def cut(
        self, rows: tuple[Any, ...], state: tuple[Any, ...], memory: Floats, out: tuple[Any, ...]
    ) -> None:
        kernels.activity_bars(*(*rows, *self.options, *state, memory, *out))


@dataclass(frozen=True)
class _ImbalanceBars(_Bars):
    def start(self, symbols: tuple[str, ...]) -> _Open:
        state = super().start(symbols)
        state.memory = np.tile([np.nan, 0.0, 0.0, self.options[4], np.nan], (len(symbols), 1))
        return state

    def cut(
        self, rows: tuple[Any, ...], state: tuple[Any, ...], memory: Floats, out: tuple[Any, ...]
    ) -> None:
        kernels.imbalance_bars(*(*rows, *self.options[:4], *state, memory, *out))
