"""How each product of a query is read: by DuckDB from its Parquet files, or decoded by us.

Measured on two cores, both take about the same processor time for up to half a million values (rows of the
row groups x columns that the query names); we begin sooner, because the footers are known. Above that DuckDB
is ahead, 70 against 88 ms for 10 million values, and streams in bounded memory. Where the column cache holds
all that is needed it is mapped instead. For 6 million rows on two busy cores that took, in processor time, 6
against 25 ms for the sum of a column, 50 against 70 for a mean a symbol, and 155 against 155 for bars of a
minute, where most of the time goes into the groups: so it is never behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lakehouse.partitions.cache_hits import Hits, cached_row_groups
from lakehouse.partitions.selection import Selection, select_pieces, select_unsealed
from lakehouse.queries.sql.bounds import ANY
from lakehouse.queries.sql.decoded import Needed
from lakehouse.queries.sql.tree import fold
from lakehouse.queries.sql.views import View
from lakehouse.schema import stored_schema
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
        return self._needed(self.selections or ())

    @property
    def unsealed(self) -> Needed | None:
        """The rows in memory that DuckDB gets beside the files; None where there are none."""
        view = self.view
        if self.decoded or view.bounds is None or not view.state.tail:
            return None
        found = select_unsealed(view.state, *_wanted(view))
        return self._needed(found) if found else None

    def _needed(self, selections: Sequence[Selection]) -> Needed:
        return Needed(self.view.state, self.columns, selections, _wanted(self.view)[1], self.view.ranked)


def choose(view: View, named: frozenset[str] | None, *, engine: Engine | None = None) -> Source:
    """Say how a product is read.

    Args:
        view: its files.
        named: the folded names of columns that the query can use; None for all.
        engine: what to take, whatever it costs; None for the cheapest. Answers are equal either way.
    """
    columns = columns_of(view, named)
    if engine == "parquet" or view.bounds is None or not (view.files or view.state.tail):
        return Source(view, columns, "parquet")
    if engine is None and len(view.files) > MOST_FILES:
        return Source(view, columns, "parquet")
    selections = select(view)
    found = engine or _cheapest(view.state, selections, columns)
    return Source(view, columns, found, selections)


def select(view: View) -> list[Selection]:
    """Return the pieces of the files of a view that admit a row within its bounds."""
    return select_pieces(view.state, *_wanted(view))


def columns_of(view: View, named: frozenset[str] | None) -> tuple[str, ...]:
    """Return the columns of a product that have one of the folded names; all for None."""
    return tuple(name for name in view.state.schema.names if named is None or fold(name) in named)


def decoded_row_count(selections: Sequence[Selection]) -> int:
    """Return the rows of the row groups of some selections."""
    return sum(int(np.diff(each.footer.group_starts)[each.groups].sum()) for each in selections)


def hits(state: TableState, selections: Sequence[Selection], columns: Sequence[str]) -> Hits:
    """Count the columns of row groups that are read, and those of them that the column cache holds."""
    fields = [
        field
        for field in stored_schema(state.schema)
        if field.name in columns and field.name != state.schema.symbol
    ]
    return cached_row_groups(selections, fields)


def _wanted(view: View) -> tuple[list[str] | None, Interval]:
    bounds = view.bounds or ANY
    symbols = None if bounds.symbols is None else sorted(bounds.symbols)
    return symbols, Interval(bounds.first, bounds.last + 1)


def _cheapest(state: TableState, selections: Sequence[Selection], columns: Sequence[str]) -> Engine:
    rows = decoded_row_count(selections)
    found = hits(state, [each for each in selections if each.stored], columns)
    if 0 < found.parts == found.cached and rows <= MOST_CACHED_ROWS:
        return "cached columns"
    return "decoded" if rows * max(1, len(columns)) <= MOST_DECODED_VALUES else "parquet"
