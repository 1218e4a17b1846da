"""Rules on how a value of a symbol changes from row to row: jump, stale, spacing, adjusted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from lakehouse.catalog.durations import parse_duration
from lakehouse.ingest.rules.arguments import columns_of, time_of
from lakehouse.schema import UNIT_NS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lakehouse.catalog.rule import Rule
    from lakehouse.ingest.rules.sequence import OrderedRule, RowOrder
    from lakehouse.schema import TableSchema

_TOLERANCE = 0.005


def jump(rule: Rule, schema: TableSchema) -> OrderedRule:
    """Return where |value - previous| > max_change * |previous|, of the value before it of the same symbol.

    Nulls, NaN and infinities are passed over, and previous to nothing; after a zero every change is a jump.
    The row that leaves a wild value is a jump as well as the row that reaches it.
    """
    time_of(rule, schema)
    (column,) = columns_of(rule, schema)
    most = rule.arguments["max_change"]

    def judge(frame: pl.DataFrame, order: RowOrder) -> NDArray[np.bool_]:
        values = floats(frame[column.name], order)
        finite = np.flatnonzero(np.isfinite(values))
        known = values[finite]
        symbol = np.cumsum(order.first)[finite]
        broken = np.zeros(len(values), np.bool_)
        with np.errstate(over="ignore"):
            far = np.abs(np.diff(known)) > most * np.abs(known[:-1])
        broken[finite[1:]] = far & (symbol[1:] == symbol[:-1])
        return broken

    return judge


def stale(rule: Rule, schema: TableSchema) -> OrderedRule:
    """Return where a value equals each of the `max_rows` values before it of the same symbol.

    A null or NaN ends a run, and is never stale.
    """
    time_of(rule, schema)
    (column,) = columns_of(rule, schema)
    most = rule.arguments["max_rows"]

    def judge(frame: pl.DataFrame, order: RowOrder) -> NDArray[np.bool_]:
        values = frame[column.name][order.rows]
        same = values == values.shift(1)
        if values.dtype.is_float():  # polars holds NaN equal to itself
            same = same & values.is_not_nan()
        starts = ~same.fill_null(value=False).to_numpy() | order.first
        number = np.arange(len(starts))
        run: NDArray[np.int64] = number - np.maximum.accumulate(np.where(starts, number, 0))
        long: NDArray[np.bool_] = run >= most
        return long

    return judge


def spacing(rule: Rule, schema: TableSchema) -> OrderedRule:
    """Return which rows with a value come less than `min_gap` after the row with a value before them.

    Null, NaN and zero are no values: dividends and splits, one of which a vendor may give twice, stand in
    columns of zeros.
    """
    unit = UNIT_NS[time_of(rule, schema).type]
    (column,) = columns_of(rule, schema)
    least = parse_duration(rule.arguments["min_gap"])

    def judge(frame: pl.DataFrame, order: RowOrder) -> NDArray[np.bool_]:
        values = np.nan_to_num(floats(frame[column.name], order), nan=0.0)
        places = np.flatnonzero(values)
        symbol, elapsed = np.cumsum(order.first)[places], np.diff(order.times[places])
        broken = np.zeros(len(values), np.bool_)
        broken[places[1:]] = (elapsed * unit < least) & (symbol[1:] == symbol[:-1])
        return broken

    return judge


def adjusted(rule: Rule, schema: TableSchema) -> OrderedRule:
    """Return where an adjusted close does not follow from the close and the dividend.

    With f = adjusted / close, a row is broken where |f(previous) / f - (1 - dividend / close(previous))| is
    above `tolerance` (by default 0.005): a dividend 100 times too large, one that was not adjusted for or
    twice, and a step in the adjusted series alone. Splits must be in both series or in neither. A null or
    NaN dividend counts as none; rows without both prices, or with a close of zero, are not judged.
    """
    time_of(rule, schema)
    columns = columns_of(rule, schema)
    most = rule.arguments.get("tolerance", _TOLERANCE)

    def judge(frame: pl.DataFrame, order: RowOrder) -> NDArray[np.bool_]:
        close, adjusted, dividend = (floats(frame[column.name], order) for column in columns)
        broken = np.zeros(len(close), np.bool_)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            factor = adjusted / close
            expected = 1 - np.nan_to_num(dividend[1:], nan=0.0) / close[:-1]
            broken[1:] = np.abs(factor[:-1] / factor[1:] - expected) > most
        return broken & ~order.first

    return judge


def floats(values: pl.Series, order: RowOrder) -> NDArray[np.float64]:
    """Return the values in the order of the rows; a null becomes NaN."""
    return values.cast(pl.Float64).fill_null(math.nan).to_numpy()[order.rows]
