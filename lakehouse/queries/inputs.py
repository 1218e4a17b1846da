"""What kernels read: a scan, a product, or rows in memory, all as arrays of some symbols in an interval."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.queries.buckets import Pieces, slabs_of
from lakehouse.queries.gathering import Wanted
from lakehouse.queries.rows import Rows
from lakehouse.times import MAX_NS, Interval


class Input(ABC):
    """Rows of symbols in order of time, any part of which can be loaded, in another process too."""

    symbol: str | None
    """the column that holds the symbol"""
    time: str
    """the column that orders the rows of a symbol"""
    schema: pa.Schema
    """every column that can be asked for"""
    names: tuple[str, ...]
    """the columns that were chosen, in order"""

    @property
    def time_type(self) -> pa.DataType:
        """The type of the time column."""
        return self.schema.field(self.time).type

    @property
    @abstractmethod
    def pieces(self) -> Pieces:
        """Where the rows are."""

    @abstractmethod
    def load(self, wanted: Wanted) -> Rows:
        """Return rows; symbols that the input does not have are empty."""

    @abstractmethod
    def ends(self, symbols: Sequence[str], instant: int, wanted: Wanted, *, last: bool) -> Rows:
        """Return of each symbol the last row before an instant, or the first one at or after it.

        Args:
            symbols: sorted.
            instant: UTC nanoseconds.
            wanted: the columns; its symbols and interval are ignored.
            last: which of both.
        """

    def near(self, instant: int) -> Pieces:
        """Return the pieces that can hold the last row of a symbol before an instant."""
        before = np.flatnonzero(self.pieces.first < instant)
        return self.pieces.taken(self.pieces.nearest(before, last=True)[0])

    def stream(self, wanted: Wanted) -> Iterator[Rows]:
        """Yield rows slab by slab of time, a few row groups at a time."""
        pieces = self.pieces.taken(self.pieces.of(wanted.symbols))
        for slab in slabs_of(pieces, wanted.interval):
            yield self.load(replace(wanted, interval=slab))

    def around(self, symbols: Sequence[str], interval: Interval) -> Interval:
        """Widen an interval to the edges of the pieces that it cuts: they are decoded anyway."""
        pieces, mine = self.pieces, self.pieces.of(symbols)
        mine = mine[(pieces.first[mine] < interval.end) & (pieces.last[mine] >= interval.start)]
        if not len(mine):
            return interval
        start, end = int(pieces.first[mine].min()), int(pieces.last[mine].max())
        return Interval(min(start, interval.start), max(min(end, MAX_NS - 1) + 1, interval.end))

    @abstractmethod
    def part(self, symbols: Sequence[str]) -> Input:
        """Return the input of some of the symbols."""

    def check_number(self, *columns: str) -> None:
        """Raise unless columns hold numbers.

        Raises:
            NotFoundError: one is not there.
            ArgumentError: one is of another type.
        """
        for name in columns:
            self.check(name)
            kind = self.schema.field(name).type
            number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
            if not number and not pa.types.is_boolean(kind):
                raise ArgumentError(f"Column {name!r} is {kind}; this needs a column of numbers.")

    def check(self, name: str) -> None:
        """Raise unless a column is there.

        Raises:
            NotFoundError: with the choices.
            ArgumentError: it is no name.
        """
        if not isinstance(name, str):
            raise ArgumentError(f"A column is named by a str; got {name!r}.")
        if name not in self.schema.names:
            raise NotFoundError.among("column", name, self.schema.names)
