"""Rules on the times of a symbol, and the order in which they see its rows: gap, session, monotonic_time.

They see one frame. The first rows of each symbol have no past there and are not judged; whoever wants them
judged puts the last stored rows before the frame and drops their flags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl

from lakehouse.catalog.durations import parse_duration
from lakehouse.ingest.rules.arguments import broken_rule, time_of
from lakehouse.ingest.rules.calendars import calendar_of
from lakehouse.schema import UNIT_NS
from lakehouse.times import NS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lakehouse.catalog.rule import Rule
    from lakehouse.schema import TableSchema


@dataclass(frozen=True, slots=True)
class RowOrder:
    """The rows of a frame by symbol, time and arrival; rows without a symbol or a time are left out."""

    rows: NDArray[np.int64]
    """row numbers in that order"""
    first: NDArray[np.bool_]
    """whether a row of that order is the first of its symbol"""
    times: NDArray[np.int64]
    """the times in that order, in the column's own unit"""


OrderedRule: TypeAlias = "Callable[[pl.DataFrame, RowOrder], NDArray[np.bool_]]"
"""Says for each row in `RowOrder` whether it breaks the rule."""


def gap(rule: Rule, schema: TableSchema) -> OrderedRule:
    """Return which rows come more than `max_gap` after the row before them of the same symbol, in time order.

    The row after the gap is the one that breaks the rule. Without a calendar the length is exact, so a daily
    product needs room for weekends and holidays. With one, dates are counted in sessions, each of which is a
    day ("1d" allows no missing session), and of times only those in which the exchange is open.

    Raises:
        ContractError: there is no such calendar, or `max_gap` is no whole number of sessions.
        MissingExtraError: exchange-calendars is not installed.
    """
    unit = UNIT_NS[time_of(rule, schema).type]
    longest = parse_duration(rule.arguments["max_gap"])
    if "calendar" not in rule.arguments:
        return lambda _, order: _gaps(order, order.times, longest // unit)
    if unit == NS_PER_DAY and longest % NS_PER_DAY:
        raise broken_rule(rule, "dates are counted in sessions, so max_gap must be a whole number of days.")

    def judge(_: pl.DataFrame, order: RowOrder) -> NDArray[np.bool_]:
        calendar = calendar_of(rule, *_days(order.times, unit))
        if unit == NS_PER_DAY:
            return _gaps(order, calendar.sessions_until(order.times), longest // NS_PER_DAY)
        return _gaps(order, calendar.open_until(order.times * unit), longest)

    return judge


def session(rule: Rule, schema: TableSchema) -> pl.Expr:
    """Return which rows lie in no session: a date without one, or a time at which the exchange is closed.

    The first instant after a session still belongs to it, because some feeds name a bar by its end. What
    lies outside the years for which a calendar is known is not judged.

    Raises:
        ContractError: there is no such calendar.
        MissingExtraError: exchange-calendars is not installed.
    """
    column = time_of(rule, schema)
    unit = UNIT_NS[column.type]

    def judge(times: pl.Series) -> pl.Series:
        known = times.is_not_null()
        counts = times.to_physical().cast(pl.Int64).fill_null(strategy="forward").fill_null(0).to_numpy()
        calendar = calendar_of(rule, *_days(counts, unit))
        inside = calendar.is_session(counts) if unit == NS_PER_DAY else calendar.is_open(counts * unit)
        return pl.Series(~inside) & known

    return pl.col(column.name).map_batches(judge, return_dtype=pl.Boolean)


def _days(times: NDArray[np.int64], unit: int) -> tuple[int, int]:
    """Return the first and last day of some times."""
    if not len(times):
        return 0, 0
    return int(times.min()) * unit // NS_PER_DAY, int(times.max()) * unit // NS_PER_DAY


def monotonic_time(rule: Rule, schema: TableSchema) -> pl.Expr:
    """Return which rows are earlier than a row of the same symbol that arrived before them; equal times pass.

    The rows that pass are in order: each is compared with the latest time so far, not with its neighbour
    alone.
    """
    time = pl.col(time_of(rule, schema).name)
    latest = time.cum_max()
    return (time < (latest.over(schema.symbol) if schema.symbol else latest)).fill_null(value=False)


def order_rows(frame: pl.DataFrame, schema: TableSchema) -> RowOrder:
    """Return the rows of a frame by symbol, time and arrival; a frame in that order already is not sorted."""
    times = frame[schema.time or ""].to_physical().cast(pl.Int64)
    symbols = _symbol_codes(frame, schema)
    known = (times.is_not_null() & symbols.is_not_null()).to_numpy()
    rows = np.flatnonzero(known)
    code, time = symbols.filter(known).to_numpy(), times.filter(known).to_numpy()
    if not _is_sorted(code, time):
        order = np.lexsort((time, code))  # stable: equal times stay in order of arrival
        rows, code, time = rows[order], code[order], time[order]
    first = np.ones(len(rows), dtype=np.bool_)
    np.not_equal(code[1:], code[:-1], out=first[1:])
    return RowOrder(rows, first, time)


def _symbol_codes(frame: pl.DataFrame, schema: TableSchema) -> pl.Series:
    """Return one integer for each symbol; which one does not matter."""
    if schema.symbol is None:
        return pl.repeat(0, frame.height, dtype=pl.UInt32, eager=True)
    symbols = frame[schema.symbol]
    return symbols.cast(pl.Enum(symbols.unique(maintain_order=True).drop_nulls())).to_physical()


def _is_sorted(code: NDArray[np.uint32], time: NDArray[np.int64]) -> bool:
    rising = code[1:] > code[:-1]
    return bool(np.all(rising | ((code[1:] == code[:-1]) & (time[1:] >= time[:-1]))))


def _gaps(order: RowOrder, times: NDArray[np.int64], longest: int) -> NDArray[np.bool_]:
    broken = np.zeros(len(order.rows), dtype=np.bool_)
    # Unsigned: two times can be further apart than int64 reaches. Across symbols the number means nothing.
    elapsed = times[1:].view(np.uint64) - times[:-1].view(np.uint64)
    np.greater(elapsed, np.uint64(longest), out=broken[1:])
    return broken & ~order.first
