"""What kernels read: a scan, a product, or rows in memory, all as arrays of some symbols in an interval."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import pyarrow as pa

from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.queries.buckets import Pieces
from lakehouse.queries.gathering import Wanted
from lakehouse.queries.rows import Rows


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
    @abstractmethod
    def pieces(self) -> Pieces:
        """Where the rows are."""

    @abstractmethod
    def load(self, wanted: Wanted) -> Rows:
        """Return rows; symbols that the input does not have are empty."""

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
        """
        if name not in self.schema.names:
            raise NotFoundError.among("column", name, self.schema.names)
