"""Returns, exponentially weighted statistics and drawdowns of each symbol."""

from __future__ import annotations

import math
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.queries.analytics.amounts import positive
from lakehouse.queries.analytics.series import Series, check_choice
from lakehouse.queries.computation import Computation, compute
from lakehouse.queries.kernels.changes import Of
from lakehouse.queries.kernels.compiled import Floats
from lakehouse.queries.kernels.drawdown import drawdown as fall_from_peak
from lakehouse.queries.kernels.drawdown import start_drawdown
from lakehouse.queries.kernels.ewma import MEAN, SQUARE, VARIANCE, start_ewma
from lakehouse.queries.kernels.ewma import ewma as weigh
from lakehouse.queries.rows import Rows, Values
from lakehouse.queries.sources import input_of

Weighted = Literal["mean", "variance"]
Around = Literal["zero", "mean"]
Change = Literal["return", "log_return"]


def returns(
    rows: Any,
    column: str = "close",
    *,
    of: Change = "return",
    name: str | None = None,
    drop_nan: bool = False,
    executor: Executor | None = None,
) -> Computation:
    """Return how much a column changed from the row before of the same symbol.

    The first row of a symbol has none: NaN; a null or NaN makes its own return NaN and the next one.

    Args:
        rows: a scan, a product, or a frame with a column of times.
        column: of prices.
        of: "return" for `price / before - 1`, "log_return" for `log(price / before)`.
        name: of the result's column; None for "return" or "log_return".
        drop_nan: leave out the rows without a return.
        executor: whose tasks do the work; None for threads.

    Returns:
        symbol, time, return: a row for each row.

    Raises:
        NotFoundError: the column is not there.
        ArgumentError: it holds no numbers.

    Examples:
        >>> import polars as pl
        >>> from datetime import date
        >>> days = [date(2024, 1, day) for day in (2, 3, 4)]
        >>> bars = pl.DataFrame({"day": days, "close": [4.0, 5.0, 10.0]})
        >>> returns(bars).read().to_polars()["return"].to_list()
        [nan, 0.25, 1.0]
    """
    check_choice(of, Change, name="of")
    source = input_of(rows)
    operation = _Returns((column,), of, source.time, source.time_type, (name or of,), drop_nan)
    return compute("returns", operation, source, executor=executor)


def ewma(
    rows: Any,
    column: str,
    *,
    alpha: float | None = None,
    halflife: float | None = None,
    span: float | None = None,
    statistic: Weighted = "mean",
    around: Around = "zero",
    of: Of = "value",
    name: str = "ewma",
    drop_nan: bool = False,
    executor: Executor | None = None,
) -> Computation:
    """Return an exponentially weighted mean or variance of the rows of each symbol up to each row.

    The mean begins at the first value; then `mean = (1 - alpha) * mean + alpha * value`. The variance around
    zero is the same of squared values: with `of="log_return"` and `alpha=0.06` it is RiskMetrics' variance.
    The variance around the weighted mean begins at 0. A row of NaN or null has the result NaN, and changes
    nothing for the rows behind it. pandas' and polars' words for it: `adjust=False`, `bias=True`,
    `ignore_na=True`.

    Args:
        rows: a scan, a product, or a frame with a column of times.
        column: of numbers.
        alpha: weight of the newest row, above 0 and up to 1. Give this, or `halflife`, or `span`.
        halflife: rows after which a weight is half: `alpha = 1 - exp(-log(2) / halflife)`.
        span: `alpha = 2 / (span + 1)`, as for an "n-day" average.
        statistic: "mean" or "variance".
        around: what a variance is taken around: "zero" or the weighted "mean".
        of: the "value" itself, or the "return" or "log_return" from row to row.
        name: of the result's column.
        drop_nan: leave out the rows without a result.
        executor: whose tasks do the work; None for threads.

    Returns:
        symbol, time, ewma: a row for each row.

    Raises:
        NotFoundError: the column is not there.
        ArgumentError: it holds no numbers, or an argument is out of its range.

    Examples:
        >>> import polars as pl
        >>> from datetime import date
        >>> days = [date(2024, 1, day) for day in (2, 3, 4)]
        >>> closes = pl.DataFrame({"day": days, "close": [1.0, 2.0, 6.0]})
        >>> ewma(closes, "close", alpha=0.5).read().to_arrow()["ewma"].to_pylist()
        [1.0, 1.5, 3.75]
    """
    check_choice(statistic, Weighted, name="statistic")
    check_choice(around, Around, name="around")
    check_choice(of, Of, name="of")
    source = input_of(rows)
    code = MEAN if statistic == "mean" else SQUARE if around == "zero" else VARIANCE
    weight = _alpha(alpha, halflife, span)
    operation = _Weighted((column,), of, source.time, source.time_type, (name,), drop_nan, code, weight)
    return compute("ewma", operation, source, executor=executor)


def drawdown(rows: Any, column: str = "close", *, executor: Executor | None = None) -> Computation:
    """Return how far and how long each row is below the highest value of its symbol so far.

    A row equal to the peak is a new peak. A null or NaN has the drawdown NaN, and the peak and duration of
    the rows before it; before the first number the peak is NaN and the duration null.

    Args:
        rows: a scan, a product, or a frame with a column of times.
        column: of prices or wealth.
        executor: whose tasks do the work; None for threads.

    Returns:
        symbol, time, drawdown (`value / peak - 1`), peak, duration (time since the peak): a row for each row.

    Raises:
        NotFoundError: the column is not there.
        ArgumentError: it holds no numbers.

    Examples:
        >>> import polars as pl
        >>> from datetime import date
        >>> days = [date(2024, 1, day) for day in (2, 3, 4)]
        >>> bars = pl.DataFrame({"day": days, "close": [4.0, 2.0, 8.0]})
        >>> drawdown(bars).read().to_polars().select("drawdown", "peak").rows()
        [(0.0, 4.0), (-0.5, 4.0), (0.0, 8.0)]
    """
    source = input_of(rows)
    names = ("drawdown", "peak", "duration")
    return compute(
        "drawdown",
        _Drawdown((column,), "value", source.time, source.time_type, names, False),
        source,
        executor=executor,
    )


def _alpha(alpha: float | None, halflife: float | None, span: float | None) -> float:
    named = {"alpha": alpha, "halflife": halflife, "span": span}
    given = [name for name, value in named.items() if value is not None]
    if len(given) != 1:
        got = ", ".join(given) or "none"
        raise ArgumentError(f"Give one of 'alpha', 'halflife' and 'span'; got {got}.")
    number = positive(named[given[0]], name=given[0])
    if halflife is not None:
        return max(-math.expm1(-math.log(2.0) / number), math.ulp(0.0))  # exp(…) - 1 would be 0
    if span is not None:
        if number < 1:
            raise ArgumentError(f"The argument 'span' must be 1 or more; got {span!r}.")
        return 2.0 / (number + 1.0)
    if number > 1:
        raise ArgumentError(f"The argument 'alpha' must be at most 1; got {alpha!r}.")
    return number


@dataclass(frozen=True)
class _Returns(Series):
    """The changes themselves."""

    def begin(self, symbols: int) -> None:
        return None

    def apply(self, rows: Rows, values: list[Floats], own: None) -> list[npt.NDArray[Any]]:
        return list(values)


@dataclass(frozen=True)
class _Weighted(Series):
    """An exponentially weighted statistic."""

    statistic: int
    alpha: float

    def begin(self, symbols: int) -> Floats:
        return start_ewma(symbols)

    def apply(self, rows: Rows, values: list[Floats], own: Floats) -> list[npt.NDArray[Any]]:
        out = np.empty(len(rows))
        weigh(rows.offsets, values[0], self.alpha, self.statistic, own, out)
        return [out]


@dataclass(frozen=True)
class _Drawdown(Series):
    """Drawdown, peak and duration."""

    def needs_times(self) -> bool:
        return True

    def types(self) -> tuple[pa.DataType, ...]:
        return pa.float64(), pa.float64(), pa.duration("ns")

    def begin(self, symbols: int) -> Any:
        return start_drawdown(symbols)

    def apply(self, rows: Rows, values: list[Floats], own: Any) -> list[npt.NDArray[Any]]:
        count = len(rows)
        out = np.empty(count), np.empty(count), np.empty(count, np.int64)
        peak, peak_time = own
        fall_from_peak(rows.offsets, rows.times, values[0], peak, peak_time, *out)
        return list(out)

    def column(self, values: npt.NDArray[Any]) -> Values:
        if values.dtype != np.int64:
            return values
        known = pa.py_buffer(np.packbits(values >= 0, bitorder="little"))
        return pa.Array.from_buffers(pa.duration("ns"), len(values), [known, pa.py_buffer(values)])
