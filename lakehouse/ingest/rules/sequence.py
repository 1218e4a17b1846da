"""Rules that follow a symbol through time, and the order in which they see its rows: gap and monotonic_time.

They see one frame. The first rows of each symbol have no past there and are not judged; whoever wants them
judged puts the last stored rows before the frame and drops their flags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl

from lakehouse.catalog.durations import parse_duration
from lakehouse.ingest.rules.arguments import time_of
from lakehouse.times import NS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lakehouse.catalog.rule import Rule
    from lakehouse.schema import TableSchema

_NANOSECONDS = {"timestamp[ns]": 1, "timestamp[us]": 1_000, "date": NS_PER_DAY}
"""length of one unit of each type of time"""


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

    The row after the gap is the one that breaks the rule. The length is exact, so a daily product needs
    room for weekends and holidays.
    """
    unit = _NANOSECONDS[time_of(rule, schema).type]
    longest = parse_duration(rule.arguments["max_gap"]) // unit
    return lambda _, order: _gaps(order, longest)


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


def _gaps(order: RowOrder, longest: int) -> NDArray[np.bool_]:
    broken = np.zeros(len(order.rows), dtype=np.bool_)
    # Unsigned: two times can be further apart than int64 reaches. Across symbols the number means nothing.
    elapsed = order.times[1:].view(np.uint64) - order.times[:-1].view(np.uint64)
    np.greater(elapsed, np.uint64(longest), out=broken[1:])
    return broken & ~order.first
