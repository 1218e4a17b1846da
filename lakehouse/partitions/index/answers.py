"""What an index answers by itself: the runs that lie in an interval, with the ranges of their columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lakehouse.partitions.index.columns import Array, Integers
from lakehouse.partitions.index.part import Chosen, Part
from lakehouse.partitions.segments import RunStatistics
from lakehouse.times import Interval


@dataclass(frozen=True, slots=True)
class Runs:
    """What is known of some runs: each is the rows of one symbol in one file."""

    names: Sequence[str]
    """symbols"""
    codes: Integers
    """(n_runs,) position in `names`"""
    rows: Integers
    """(n_runs,) number of rows"""
    first: Integers
    """(n_runs,) first time, UTC nanoseconds"""
    last: Integers
    """(n_runs,) last time"""
    columns: Mapping[str, RunStatistics]
    """(n_runs,) each"""


def answered(
    part: Part,
    dead: Collection[int],
    symbols: Sequence[str] | None,
    interval: Interval,
    kinds: Mapping[str, np.dtype[Any]],
) -> tuple[Runs, list[Chosen]]:
    """Return the runs of a part that the index knows all about, and the pieces of the others.

    Args:
        part: of the version.
        dead: files that are not live.
        symbols: sorted; None for all.
        interval: of the question.
        kinds: type of each column whose ranges are asked for.
    """
    columns, count = part.columns, int(part.notes["runs"])
    runs = np.arange(count) if symbols is None else part.runs_of(symbols, interval)
    if dead:
        alive = np.ones(part.count, np.bool_)
        alive[list(dead)] = False
        runs = runs[alive[columns.pick("run_file", runs)]]
    first, last = columns.pick("run_first", runs), columns.pick("run_last", runs)
    if not interval.unbounded:
        meets = (first < interval.end) & (last >= interval.start)
        runs, first, last = runs[meets], first[meets], last[meets]
    inside = ((first >= interval.start) & (last < interval.end)) | interval.unbounded
    for name, kind in kinds.items():
        inside &= _is_known(part, name, kind, runs)
    rest = [each for each in part.cut(runs[~inside], symbols, interval) if each.number not in dead]
    kept = runs[inside]
    known = Runs(
        part.symbols,
        columns.pick("run_symbol", kept).astype(np.int64),
        columns.pick("run_rows", kept),
        first[inside],
        last[inside],
        {
            name: RunStatistics(
                *(columns.pick(f"{side}:{name}", kept) for side in ("low", "high", "missing"))
            )
            for name in (kinds if len(kept) else ())
        },
    )
    return known, rest


def _is_known(part: Part, name: str, kind: np.dtype[Any], runs: Integers) -> Array:
    if name not in part.notes["statistics"] or part.columns.whole(f"low:{name}").dtype != kind:
        return np.zeros(len(runs), np.bool_)
    return part.columns.pick(f"missing:{name}", runs) >= 0
