"""Statistics of the last rows of each symbol."""

from __future__ import annotations

import math
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lakehouse.errors import ArgumentError
from lakehouse.queries.analytics.amounts import positive
from lakehouse.queries.analytics.series import Series, check_choice, check_window
from lakehouse.queries.computation import Computation, compute
from lakehouse.queries.kernels.changes import Of
from lakehouse.queries.kernels.compiled import Floats
from lakehouse.queries.kernels.rolling_extremes import rolling_extremes, start_extremes
from lakehouse.queries.kernels.rolling_moments import DEVIATION, MEAN, SCORE, rolling_moments, start_moments
from lakehouse.queries.kernels.rolling_pairs import (
    BETA,
    CORRELATION,
    COVARIANCE,
    rolling_pairs,
    start_pairs,
)
from lakehouse.queries.kernels.rolling_quantile import rolling_quantile, start_quantile
from lakehouse.queries.rows import Rows
from lakehouse.queries.sources import input_of

Statistic = Literal["mean", "std", "zscore", "min", "max", "quantile", "covariance", "correlation", "beta"]

_MOMENTS = {"mean": MEAN, "std": DEVIATION, "zscore": SCORE}
_SIGNS = {"min": 1.0, "max": -1.0}
_PAIRS = {"covariance": COVARIANCE, "correlation": CORRELATION, "beta": BETA}


def rolling(
    rows: Any,
    column: str,
    window: int,
    statistic: Statistic = "mean",
    *,
    other: str | None = None,
    quantile: float | None = None,
    of: Of = "value",
    name: str | None = None,
    drop_nan: bool = False,
    executor: Executor | None = None,
) -> Computation:
    """Return a statistic of each row and the `window - 1` rows of its symbol before it.

    The result is NaN until the window is full, and while a null or NaN is in it, not one row longer; the
    window counts rows, whatever the time between them, and goes on from one partition into the next.

    Args:
        rows: a scan, a product, or a frame with a column of times.
        column: of numbers.
        window: number of rows.
        statistic: "mean", "std" (of a sample), "zscore" (of the last row), "min", "max", "quantile"; of two
            columns "covariance" (of a sample), "correlation" (Pearson's), or "beta": the slope of `column` on
            `other`.
        other: the other column of a covariance, correlation or beta.
        quantile: from 0 to 1, of "quantile"; between two values on the straight line that joins them.
        of: what the statistic is taken of: the "value" itself, or the "return" or "log_return" from row to
            row, of both columns. The first row of a symbol has no return.
        name: of the result's column; None for that of the statistic.
        drop_nan: leave out the rows without a result.
        executor: whose tasks do the work; None for threads.

    Returns:
        symbol, time, and a column of float64: a row for each row.

    Raises:
        NotFoundError: a column is not there.
        ArgumentError: a column holds no numbers, or the arguments do not fit each other.

    Examples:
        >>> import polars as pl
        >>> from datetime import date
        >>> days = [date(2024, 1, day) for day in (2, 3, 4)]
        >>> closes = pl.DataFrame({"day": days, "close": [1.0, 2.0, 6.0]})
        >>> rolling(closes, "close", 2).read().to_arrow()["mean"].to_pylist()
        [nan, 1.5, 4.0]
    """
    check_choice(statistic, Statistic, name="statistic")
    check_choice(of, Of, name="of")
    check_window(window, 2 if statistic in ("std", "zscore", *_PAIRS) else 1)
    columns = (column,) if _other(statistic, other) is None else (column, str(other))
    return _compute(
        "rolling", rows, columns, int(window), statistic, _quantile(statistic, quantile), of,
        name=name or statistic, drop_nan=drop_nan, executor=executor,
    )  # fmt: skip


def volatility(
    rows: Any,
    column: str = "close",
    window: int = 20,
    *,
    periods_a_year: float = 252,
    name: str = "volatility",
    drop_nan: bool = False,
    executor: Executor | None = None,
) -> Computation:
    """Return the volatility of each symbol over its last `window` log returns, scaled to a year.

    This is the deviation of a sample of log returns times the root of `periods_a_year`. NaN until `window`
    returns were seen, and while a return that is not there, such as one from a null, is among the last
    `window`.

    Args:
        rows: a scan, a product, or a frame with a column of times.
        column: of prices.
        window: number of returns.
        periods_a_year: rows of a symbol in a year: 252 for daily bars of stocks.
        name: of the result's column.
        drop_nan: leave out the rows without a result.
        executor: whose tasks do the work; None for threads.

    Returns:
        symbol, time, volatility: a row for each row.

    Raises:
        NotFoundError: the column is not there.
        ArgumentError: it holds no numbers, or an argument is out of its range.

    Examples:
        >>> import polars as pl
        >>> from datetime import date
        >>> days = [date(2024, 1, day) for day in (2, 3, 4)]
        >>> bars = pl.DataFrame({"day": days, "close": [100.0, 102.0, 101.0]})
        >>> volatility(bars, window=2).read().to_polars()["volatility"].round(3).to_list()
        [nan, nan, 0.333]
    """
    check_window(window, 2)
    scale = math.sqrt(positive(periods_a_year, name="periods_a_year"))
    return _compute(
        "volatility", rows, (column,), int(window), "std", scale, "log_return",
        name=name, drop_nan=drop_nan, executor=executor,
    )  # fmt: skip


def _compute(
    function: str,
    rows: Any,
    columns: tuple[str, ...],
    window: int,
    statistic: Statistic,
    parameter: float,
    of: Of,
    *,
    name: str,
    drop_nan: bool,
    executor: Executor | None,
) -> Computation:
    source = input_of(rows)
    source.check(columns[0])
    most = int(np.bincount(source.pieces.code, source.pieces.rows, 1).max())
    window = min(window, most + 2)  # no result either way, and no memory for more rows than there are
    operation = _Rolling(
        columns, of, source.time, source.time_type, (name,), drop_nan, window, statistic, parameter
    )
    return compute(function, operation, source, executor=executor)


def _other(statistic: Statistic, other: str | None) -> str | None:
    if (statistic in _PAIRS) != (other is not None):
        need = "needs the argument 'other'" if other is None else "takes no argument 'other'"
        hint = f"Of two columns: {', '.join(_PAIRS)}."
        raise ArgumentError(f"The statistic {statistic!r} {need}.", hint=hint)
    return other


def _quantile(statistic: Statistic, quantile: float | None) -> float:
    if (statistic == "quantile") != (quantile is not None):
        need = "needs the argument 'quantile'" if quantile is None else "takes no argument 'quantile'"
        raise ArgumentError(f"The statistic {statistic!r} {need}.")
    number = isinstance(quantile, int | float | np.number) and not isinstance(quantile, bool)
    if quantile is not None and not (number and 0 <= quantile <= 1):
        raise ArgumentError(f"A quantile is from 0 to 1; got {quantile!r}.")
    return 1.0 if quantile is None else float(quantile)


@dataclass(frozen=True)
class _Rolling(Series):
    """A statistic over a window of rows."""

    window: int
    statistic: Statistic
    parameter: float
    """the quantile; else a factor of the result, where it is a moment"""

    def begin(self, symbols: int) -> Any:
        if self.statistic in _MOMENTS:
            return start_moments(symbols, self.window)
        if self.statistic in _PAIRS:
            return start_pairs(symbols, self.window)
        start = start_quantile if self.statistic == "quantile" else start_extremes
        return start(symbols, self.window)

    def apply(self, rows: Rows, values: list[Floats], own: Any) -> list[npt.NDArray[Any]]:
        out, window, (place, running, block) = np.empty(len(rows)), self.window, own
        if self.statistic in _MOMENTS:
            code = _MOMENTS[self.statistic]
            rolling_moments(rows.offsets, values[0], window, code, self.parameter, place, running, block, out)
        elif self.statistic in _PAIRS:
            rolling_pairs(
                rows.offsets, values[0], values[1], window, _PAIRS[self.statistic], place, running, block, out
            )
        elif self.statistic == "quantile":
            rolling_quantile(rows.offsets, values[0], window, self.parameter, place, running, block, out)
        else:
            rolling_extremes(
                rows.offsets, values[0], window, _SIGNS[self.statistic], place, running, block, out
            )
        return [out]
