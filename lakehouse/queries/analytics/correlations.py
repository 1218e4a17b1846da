"""Correlation and covariance of every symbol with every other one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from datetime import timedelta
from functools import partial
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.partitions.arrays import dictionary_array
from lakehouse.queries.analytics.amounts import origin_of, span_of
from lakehouse.queries.analytics.series import check_choice
from lakehouse.queries.computation import Computation
from lakehouse.queries.inputs import Input
from lakehouse.queries.kernels.changes import Of
from lakehouse.queries.matrix import Question, comoments
from lakehouse.queries.rows import symbol_array, to_arrow
from lakehouse.queries.sources import input_of

Fill = Literal["forward"]
Statistic = Literal["correlation", "covariance"]


def correlation(
    rows: Any,
    column: str = "close",
    *,
    of: Of = "return",
    fill: Fill | None = "forward",
    every: str | timedelta | int | None = None,
    executor: Executor | None = None,
) -> Computation:
    """Return Pearson's correlation of every symbol with every other one.

    The symbols meet at the times at which any of them has a row. With `fill="forward"` a symbol has its last
    value at each time from its first row on; with `fill=None` it has one at its own times alone, and a return
    only if it had a value at the time before too. Each pair is compared at the times at which both have a
    number (pairwise complete observations). NaN where these are fewer than two, or where one does not vary.
    Of several rows of a symbol at one time the last counts; a null or NaN counts as no row.

    Memory stays bounded by one partition and the symbols squared, whatever the length of the history.

    Args:
        rows: a scan, a product, or a frame with a column `symbol` and one of times.
        column: of numbers.
        of: what is correlated: the "return" or "log_return" from one time to the next, or the "value" itself.
        fill: "forward" or None.
        every: compare at the ends of cells of this length in which any symbol has a row, such as "5min", and
            not at each time: for trades and quotes, which hardly ever share a time.
        executor: whose task does the work; None for the threads of this process.

    Returns:
        symbol, other, correlation: a row for each ordered pair, sorted.

    Raises:
        NotFoundError: the column is not there.
        ArgumentError: it holds no numbers; the rows have no symbols; an argument is none of its choices.

    Examples:
        >>> import polars as pl
        >>> from datetime import date
        >>> days = [date(2024, 1, day) for day in (2, 3, 4)] * 2
        >>> closes = [1.0, 2.0, 6.0, 5.0, 10.0, 15.0]
        >>> bars = pl.DataFrame({"symbol": ["A"] * 3 + ["B"] * 3, "day": days, "close": closes})
        >>> correlation(bars).read().to_arrow()["correlation"].to_numpy().round(9).tolist()
        [1.0, -1.0, -1.0, 1.0]
    """
    return _pairs("correlation", rows, column, of, fill, every, executor)


def covariance(
    rows: Any,
    column: str = "close",
    *,
    of: Of = "return",
    fill: Fill | None = "forward",
    every: str | timedelta | int | None = None,
    executor: Executor | None = None,
) -> Computation:
    """Return the covariance of a sample of every symbol with every other one; see `correlation`.

    Args:
        rows: as for `correlation`.
        column: as for `correlation`.
        of: as for `correlation`.
        fill: as for `correlation`.
        every: as for `correlation`.
        executor: as for `correlation`.

    Returns:
        symbol, other, covariance: a row for each ordered pair, sorted; NaN where fewer than two times are
        common.

    Raises:
        NotFoundError: the column is not there.
        ArgumentError: it holds no numbers; the rows have no symbols; an argument is none of its choices.

    Examples:
        >>> import polars as pl
        >>> from datetime import date
        >>> days = [date(2024, 1, day) for day in (2, 3, 4)]
        >>> closes = [1.0, 2.0, 6.0, 4.0, 2.0, 2.0]
        >>> names = ["A"] * 3 + ["B"] * 3
        >>> bars = pl.DataFrame({"symbol": names, "day": days * 2, "close": closes})
        >>> covariance(bars).read().to_polars().rows()
        [('A', 'A', 0.5), ('A', 'B', 0.25), ('B', 'A', 0.25), ('B', 'B', 0.125)]
    """
    return _pairs("covariance", rows, column, of, fill, every, executor)


def _pairs(
    statistic: Statistic,
    rows: Any,
    column: str,
    of: Of,
    fill: Fill | None,
    every: str | timedelta | int | None,
    executor: Executor | None,
) -> Computation:
    check_choice(of, Of, name="of")
    if fill is not None:
        check_choice(fill, Fill, name="fill")
    source = input_of(rows)
    if source.symbol is None:
        raise ArgumentError(f"A {statistic} is one of symbols, and the rows have no symbol column.")
    source.check_number(column)
    span = 0 if every is None else span_of(every)
    question = Question(column, of, fill == "forward", span, origin_of(span))
    fields = [
        pa.field(source.symbol, pa.string(), nullable=False),
        pa.field("other", pa.string(), nullable=False),
    ]
    schema = pa.schema([*fields, pa.field(statistic, pa.float64())])
    tables = partial(_tables, statistic, source, question, schema, executor)
    return Computation(statistic, schema, tables, symbol=source.symbol)


def _tables(
    statistic: Statistic, source: Input, question: Question, schema: pa.Schema, executor: Executor | None
) -> Iterator[pa.Table]:
    task = partial(comoments, source, question)
    moments, found = task() if executor is None else executor.submit(task).result()
    matrix = moments.correlation() if statistic == "correlation" else moments.covariance()
    matrix = matrix[np.ix_(found, found)]
    names = tuple(name for name, there in zip(source.pieces.symbols, found, strict=True) if there)
    count = len(names)
    others = dictionary_array(np.tile(np.arange(count, dtype=np.int32), count), names).cast(pa.string())
    symbols = symbol_array(names, np.full(count, count))
    yield pa.Table.from_arrays([symbols, others, to_arrow(matrix.ravel(), pa.float64())], schema=schema)
