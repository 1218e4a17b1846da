"""What every format gives to the conversion: names, and columns as text or as typed values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

Wish = Literal["integer", "float", "text"]
"""What a text format may parse a column into at once; a column that does not fit comes back as text."""


class Rows(Protocol):
    """The rows of one file, before they are anything of the contract."""

    names: tuple[str, ...]
    """of the columns, in order; they may repeat. () for a file that holds no row and so names nothing"""
    textual: bool
    """whether cells are text in the file (CSV, JSON), so that null is written as a word"""
    arrow_schema: pa.Schema | None
    """the columns with the types of the file; None where cells are text"""

    def columns(self, wishes: Mapping[int, Wish]) -> Mapping[int, pl.Series]:
        """Return the columns at these positions, in row order and of one length.

        Raises:
            SourceError: the rows are damaged.
        """


def unnamed(width: int) -> tuple[str, ...]:
    """Return names for the columns of a file that has none.

    Examples:
        >>> unnamed(2)
        ('column_0', 'column_1')
    """
    return tuple(f"column_{position}" for position in range(width))
