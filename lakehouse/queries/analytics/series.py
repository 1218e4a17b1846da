"""Operations that give one row for each row: statistics of a column up to it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.queries.inputs import Input
from lakehouse.queries.kernels.changes import Of, changes
from lakehouse.queries.kernels.compiled import Floats
from lakehouse.queries.numbers import stored_numbers
from lakehouse.queries.operations import Operation
from lakehouse.queries.rows import Block, Rows, Values, frozen, time_array


@dataclass
class SeriesState:
    """What is carried from one slab to the next."""

    last: list[Floats]
    """(n_symbols,) for each column, its last value"""
    own: Any
    """of the statistic"""


@dataclass(frozen=True)
class Series(Operation):
    """A statistic of columns, of which each row gets one: symbol, time, and the columns of `names`."""

    columns: tuple[str, ...]
    """that it is taken of"""
    of: Of
    """their values, or their changes from row to row"""
    time: str
    """the time column"""
    time_type: pa.DataType
    """its type"""
    names: tuple[str, ...]
    """of the result"""
    drop_nan: bool
    """whether rows without a number in the first column of the result are left out"""

    def fields(self, source: Input) -> list[pa.Field]:
        """See `Operation.fields`."""
        source.check_number(*self.columns)
        if not all(isinstance(name, str) for name in self.names):
            raise ArgumentError(f"The argument 'name' must be a str; got {self.names[0]!r}.")
        taken = [name for name in self.names if name in (source.symbol, source.time)]
        if taken:
            raise ArgumentError(f"The name {taken[0]!r} is that of the rows' own symbol or time column.")
        time = pa.field(self.time, self.time_type, nullable=False)
        return [time, *(pa.field(name, kind) for name, kind in zip(self.names, self.types(), strict=True))]

    def needs_times(self) -> bool:
        """Say whether `apply` looks at the times; else they are passed on as they are stored."""
        return False

    def carries(self) -> tuple[str, ...]:
        """See `Operation.carries`."""
        return () if self.needs_times() else (self.time,)

    def cells(self) -> tuple[int, int] | None:
        """See `Operation.cells`."""
        return None if self.needs_times() else (0, 0)

    def types(self) -> tuple[pa.DataType, ...]:
        """Return the types of the result."""
        return tuple(pa.float64() for _ in self.names)

    def start(self, symbols: tuple[str, ...]) -> SeriesState:
        """See `Operation.start`."""
        return SeriesState([np.full(len(symbols), np.nan) for _ in self.columns], self.begin(len(symbols)))

    def step(self, rows: Rows, state: SeriesState) -> Block | None:
        """See `Operation.step`."""
        if not len(rows):
            return None
        values = [
            frozen(changes(rows.offsets, _floats(rows.columns[name]), last, self.of))
            for name, last in zip(self.columns, state.last, strict=True)
        ]
        found = self.apply(rows, values, state.own)
        counts, times = np.diff(rows.offsets), self._times(rows)
        dropped = np.flatnonzero(np.isnan(found[0])) if self.drop_nan else np.zeros(0, np.int64)
        if len(dropped):
            counts -= np.diff(np.searchsorted(dropped, rows.offsets))
            times, *found = (_without(dropped, values) for values in (times, *found))
        return Block(counts, (times, *map(self.column, found)))

    def _times(self, rows: Rows) -> npt.NDArray[Any]:
        """Return the times in the unit of their type."""
        if self.needs_times():
            return stored_numbers(time_array(rows.times, self.time_type))
        return stored_numbers(rows.carried[self.time])

    def column(self, values: npt.NDArray[Any]) -> Values:
        """Return a column of the result in its type."""
        return values

    @abstractmethod
    def begin(self, symbols: int) -> Any:
        """Return the state of the statistic before the first row."""

    @abstractmethod
    def apply(self, rows: Rows, values: list[Floats], own: Any) -> list[npt.NDArray[Any]]:
        """Return the columns of the result; change the state."""


def check_choice(value: str, choices: Any, *, name: str) -> None:
    """Raise unless an argument is one of the choices of a Literal.

    Raises:
        ArgumentError: with the choices.
    """
    known = get_args(choices)
    if not isinstance(value, str) or value not in known:
        shown = ", ".join(map(repr, known))
        raise ArgumentError(f"The argument {name!r} must be one of {shown}; got {value!r}.")


def check_window(window: int, least: int) -> None:
    """Raise unless a window is a whole number of rows, and enough for its statistic.

    Raises:
        ArgumentError: it is not.
    """
    if not isinstance(window, (int, np.integer)) or isinstance(window, bool) or window < least:
        what = f"a whole number of rows, {least} or more"
        raise ArgumentError(f"The argument 'window' must be {what}; got {window!r}.")


def _without(dropped: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return values without some rows; where these are few, the others are copied run by run."""
    if len(dropped) > len(values) // 64:
        return np.delete(values, dropped)
    ends = [*dropped.tolist(), len(values)]
    return np.concatenate(
        [values[low:high] for low, high in zip([0, *(dropped + 1).tolist()], ends, strict=True)]
    )


def _floats(values: npt.NDArray[Any]) -> Floats:
    return values if values.dtype == np.float64 else frozen(values.astype(np.float64))
