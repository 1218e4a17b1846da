"""How each product of a query is read: by DuckDB from its Parquet files, or decoded by us.

DuckDB takes about 7 ms to begin with a Parquet file and 1 ms for each more; we decode a row group whose
footer is known in 1 to 2 ms, and only the columns that the query names. So what is small is decoded. What is
large is left to DuckDB, which streams it in bounded memory, unless the column cache holds all of it: then it
is mapped, whatever its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lakehouse.partitions.selection import Selection, select_pieces
from lakehouse.queries.sql.bounds import ANY
from lakehouse.queries.sql.decoded import Needed
from lakehouse.queries.sql.tree import fold
from lakehouse.queries.sql.views import View
from lakehouse.times import Interval

if TYPE_CHECKING:
    from lakehouse.partitions.state import TableState

Engine = Literal["parquet", "decoded", "cached columns", "as-of kernel"]
"""who reads: DuckDB, we, we from the column cache, or the as-of join"""

MOST_DECODED_VALUES = 500_000
"""rows x columns up to which decoding by us takes no more time than DuckDB with the files, about 4 MB"""
MOST_CACHED_ROWS = 50_000_000
"""rows up to which the column cache is used: the codes of their symbols take 200 MB, all else is mapped"""
MOST_FILES = 64
"""files up to which their footers are looked at"""


@dataclass(frozen=True, slots=True)
class Source:
    """How one product of a query is read."""

    view: View
    """its files"""
    columns: tuple[str, ...]
    """that the query can use, in the order of the schema"""
    engine: Engine
    """who reads them"""
    selections: Sequence[Selection] | None = None
    """the row groups; None where the footers were not looked at"""

    @property
    def decoded(self) -> bool:
        """Whether DuckDB gets rows and no file."""
        return self.engine != "parquet"

    @property
    def needed(self) -> Needed:
        """What is decoded of it."""
        bounds = self.view.bounds or ANY
        interval = Interval(bounds.first, bounds.last + 1)
        return Needed(self.view.state, self.columns, self.selections or (), interval, self.view.ranked)


def choose(view: View, named: frozenset[str] | None, *, engine: Engine | None = None) -> Source:
    """Say how a product is read.

    Args:
        view: its files.
        named: the folded names of columns that the query can use; None for all.
        engine: what to take, whatever it costs; None for the cheapest. Answers are equal either way.
    """
    columns = columns_of(view, named)
    if engine == "parquet" or view.bounds is None or not view.files:
        return Source(view, columns, "parquet")
    if engine is None and len(view.files) > MOST_FILES:
        return Source(view, columns, "parquet")
    selections = select(view)
    found = engine or _cheapest(view.state, selections, columns)
    return Source(view, columns, found, selections)


def select(view: View) -> list[Selection]:
    """Return the pieces of the files of a view that admit a row within its bounds."""
    bounds = view.bounds or ANY
    symbols = None if bounds.symbols is None else sorted(bounds.symbols)
    return select_pieces(view.state, symbols, Interval(bounds.first, bounds.last + 1))


def columns_of(view: View, named: frozenset[str] | None) -> tuple[str, ...]:
    """Return the columns of a product that have one of the folded names; all for None."""
    return tuple(name for name in view.state.schema.names if named is None or fold(name) in named)


def decoded_row_count(selections: Sequence[Selection]) -> int:
    """Return the rows of the row groups of some selections."""
    return sum(int(np.diff(each.footer.group_starts)[each.groups].sum()) for each in selections)


def chunks(state: TableState, selections: Sequence[Selection], columns: Sequence[str]) -> tuple[int, int]:
    """Return how many columns of row groups are read, and how many of them the column cache holds."""
    names = [name for name in columns if name != state.schema.symbol]
    return sum(len(each.groups) for each in selections) * len(names), 0


def _cheapest(state: TableState, selections: Sequence[Selection], columns: Sequence[str]) -> Engine:
    rows = decoded_row_count(selections)
    if rows * max(1, len(columns)) <= MOST_DECODED_VALUES:
        return "decoded"
    read, cached = chunks(state, selections, columns)
    return "cached columns" if 0 < read == cached and rows <= MOST_CACHED_ROWS else "parquet"
