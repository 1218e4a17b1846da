"""The as-of join of a query, done by us where its shape and its size allow it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from lakehouse.queries.sql.asof_rows import matched, reachable
from lakehouse.queries.sql.asof_shape import AsofJoin, find_asof, without_asof
from lakehouse.queries.sql.bounds import ANY
from lakehouse.queries.sql.choice import Source, columns_of, decoded_row_count, select
from lakehouse.queries.sql.decoded import LazyTable
from lakehouse.queries.sql.tree import Statement, nodes
from lakehouse.times import Interval

if TYPE_CHECKING:
    import duckdb

    from lakehouse.names import ProductName
    from lakehouse.queries.sql.views import View

MOST_MATCHED_VALUES = 50_000_000
"""rows x columns of both sides up to which we join: 400 MB"""
MOST_FILES = 1_000
"""files of both sides up to which their footers are looked at"""


@dataclass(frozen=True, slots=True)
class MatchedRows:
    """An as-of join that is done by us."""

    join: AsofJoin
    """as it was written"""
    left: Source
    """whose rows are looked up for"""
    right: Source
    """in which they are looked up"""

    def tables(self) -> tuple[LazyTable, LazyTable]:
        """Return both sides, whose rows go together by position; nothing is decoded before they are asked."""
        left, right, join = self.left.needed, self.right.needed, self.join
        rows = cache(lambda: matched(left, right, join.comparison, keeps=join.keeps))
        return LazyTable(left.schema, lambda: rows()[0]), LazyTable(right.schema, lambda: rows()[1])


def with_matched_rows(
    connection: duckdb.DuckDBPyConnection,
    statement: Statement,
    views: Mapping[ProductName, View],
    named: frozenset[str] | None,
) -> tuple[Statement, MatchedRows] | str | None:
    """Return a statement that reads matched rows in place of its as-of join, and these; or why not.

    Args:
        connection: of the query.
        statement: as written, which the sandbox has passed.
        views: files of every product that it names.
        named: the folded names of columns that it can use; None for all.
    """
    try:
        return _with_matched_rows(connection, statement, views, named)
    except RecursionError:
        return "it is nested too deeply"


def _with_matched_rows(
    connection: duckdb.DuckDBPyConnection,
    statement: Statement,
    views: Mapping[ProductName, View],
    named: frozenset[str] | None,
) -> tuple[Statement, MatchedRows] | str | None:
    if not any(node.get("ref_type") == "ASOF" for node in nodes(statement.node)):
        return None
    found = find_asof(statement.node, {name: view.state.schema for name, view in views.items()})
    if not isinstance(found, AsofJoin):
        return found
    left, right = views[found.left], views[found.right]
    if left.bounds is None or right.bounds is None or left.ranked:
        return "it needs no rows, or their sequence"
    rows = _read(found, left, right, named)
    if rows is None:
        return "its rows are too many to hold"
    again = without_asof(connection, statement, found)
    return "it can not be written anew" if again is None else (again, rows)


def _read(join: AsofJoin, left: View, right: View, named: frozenset[str] | None) -> MatchedRows | None:
    """Choose the row groups of both sides; None where they are too many."""
    if len(left.files) + len(right.files) > MOST_FILES:
        return None
    mine = select(left)
    bounds = left.bounds or ANY
    interval = Interval(bounds.first, bounds.last + 1)
    others = reachable(mine, select(right), join.comparison, interval)
    rows = MatchedRows(
        join,
        Source(left, columns_of(left, named), "as-of kernel", mine),
        Source(right, columns_of(right, named), "as-of kernel", others),
    )
    values = [_values(source) for source in (rows.left, rows.right)]
    return rows if sum(values) <= MOST_MATCHED_VALUES else None


def _values(source: Source) -> int:
    return decoded_row_count(source.selections or ()) * (1 + len(source.columns))
