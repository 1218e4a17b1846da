"""The rows of an as-of join, matched by binary search in sorted columns, as two tables that go together.

Among rows of equal time the match is the last that arrived when looking back, and the first when looking
ahead; DuckDB's own join does not say which. Complexity: n_left x log(n_right of the symbol).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from lakehouse.partitions.arrays import integers
from lakehouse.partitions.selection import Integers, Selection
from lakehouse.queries.kernels import compiled
from lakehouse.queries.kernels.joins import nearest_rows
from lakehouse.queries.rows import frozen
from lakehouse.times import Interval

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.partitions.reading import Decoded
    from lakehouse.queries.sql.asof_shape import Comparison
    from lakehouse.queries.sql.decoded import Needed


@dataclass(frozen=True, slots=True)
class Runs:
    """The rows of symbols, one run each."""

    start: Integers
    """(n_symbols,) first row of each"""
    stop: Integers
    """(n_symbols,) row after the last of each"""
    times: Integers
    """(n_rows,) of all rows; they rise within a symbol"""


def reachable(
    left: Sequence[Selection], right: Sequence[Selection], comparison: Comparison, interval: Interval
) -> list[Selection]:
    """Return the pieces of the right side that can hold the match of a left row.

    Looking back, what lies before the last piece that surely has a row before all left ones is out of reach.

    Args:
        left: pieces of the left side.
        right: pieces of the right side.
        comparison: of the left time with the right one.
        interval: of the left rows.
    """
    names = sorted({symbol for each in right for symbol in each.symbols})
    rank = {symbol: place for place, symbol in enumerate(names)}
    back = comparison in (">=", ">")
    limit = _limit(left, interval, back=back)
    sure = np.full(len(names), np.iinfo(np.int64).min)
    parts = [_reach(each, rank, back=back) for each in right]
    for codes, near, far in parts:
        before = (far <= limit) if "=" in comparison else (far < limit)
        np.maximum.at(sure, codes[before], near[before])
    found = []
    for each, (codes, _, far) in zip(right, parts, strict=True):
        kept = far >= sure[codes]
        if kept.any():
            found.append(Selection(each.file, each.footer, each.pieces[kept]))
    return found


def match(left: Runs, right: Runs, comparison: Comparison) -> Integers:
    """Return for each left row the position of its match among the right rows, -1 for none.

    Args:
        left: rows that are looked up for.
        right: rows in which they are looked up, of the same symbols.
        comparison: of the left time with the right one.

    Examples:
        >>> one, two = (np.array([0]), np.array([3])), (np.array([0]), np.array([2]))
        >>> match(Runs(*one, np.array([1, 5, 9])), Runs(*two, np.array([5, 5])), ">=").tolist()
        [-1, 1, 1]
    """
    if compiled.is_loaded() and left.times.dtype == right.times.dtype == np.int64:
        return _match_compiled(left, right, comparison)
    found = np.full(len(left.times), -1, np.int64)
    side: Literal["left", "right"] = "right" if comparison in (">=", "<") else "left"
    back = 1 if comparison in (">=", ">") else 0
    bounds = (left.start, left.stop, right.start, right.stop)
    for start, stop, begin, end in zip(*(each.tolist() for each in bounds), strict=True):
        places = np.searchsorted(right.times[begin:end], left.times[start:stop], side) + (begin - back)
        found[start:stop] = np.where((places >= begin) & (places < end), places, -1)
    return found


def _match_compiled(left: Runs, right: Runs, comparison: Comparison) -> Integers:
    """Do the same by the kernel, in half the time: it goes on from the match of the row before."""
    found = np.empty(len(left.times), np.int64)
    times = left.times if "=" in comparison else left.times + (1 if comparison == "<" else -1)
    # The left rows of one symbol end where those of the next begin: what is between two runs is empty.
    bounds = [np.column_stack([side.start, side.stop]).ravel() for side in (left, right)]
    direction = 0 if comparison in (">=", ">") else 1
    nearest_rows(
        frozen(bounds[0]), frozen(times), frozen(bounds[1]), frozen(right.times), direction, -1, found
    )
    return found


def matched(left: Needed, right: Needed, comparison: Comparison, *, keeps: bool) -> tuple[pa.Table, pa.Table]:
    """Return the left rows, and beside each, at the same position, its match: nulls where it has none.

    Args:
        left: whose rows are looked up for.
        right: in which they are looked up.
        comparison: of the left time with the right one.
        keeps: whether left rows without a match stay.

    Raises:
        IntegrityError: a data file is missing or altered.
    """
    mine, others = (side.find(str(side.state.schema.time)) for side in (left, right))
    found = match(_runs(left, mine, mine.symbols), _runs(right, others, mine.symbols), comparison)
    code = _codes_beside(mine, others)
    if keeps or not len(found) or found.min() >= 0:
        return left.table(mine), right.table(others, found, code)
    kept = np.flatnonzero(found >= 0)
    return left.table(mine, kept), right.table(others, found[kept], code[kept])


def _codes_beside(left: Decoded, right: Decoded) -> npt.NDArray[np.int32]:
    """Return the symbol that the match of each left row has, which is its own, as the right side counts."""
    rank = {symbol: place for place, symbol in enumerate(right.symbols)}
    codes = np.array([rank.get(symbol, 0) for symbol in left.symbols], np.int32)
    return np.repeat(codes[left.spans.rank], left.spans.length)


def _runs(side: Needed, rows: Decoded, symbols: Sequence[str]) -> Runs:
    """Return where the rows of each of some symbols are, and the times of all rows."""
    lengths = np.zeros(len(rows.symbols) + 1, np.int64)
    np.add.at(lengths, rows.spans.rank + 1, rows.spans.length)
    offsets = np.cumsum(lengths).tolist()
    rank = {symbol: place for place, symbol in enumerate(rows.symbols)}
    starts = np.array([offsets[rank[each]] if each in rank else 0 for each in symbols], np.int64)
    stops = np.array([offsets[rank[each] + 1] if each in rank else 0 for each in symbols], np.int64)
    return Runs(starts, stops, integers(rows.column(str(side.state.schema.time))))


def _reach(selection: Selection, rank: dict[str, int], *, back: bool) -> tuple[Integers, Integers, Integers]:
    """Return the symbol of each piece, and its bounds on the way away from the left rows."""
    footer, pieces = selection.footer, selection.pieces
    ranks = np.array([rank.get(symbol, -1) for symbol in footer.symbols], np.int64)[footer.code[pieces]]
    first, last = footer.first[pieces], footer.last[pieces]
    return (ranks, first, last) if back else (ranks, -last, -first)


def _limit(left: Sequence[Selection], interval: Interval, *, back: bool) -> int:
    """Return the first left instant when looking back, and minus the last one when looking ahead."""
    if back:
        first = min((int(each.footer.first[each.pieces].min()) for each in left), default=interval.start)
        return max(first, interval.start)
    last = max((int(each.footer.last[each.pieces].max()) for each in left), default=interval.end)
    return -min(last, interval.end)
