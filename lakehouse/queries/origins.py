"""The commit behind each row in which two versions differ, found by walking the log between them.

From the newest commit back, each is asked only for rows that no later one has explained, and reads only what
it left unequal: a commit without the right symbols, times or files, or one that left the digest as it was,
such as a compaction, is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from lakehouse.errors import IntegrityError
from lakehouse.partitions.arrays import times_of
from lakehouse.partitions.digest import row_hashes
from lakehouse.partitions.keys import HIGH, LOW, ROW, key_columns
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.queries.steps import steps_between
from lakehouse.queries.unequal import Wanted, unequal_rows
from lakehouse.schema import TableSchema
from lakehouse.times import MAX_NS, Interval

if TYPE_CHECKING:
    from lakehouse.partitions.commit_record import Commit
    from lakehouse.partitions.table import Table

Integers = npt.NDArray[np.int64]

_NEW = "_new"
_MOST_SYMBOLS = 1000


@dataclass(frozen=True, slots=True)
class Sought:
    """The rows whose commits are sought: added ones, removed ones, then changed ones as they are now."""

    rows: pa.Table
    """in the types that readers get"""
    added: int
    """number of added rows"""
    removed: int
    """number of removed rows"""


@dataclass(frozen=True, slots=True)
class Origins:
    """The commits behind some rows."""

    commits: tuple[Commit, ...]
    """newest first"""
    codes: Integers
    """(n_rows,) position in `commits`; -1 where nobody can tell any more"""


def commits_behind(sought: Sought, before: TableState, after: TableState, table: Table | None) -> Origins:
    """Return for each row the newest commit between both versions that gave or took it.

    A commit is not known where the log does not reach back to it, or where a file that it wrote or removed
    is gone and may have held the row.
    """
    codes = np.full(sought.rows.num_rows, -1, np.int64)
    left = _identities(
        sought.rows, after.schema.key, _appeared(sought, forward=before.version <= after.version)
    )
    commits: list[Commit] = []
    if table is None or left.is_empty():
        return Origins((), codes)
    wanted = _wanted(sought.rows, after.schema, left)
    for commit, added, removed in steps_between(table, before, after):
        if left.is_empty() or added is None or removed is None:
            break
        try:
            touched = _touched(after, added, removed, wanted)
        except IntegrityError:  # collected since: older commits may not claim what it may have held
            left = left.join(_within(sought.rows, after.schema, left, (*added, *removed)), on=ROW, how="anti")
            continue
        found = left.join(touched, on=touched.columns, how="semi")
        if not found.is_empty():
            codes[found[ROW].to_numpy()] = len(commits)
            commits.append(commit)
            left = left.join(found, on=ROW, how="anti")
            wanted = _wanted(sought.rows, after.schema, left)
    return Origins(tuple(commits), codes)


def _appeared(sought: Sought, *, forward: bool) -> npt.NDArray[np.bool_]:
    """Say for each row whether a commit must have brought it, rather than taken it away."""
    appeared = np.ones(sought.rows.num_rows, np.bool_)
    appeared[sought.added : sought.added + sought.removed] = False
    return appeared if forward else ~appeared


def _identities(rows: pa.Table, key: Sequence[str], appeared: npt.NDArray[np.bool_]) -> pl.DataFrame:
    """Return what tells rows apart: the key, or else the content and whether the row came or went."""
    if key:
        return key_columns(rows, key).with_row_index(ROW)
    low, high = row_hashes(rows)
    return pl.DataFrame({LOW: low, HIGH: high, _NEW: appeared}).with_row_index(ROW)


def _touched(
    after: TableState, added: tuple[DataFile, ...], removed: tuple[DataFile, ...], wanted: Wanted
) -> pl.DataFrame:
    """Return the identities of the rows that a commit brought or took away, among those that are wanted."""
    found = unequal_rows(replace(after, files=removed), replace(after, files=added), wanted)
    rows = pa.concat_tables([found.new, found.old])
    came = np.arange(rows.num_rows) < found.new.num_rows
    return _identities(rows, after.schema.key, came).drop(ROW).unique()


def _wanted(rows: pa.Table, schema: TableSchema, left: pl.DataFrame) -> Wanted:
    """Return the symbols and times of what is left, as far as a row keeps them for ever."""
    if left.is_empty():
        return Wanted((), Interval(0, 0))
    picked = left[ROW].to_numpy()
    symbols, times = _fixed(rows, schema, picked)
    names = None if symbols is None else symbols.unique().sort().to_list()
    return Wanted(
        None if names is None or len(names) > _MOST_SYMBOLS else tuple(names),
        Interval() if times is None else Interval(int(times.min()), min(MAX_NS, int(times.max()) + 1)),
    )


def _fixed(rows: pa.Table, schema: TableSchema, picked: Integers) -> tuple[pl.Series | None, Integers | None]:
    """Return symbols and times of some rows; None for what a row of that key may change."""
    fixed = [name for name in (schema.symbol, schema.time) if name and (not schema.key or name in schema.key)]
    symbols = pl.Series(rows.column(schema.symbol)).gather(picked) if schema.symbol in fixed else None
    times = times_of(rows, schema) if schema.time in fixed else None
    return symbols, None if times is None else times[picked]


def _within(
    rows: pa.Table, schema: TableSchema, left: pl.DataFrame, files: Sequence[DataFile]
) -> pl.DataFrame:
    """Return which of the rows that are left one of some files may hold."""
    picked = left[ROW].to_numpy()
    inside = np.zeros(len(picked), np.bool_)
    symbols, times = _fixed(rows, schema, picked)
    for file in files:
        may = np.ones(len(picked), np.bool_)
        if symbols is not None and file.min_symbol is not None:
            may &= symbols.is_between(file.min_symbol, file.max_symbol).to_numpy()
        if times is not None and file.min_time is not None and file.max_time is not None:
            may &= (times >= file.min_time) & (times <= file.max_time)
        inside |= may
    return left.filter(pl.Series(inside)).select(ROW)
