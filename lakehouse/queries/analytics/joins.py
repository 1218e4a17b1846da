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
from lakehouse.queries.analytics.amounts import span_of
from lakehouse.queries.computation import Computation, compute
from lakehouse.queries.gathering import Wanted, is_plain, stored_numbers
from lakehouse.queries.inputs import Input
from lakehouse.queries.kernels import joins as kernels
from lakehouse.queries.operations import Operation
from lakehouse.queries.rows import (
    Block,
    Integers,
    Rows,
    Values,
    combined,
    frozen,
    masked_array,
    time_array,
    to_arrow,
)
from lakehouse.queries.sources import input_of
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

    Args:
        left: rows, such as trades.
        right: rows, such as quotes.
        direction: "backward" takes the last right row at or before, "forward" the first one at or after,
            "nearest" the nearer of both, on a tie the one before.
        tolerance: the longest time between both, inclusive, such as "5s"; None for any.
        columns: of the right side; None for all but the symbol and the time.
        suffix: is put behind a right column's name that the left side has too.
        executor: whose tasks do the work; None for threads.

    Returns:
        The columns of `left` (of a scan those chosen, and symbol and time), then those of `right`, null where
        no right row is found; in the order (symbol, time) of `left`.

    Raises:
        NotFoundError: a column is not there.
        ArgumentError: the direction is unknown; one side alone has symbols; two columns have one name.
    """
    if direction not in _DIRECTIONS:
        hint = f"Use one of {', '.join(_DIRECTIONS)}."
        raise ArgumentError(f"The argument 'direction' is {direction!r}.", hint=hint)
    source, other = input_of(left), input_of(right)
    if (source.symbol is None) != (other.symbol is None):
        raise ArgumentError("One side of the join has a symbol column, and the other has none.")
    most = -1 if tolerance is None else span_of(tolerance, name="tolerance")
    roles = (source.symbol, source.time)
    kept = tuple(name for name in source.names if name not in roles)
    taken = _taken(other, columns)
    time = source.schema.field(source.time).type
    join = _AsofJoin((), kept, time, other, taken, suffix, _DIRECTIONS[direction], most)
    return compute("asof_join", join, source, executor=executor)


def _taken(right: Input, columns: Sequence[str] | None) -> tuple[str, ...]:
    if columns is None:
        return tuple(name for name in right.names if name not in (right.symbol, right.time))
    chosen = (columns,) if isinstance(columns, str) else tuple(dict.fromkeys(columns))
    for name in chosen:
        right.check(name)
        if name == right.symbol:
            raise ArgumentError(f"Column {name!r} is the symbol, which both sides share.")
    return chosen


@dataclass(frozen=True)
class _AsofJoin(Operation):
    columns: tuple[str, ...]
    kept: tuple[str, ...]
    time: pa.DataType
    right: Input
    taken: tuple[str, ...]
    suffix: str
    direction: int
    tolerance: int

    def carries(self) -> tuple[str, ...]:
        return self.kept

    def is_stateless(self) -> bool:
        return True

    def others(self) -> tuple[Input, ...]:
        return (self.right,)

    def narrowed(self, symbols: tuple[str, ...]) -> _AsofJoin:
        return replace(self, right=self.right.part(symbols))

    def fields(self, source: Input) -> list[pa.Field]:
        left = [source.schema.field(name) for name in (source.time, *self.kept)]
        names = {field.name for field in left} | {source.symbol}
        found = list(left)
        for name in self.taken:
            label = name + self.suffix if name in names else name
            if label in [field.name for field in found]:
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
        right = self._right(rows)
        found = np.empty(len(rows), np.int64)
        kernels.nearest_rows(
            rows.offsets, rows.times, right.offsets, right.times, self.direction, self.tolerance, found
        )
        columns = [self._column(right, name, frozen(found)) for name in self.taken]
        return Block(
            np.diff(rows.offsets), (time_array(rows.times, self.time), *rows.carried.values(), *columns)
        )

    def _right(self, rows: Rows) -> Rows:
        """Return the rows of the right side that one of the left side may be joined with."""
        low, high = int(rows.times.min()), int(rows.times.max())
        carried = tuple(name for name in self.taken if name != self.right.time)
        wanted = Wanted(rows.symbols, Interval(), (), carried)
        if self.tolerance >= 0:
            start, end = max(low - self.tolerance, MIN_NS), min(high + self.tolerance + 1, MAX_NS)
            return self.right.load(replace(wanted, interval=Interval(start, end)))
        inside = self.right.around(rows.symbols, Interval(low, min(high + 1, MAX_NS)))
        parts = [self.right.load(replace(wanted, interval=inside))]
        if self.direction != 1 and (names := _open_ends(rows, parts[0], last=False)):
            parts.insert(0, self.right.ends(names, inside.start, wanted, last=True))
        if self.direction != 0 and (names := _open_ends(rows, parts[-1], last=True)):
            parts.append(self.right.ends(names, inside.end, wanted, last=False))
        return combined(parts, rows.symbols)

    def _column(self, right: Rows, name: str, found: Integers) -> Values:
        """Return what the right side has in the rows that were found."""
        if name == self.right.time:
            column = time_array(right.times, self.right.schema.field(name).type)
        else:
            column = right.carried[name]
        if not len(right) or not is_plain(column):
            return column.take(masked_array(found, found >= 0, pa.int64()))
        values = stored_numbers(column)
        out = np.empty(len(found), values.dtype)
        missing = kernels.gather(values, found, out)
        return masked_array(out, found >= 0, column.type) if missing else to_arrow(out, column.type)


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
