"""The order of rows: by symbol, time, sequence; symbols by Unicode code point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.partitions.arrays import Integers, dictionary_array, integers

_LONG_RUN = 64


@dataclass(frozen=True, slots=True)
class Symbols:
    """The symbol of every row, as ranks into a sorted list of names."""

    codes: npt.NDArray[np.int32]
    """(n_rows,) rank of each row's symbol"""
    names: tuple[str, ...]
    """distinct symbols, sorted by code point"""

    @classmethod
    def of(cls, column: pa.ChunkedArray | None, rows: int) -> Symbols:
        """Rank a string or dictionary column without nulls; a table without one has the one symbol ''."""
        if column is None:
            return cls(np.zeros(rows, np.int32), ("",))
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        encoded = encoded.unify_dictionaries()
        if encoded.num_chunks == 0:
            return cls(np.zeros(0, np.int32), ())
        names = encoded.chunk(0).dictionary.to_pylist()
        parts = [integers(chunk.indices) for chunk in encoded.chunks]
        raw = parts[0] if len(parts) == 1 else np.concatenate(parts)
        used = _used(raw, len(names))  # it may name more than there is
        order = sorted(used.tolist(), key=names.__getitem__)
        if order == list(range(len(names))):
            return cls(raw.astype(np.int32, copy=False), tuple(names))
        rank = np.zeros(len(names), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        return cls(rank[raw], tuple(names[i] for i in order))

    def array(self) -> pa.Array:
        """Return the column as a dictionary array whose dictionary is sorted."""
        return dictionary_array(self.codes, self.names)


def _used(codes: npt.NDArray[Any], names: int) -> Integers:
    """Return the codes that occur, rising."""
    seen = np.zeros(names, np.bool_)
    sample = codes[: 1 << 12]
    if len(run_starts(sample)) * _LONG_RUN < len(sample):  # neighbours are compared quicker than looked up
        codes = codes[run_starts(codes)]
    seen[codes] = True
    return np.flatnonzero(seen)


def sort_order(
    codes: npt.NDArray[np.int32], times: Integers | None, ranks: npt.NDArray[Any] | None = None
) -> Integers | None:
    """Return the stable order by (symbol, time, rank), or None where the rows are in it already."""
    if len(codes) < 2:
        return None
    if times is None and ranks is None:
        return None if np.all(codes[1:] >= codes[:-1]) else _by_symbol(codes)
    if times is None:
        return np.lexsort([key for key in (ranks, codes) if key is not None])
    grouped = bool(np.all(codes[1:] >= codes[:-1]))
    if grouped and _is_sorted(codes, times, ranks):
        return None
    if ranks is None and not grouped:
        runs_in_order = sorted_runs(codes, times)
        if runs_in_order is not None:  # symbol by symbol, in another order of symbols
            return rows_of(*runs_in_order)
        order = _by_symbol(codes)
        counts = np.bincount(codes)
        if _rises_within(times[order], np.cumsum(counts)[counts > 0]):  # a feed in order of time, for one
            return order
    keys = (times, codes) if ranks is None else (ranks, times, codes)
    return np.lexsort(keys)


def sorted_runs(
    codes: npt.NDArray[np.int32], times: Integers, *, strictly: bool = False
) -> tuple[Integers, Integers] | None:
    """Return first rows and ends of the runs of one symbol, in the order that sorts all rows.

    None where runs are short, or where moving them as a whole does not sort the rows.

    Args:
        codes: (n_rows,) symbols.
        times: (n_rows,)
        strictly: no two rows may have one symbol and time.
    """
    starts = run_starts(codes)
    if len(starts) * _LONG_RUN > len(codes):
        return None
    stops = np.append(starts[1:], len(codes))
    late = times[1:] <= times[:-1] if strictly else times[1:] < times[:-1]
    late[starts[1:] - 1] = False
    order = np.argsort(codes[starts], kind="stable")
    starts, stops = starts[order], stops[order]
    same = codes[starts[1:]] == codes[starts[:-1]]
    before, after = times[stops[:-1] - 1], times[starts[1:]]
    if late.any() or np.any(same & (before >= after if strictly else before > after)):
        return None
    return starts, stops


def tie_ranks(codes: npt.NDArray[np.int32], times: Integers | None) -> npt.NDArray[np.int32]:
    """Return each sorted row's rank among the rows of equal symbol and time, from 0."""
    ranks = np.zeros(len(codes), np.int32)
    same = codes[1:] == codes[:-1]
    if times is not None:
        same &= times[1:] == times[:-1]
    ties = np.flatnonzero(same) + 1  # rows that repeat the one before them: few, in most feeds
    if len(ties):
        new_run = np.concatenate([[True], np.diff(ties) > 1])
        starts = np.flatnonzero(new_run)
        lengths = np.diff(np.append(starts, len(ties)))
        ranks[ties] = np.arange(1, len(ties) + 1) - np.repeat(starts, lengths)
    return ranks


def runs(*columns: npt.NDArray[Any]) -> tuple[Integers, Integers]:
    """Return the first row of each run, and the row after its last."""
    starts = run_starts(*columns)
    return starts, np.append(starts, len(columns[0]))[1:] if len(starts) else starts


def run_starts(*columns: npt.NDArray[Any]) -> Integers:
    """Return the first row of each run of rows that are equal in all columns."""
    rows = len(columns[0])
    if rows == 0:
        return np.zeros(0, np.int64)
    changed = np.zeros(rows - 1, np.bool_)
    for column in columns:
        changed |= column[1:] != column[:-1]
    return np.concatenate([np.zeros(1, np.int64), np.flatnonzero(changed) + 1])


def rows_of(starts: Integers, stops: Integers) -> Integers:
    """Return the rows of some runs, one run after another."""
    lengths = stops - starts
    places = np.cumsum(lengths) - lengths
    rows: Integers = np.arange(int(lengths.sum())) + np.repeat(starts - places, lengths)
    return rows


def _by_symbol(codes: npt.NDArray[np.int32]) -> Integers:
    """Return the stable order by symbol alone: for up to 32,768 of them, one pass of radix sort."""
    narrow = codes.astype(np.int16) if codes.max() < 2**15 else codes
    return np.argsort(narrow, kind="stable")


def _rises_within(times: Integers, stops: Integers) -> bool:
    """Say whether times never fall, but between the runs that end before `stops`."""
    falls = times[1:] < times[:-1]
    falls[stops[:-1] - 1] = False
    return not falls.any()


def _is_sorted(codes: npt.NDArray[np.int32], times: Integers, ranks: npt.NDArray[Any] | None) -> bool:
    rising = codes[1:] > codes[:-1]
    same = codes[1:] == codes[:-1]
    later = times[1:] > times[:-1]
    tie = times[1:] == times[:-1]
    if ranks is not None:
        tie &= ranks[1:] >= ranks[:-1]
    return bool(np.all(rising | (same & (later | tie))))
