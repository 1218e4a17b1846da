"""The runs that can hold the first or the last rows of a symbol, without a look at those that can not."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from lakehouse.partitions.index.columns import Integers
from lakehouse.partitions.index.part import Part, spans
from lakehouse.partitions.sorting import run_starts


def nearest_runs(
    part: Part, dead: Collection[int], symbols: Sequence[str] | None, count: int, *, last: bool
) -> Integers:
    """Return the runs of a part that can hold one of the first or last `count` rows of a symbol, rising.

    Args:
        part: of the version.
        dead: files that are not live.
        symbols: None for all.
        count: rows wanted of each symbol.
        last: from which end.
    """
    columns = part.columns
    codes = np.arange(int(part.notes["symbols"]))
    if symbols is not None:
        known = [code for code in map(part.code_of, symbols) if code is not None]
        codes = np.array(known, np.int64)
    starts = columns.pick("symbol_runs", codes).astype(np.int64)
    counts = columns.pick("symbol_runs", codes + 1) - starts
    place, symbol = spans(starts, counts), np.repeat(codes, counts)
    if last:
        place, symbol = place[::-1], symbol[::-1]
    runs = columns.pick("order", place).astype(np.int64)
    if dead:
        alive = np.ones(part.count, np.bool_)
        alive[list(dead)] = False
        kept = alive[columns.pick("run_file", runs)]
        place, symbol, runs = place[kept], symbol[kept], runs[kept]
    near, far = columns.pick("order_first", place), columns.pick("order_last", place)
    if last:
        near, far = -far, -near
    found: Integers = np.sort(runs[within_reach(symbol, near, far, columns.pick("run_rows", runs), count)])
    return found


def within_reach(symbol: Integers, near: Integers, far: Integers, rows: Integers, count: int) -> Integers:
    """Return which of some runs of rows can hold one of the `count` rows of their symbol nearest to an end.

    Whatever runs are taken, if they have `count` rows then what begins behind all of them is out of reach.
    So those of each symbol that come first are taken, and the answer is right in any order, though shortest
    where they stand in the order of their distances.

    Args:
        symbol: (n,) of each run; equal ones stand together.
        near: (n,) distance of the nearer edge from the end.
        far: (n,) distance of the other edge.
        rows: (n,) number of rows.
        count: rows wanted of each symbol.
    """
    if not len(symbol):
        return np.zeros(0, np.int64)
    starts = run_starts(symbol)
    sizes = np.diff(np.append(starts, len(symbol)))
    before = np.cumsum(rows) - rows
    before -= np.repeat(before[starts], sizes)
    taken = np.where(before < count, far, np.iinfo(np.int64).min)
    reach = np.repeat(np.maximum.reduceat(taken, starts), sizes)
    return np.flatnonzero(near <= reach)
