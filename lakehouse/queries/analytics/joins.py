"""Joins by time: each row with what was known, or comes next, on the other side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.queries.analytics.amounts import names_of, one_of, span_of
from lakehouse.queries.analytics.beside import Beside, both_inputs, kept_names
from lakehouse.queries.computation import Computation, compute
from lakehouse.queries.gathering import Wanted
from lakehouse.queries.inputs import Input
from lakehouse.queries.kernels import joins as kernels
from lakehouse.queries.kernels.compiled import Array
from lakehouse.queries.numbers import is_plain, stored_numbers
from lakehouse.queries.rows import (
    Block,
    Integers,
    Rows,
    Values,
    chunks_of,
    combined,
    frozen,
    masked_array,
    time_array,
)
from lakehouse.times import MAX_NS, MIN_NS, Interval

_DIRECTIONS = {"backward": 0, "forward": 1, "nearest": 2}


def asof_join(
    left: Any,
    right: Any,
    direction: Literal["backward", "forward", "nearest"] = "backward",
    *,
    tolerance: str | timedelta | int | None = None,
    columns: Sequence[str] | None = None,
    suffix: str = "_right",
    executor: Executor | None = None,
) -> Computation:
    """Return every row of `left` with the row of `right` of the same symbol that is nearest in time.

    Among right rows of equal times the last one counts backward, and the first one forward. The last quote of
    yesterday serves the first trade of today, whatever files they are in. Sides without a symbol column join
    by time alone.

    A row counts from its own time on, and a date is its midnight. The time of a bar is its start: a trade at
    09:30:10 gets the bar of 09:30 with its close, and any trade of a day that day's daily bar, which nobody
    knew then. Shift the times of bars to their ends first.

    Args:
        left: rows, such as trades.
        right: rows, such as quotes.
        direction: "backward" takes the last right row at or before, "forward" the first one at or after,
            "nearest" the nearer of both, on a tie the one before.
        tolerance: the longest time between both, inclusive, such as "5s", or 0; None for any.
        columns: of the right side; None for all but the symbol and the time.
        suffix: is put behind a right column's name that the left side has too.
        executor: whose tasks do the work; None for threads.

    Returns:
        The columns of `left` (of a scan those chosen, and symbol and time), then those of `right`, null where
        no right row is found; in the order (symbol, time) of `left`.

    Raises:
        NotFoundError: a column is not there.
        ArgumentError: the direction is unknown; one side alone has symbols; two columns have one name.

    Examples:
        >>> import polars as pl
        >>> from datetime import datetime
        >>> times = [datetime(2024, 1, 2, 9, 30, second) for second in (0, 20, 40)]
        >>> quotes = pl.DataFrame({"time": times, "bid": [9.0, 11.0, 10.0]})
        >>> trades = pl.DataFrame({"time": [datetime(2024, 1, 2, 9, 30, 30)], "price": [12.0]})
        >>> asof_join(trades, quotes).read().to_polars().drop("time").rows()
        [(12.0, 11.0)]
    """
    one_of(direction, _DIRECTIONS, name="direction")
    if not isinstance(suffix, str):
        raise ArgumentError(f"The argument 'suffix' must be a str, not {suffix!r}.")
    source, other = both_inputs(left, right, what="One side of the join")
    most = -1 if tolerance is None else _tolerance(tolerance)
    taken = _taken(other, columns)
    join = _AsofJoin(
        (), kept_names(source), source.time_type, other, taken, suffix, _DIRECTIONS[direction], most
    )
    return compute("asof_join", join, source, executor=executor)


def _tolerance(tolerance: str | timedelta | int) -> int:
    nothing = tolerance == timedelta(0) or (tolerance == 0 and not isinstance(tolerance, bool))
    return 0 if nothing else span_of(tolerance, name="tolerance")


def _taken(right: Input, columns: Sequence[str] | None) -> tuple[str, ...]:
    if columns is None:
        return kept_names(right)
    chosen = names_of(columns)
    for name in chosen:
        right.check(name)
        if name == right.symbol:
            raise ArgumentError(f"Column {name!r} is the symbol, which both sides share.")
    return chosen


@dataclass(frozen=True)
class _AsofJoin(Beside):
    taken: tuple[str, ...]
    suffix: str
    direction: int
    tolerance: int

    def fields(self, source: Input) -> list[pa.Field]:
        found = self.kept_fields(source)
        names = {field.name for field in found} | {source.symbol}
        for name in self.taken:
            label = name + self.suffix if name in names else name
            if label in [source.symbol, *(field.name for field in found)]:
                raise ArgumentError(
                    f"Both sides have a column {label!r}.", hint="Give another suffix, or choose columns."
                )
            found.append(pa.field(label, self.right.schema.field(name).type))
        return found

    def start(self, symbols: tuple[str, ...]) -> None:
        return None

    def step(self, rows: Rows, state: None) -> Block | None:
        if not len(rows):
            return None
        right, edge = self._right(rows)
        found = np.empty(len(rows), np.int64)
        kernels.nearest_rows(
            rows.offsets, rows.times, right.offsets, right.times, self.direction, self.tolerance, found
        )
        match = _Match.of(rows, right, frozen(found), edge)
        return self.block(rows, *(self._column(match, name) for name in self.taken))

    def _right(self, rows: Rows) -> tuple[Rows, Rows | None]:
        """Return the rows of the right side near those of the left side, and one far row of some symbols.

        The far rows serve what has no match among the near ones: the last row before them (backward), or the
        first one after them (forward). To the nearest join both are near.
        """
        low, high = int(rows.times.min()), int(rows.times.max())
        carried = tuple(name for name in self.taken if name != self.right.time)
        wanted = Wanted(rows.symbols, Interval(), (), carried)
        if self.tolerance >= 0:
            start, end = max(low - self.tolerance, MIN_NS), min(high + self.tolerance + 1, MAX_NS)
            return self.right.load(replace(wanted, interval=Interval(start, end))), None
        inside = self.right.around(rows.symbols, Interval(low, min(high + 1, MAX_NS)))
        near = self.right.load(replace(wanted, interval=inside))
        before = after = None
        if self.direction != 1 and (names := _open_ends(rows, near, last=False)):
            before = self.right.ends(names, inside.start, wanted, last=True)
        if self.direction != 0 and (names := _open_ends(rows, near, last=True)):
            after = self.right.ends(names, inside.end, wanted, last=False)
        far = [each for each in (before, after) if each is not None and len(each)]
        if self.direction != 2 or not far:
            return near, far[0] if far else None
        parts = (before, near, after)
        return combined([each for each in parts if each is not None and len(each)], rows.symbols), None

    def _column(self, match: _Match, name: str) -> Values:
        """Return what the right side has in the rows that were found."""
        sides = (match.near,) if match.far is None else (match.near, match.far)
        if name == self.right.time:
            kind = self.right.schema.field(name).type
            columns = [time_array(side.times, kind) for side in sides]
        else:
            columns = [side.carried[name] for side in sides]
        kind = columns[0].type
        if not len(match.near) or not all(map(is_plain, columns)):
            chunks = [chunk for column in columns for chunk in chunks_of(column)]
            return pa.chunked_array(chunks, kind).take(masked_array(match.rows(), match.valid, pa.int64()))
        values = stored_numbers(columns[0])
        out = np.empty(len(match.found), values.dtype)
        kernels.gather(values, match.found, out)
        if match.far is not None:
            out[match.open_] = stored_numbers(columns[1])[match.far_rows]
        return masked_array(out, match.valid, kind)


@dataclass(frozen=True, slots=True)
class _Match:
    """Which right row each left row is joined with."""

    near: Rows
    """rows of the right side"""
    far: Rows | None
    """one more of some symbols"""
    found: Integers
    """(n_left,) row of `near`; -1 for none"""
    open_: Integers
    """(n_open,) left rows that are joined with a far row"""
    far_rows: Integers
    """(n_open,) which"""
    valid: Array
    """(n_left,) whether there is any"""

    @classmethod
    def of(cls, left: Rows, near: Rows, found: Integers, far: Rows | None) -> _Match:
        """Give the rows without a match the far row of their symbol."""
        valid, none = found >= 0, np.zeros(0, np.int64)
        if far is None:
            return cls(near, None, found, none, none, valid)
        place = np.full(len(left.symbols), -1, np.int64)
        rank = {symbol: code for code, symbol in enumerate(left.symbols)}
        filled = np.flatnonzero(np.diff(far.offsets))
        place[[rank[far.symbols[code]] for code in filled]] = np.arange(len(filled))
        open_ = np.flatnonzero(~valid)
        far_rows = place[np.searchsorted(left.offsets, open_, "right") - 1]
        open_, far_rows = open_[far_rows >= 0], far_rows[far_rows >= 0]
        valid[open_] = True
        return cls(near, far, found, open_, far_rows, valid)

    def rows(self) -> Integers:
        """Return the rows in the near rows followed by the far ones."""
        rows = self.found.copy()
        rows[self.open_] = len(self.near) + self.far_rows
        return rows


def _open_ends(left: Rows, right: Rows, *, last: bool) -> tuple[str, ...]:
    """Return the symbols whose first, or last, left row has no right row beyond it."""
    names = []
    for place, symbol in enumerate(left.symbols):
        low, high = left.offsets[place], left.offsets[place + 1]
        begin, end = right.offsets[place], right.offsets[place + 1]
        if low == high:
            continue
        if last:
            beyond = end > begin and right.times[end - 1] >= left.times[high - 1]
        else:
            beyond = end > begin and right.times[begin] <= left.times[low]
        if not beyond:
            names.append(symbol)
    return tuple(names)
