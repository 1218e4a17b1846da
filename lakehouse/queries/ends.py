"""The first or last rows of each symbol, or the last before an instant, from few row groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lakehouse.errors import ArgumentError
from lakehouse.partitions.index.nearest import within_reach
from lakehouse.partitions.reading import decode, decode_ends
from lakehouse.partitions.selection import Selection, select_ends, select_pieces
from lakehouse.partitions.spans import names_of, ranks_of
from lakehouse.partitions.state import TableState
from lakehouse.queries.known_symbols import check_symbols
from lakehouse.queries.result import Result
from lakehouse.queries.scan import check_columns
from lakehouse.times import MAX_NS, MIN_NS, Interval

Integers = npt.NDArray[np.int64]


def read_ends(
    state: TableState,
    count: int,
    *,
    last: bool,
    symbols: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
) -> Result:
    """Return up to `count` rows of each symbol, from its end (`last`) or its start, in the order of `read`.

    Raises:
        ArgumentError: the count is below 1.
        NotFoundError: a column or symbol does not exist.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ArgumentError(f"The number of rows must be 1 or more, not {count!r}.")
    names = check_columns(state, columns)
    if state.tail is not None:
        state = replace(state, tail=state.tail.ends(count, last=last))
    selections = select_ends(state, symbols, count, last=last)
    check_symbols(state, symbols, selections)
    narrowed = _narrowed(selections, count, last=last)
    table = decode_ends(state, narrowed, count, last=last, columns=names)
    return Result(table, symbol=state.schema.symbol, time=state.schema.time)


def read_before(
    state: TableState, instant: int, count: int, *, symbols: Sequence[str] | None, columns: Sequence[str]
) -> Result:
    """Return at least the last `count` rows of each symbol before an instant, in the order of `read`.

    There may be more of them, where row groups hold more, and fewer where the product begins.

    Args:
        state: the version.
        instant: UTC nanoseconds; rows of this instant are not among them.
        count: 1 or more.
        symbols: None for all; those without such a row have none.
        columns: in the order wanted.
    """
    interval = Interval(MIN_NS, instant)
    selections = select_pieces(state, symbols, interval)
    narrowed = _narrowed(selections, count, last=True, until=instant)
    table = decode(state, narrowed, interval, columns)
    return Result(table, symbol=state.schema.symbol, time=state.schema.time)


def _narrowed(selections: list[Selection], count: int, *, last: bool, until: int = MAX_NS) -> list[Selection]:
    """Keep the pieces that can hold one of the rows wanted.

    Seen from the wanted end, the nearest pieces with `count` rows in all are taken for each symbol, and
    then every piece that reaches into their range of time: files may overlap. Of a piece that reaches to
    `until` nobody knows how many rows lie before it, so it counts as empty.
    """
    if not selections:
        return []
    symbol, near, far, rows = _pieces(selections, last=last)
    rows = np.where(-near < until, rows, 0) if last else rows
    order = np.lexsort((near, symbol))
    keep = np.zeros(len(symbol), np.bool_)
    keep[order[within_reach(symbol[order], near[order], far[order], rows[order], count)]] = True
    cuts = np.cumsum([len(selection.pieces) for selection in selections])[:-1]
    masks = np.split(keep, cuts)
    return [
        replace(selection, pieces=selection.pieces[mask])
        for selection, mask in zip(selections, masks, strict=True)
        if mask.any()
    ]


def _pieces(selections: list[Selection], *, last: bool) -> tuple[Integers, Integers, Integers, Integers]:
    """Return for all pieces: symbol rank, distances of near and far edge from the wanted end, rows."""
    names = names_of(selections)
    symbol, near, far, rows = [], [], [], []
    for selection in selections:
        footer, pieces = selection.footer, selection.pieces
        symbol.append(ranks_of(footer.symbols, footer.code[pieces], names))
        low, high = footer.first[pieces], footer.last[pieces]
        near.append(-high if last else low)
        far.append(-low if last else high)
        rows.append(footer.rows[pieces])
    return np.concatenate(symbol), np.concatenate(near), np.concatenate(far), np.concatenate(rows)
