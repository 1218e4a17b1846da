"""Operations that give each row of one input what is found for it in the rows of another one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lakehouse.errors import ArgumentError
from lakehouse.queries.inputs import Input
from lakehouse.queries.operations import Operation
from lakehouse.queries.rows import Block, Rows, Values, time_array
from lakehouse.queries.sources import input_of

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Beside(Operation):
    """Rows of the source as they are, and columns made from rows of the same symbols of another input."""

    columns: tuple[str, ...]
    """of the source, as numbers"""
    kept: tuple[str, ...]
    """columns of the source that are passed on"""
    time: pa.DataType
    """type of the source's time column"""
    right: Input
    """the other input"""

    def carries(self) -> tuple[str, ...]:
        """See `Operation.carries`."""
        return self.kept

    def is_stateless(self) -> bool:
        """See `Operation.is_stateless`."""
        return True

    def others(self) -> tuple[Input, ...]:
        """See `Operation.others`."""
        return (self.right,)

    def narrowed(self, symbols: tuple[str, ...]) -> Operation:
        """See `Operation.narrowed`."""
        return replace(self, right=self.right.part(symbols))

    def kept_fields(self, source: Input) -> list[pa.Field]:
        """Return the time column and those that are passed on."""
        return [source.schema.field(name) for name in (source.time, *self.kept)]

    def block(self, rows: Rows, *made: Values) -> Block:
        """Return the rows with columns that were made for them."""
        time = time_array(rows.times, self.time)
        return Block(np.diff(rows.offsets), (time, *rows.carried.values(), *made))


def both_inputs(source: Any, right: Any, *, what: str) -> tuple[Input, Input]:
    """Return two inputs of the same symbols.

    Raises:
        ArgumentError: one alone has symbols; `what` begins the message.
    """
    mine, other = input_of(source), input_of(right)
    if (mine.symbol is None) != (other.symbol is None):
        raise ArgumentError(f"{what} has a symbol column, and the other has none.")
    return mine, other


def kept_names(source: Input) -> tuple[str, ...]:
    """Return the columns of an input without its symbol and time."""
    return tuple(name for name in source.names if name not in (source.symbol, source.time))
