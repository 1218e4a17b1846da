"""Keys: rows that are the same, and rows that claim to be.

Two rows are equal when their content hashes are: the same rule as the digest, so NaN equals NaN and -0.0 is
not 0.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from lakehouse.partitions.arrays import integers
from lakehouse.partitions.digest import row_hashes
from lakehouse.partitions.sorting import Symbols, sort_order, sorted_runs

Booleans = npt.NDArray[np.bool_]

ROW, LOW, HIGH = "_row", "_low", "_high"


@dataclass(frozen=True, slots=True)
class Repeats:
    """Rows of one frame that share a key."""

    duplicates: Booleans
    """(n_rows,) equal in every column to an earlier row of the same key"""
    conflicts: Booleans
    """(n_rows,) rows whose key stands for different values in this frame: nobody can say which is right"""

    @property
    def found(self) -> bool:
        """Whether there are any."""
        return bool(self.duplicates.any() or self.conflicts.any())


def keyed(rows: pa.Table, key: Sequence[str]) -> pl.DataFrame:
    """Return the key columns, each row's content hash and its position."""
    low, high = row_hashes(rows)
    return key_columns(rows, key).with_columns(pl.Series(LOW, low), pl.Series(HIGH, high)).with_row_index(ROW)


def find_repeats(rows: pa.Table, key: Sequence[str]) -> Repeats:
    """Find repeated keys inside one frame."""
    none = np.zeros(rows.num_rows, np.bool_)
    if not key or rows.num_rows < 2:
        return Repeats(none, none)
    picked = _sharing(rows, key)
    if not len(picked):
        return Repeats(none, none)
    hashes = keyed(rows.take(pa.array(picked)), key).with_columns(pl.Series(ROW, picked))
    value = pl.struct(LOW, HIGH)
    marked = hashes.with_columns(
        (value.n_unique().over(list(key)) > 1).alias("conflict"),
        (pl.col(ROW) != pl.col(ROW).min().over(list(key))).alias("later"),
    )
    duplicates, conflicts = none.copy(), none.copy()
    conflicts[marked.filter("conflict")[ROW].to_numpy()] = True
    duplicates[marked.filter(pl.col("later") & ~pl.col("conflict"))[ROW].to_numpy()] = True
    return Repeats(duplicates, conflicts)


def _sharing(rows: pa.Table, key: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the rows, rising, whose key another row has too."""
    # Text comes first, as codes: a symbol and a time have a quick order of their own.
    columns = sorted((rows.column(name) for name in key), key=lambda column: not _is_text(column))
    words = [_words(column) for column in columns]
    exact = [word for word in words if word is not None]
    if len(exact) < len(words):  # fractions, nulls, text that hardly repeats: compare the values themselves
        values = key_columns(rows, key).with_row_index(ROW)
        shared = values.filter(values.select(pl.struct(list(key)).is_duplicated()).to_series())
        return shared[ROW].to_numpy().astype(np.int64)
    pair = len(columns) == 2 and _is_text(columns[0]) and not _is_text(columns[1])
    if pair and sorted_runs(exact[0], exact[1], strictly=True) is not None:
        return np.zeros(0, np.int64)
    # An order in which equal keys are neighbours; None where the rows are in one.
    order = sort_order(exact[0], exact[1]) if pair else np.lexsort(exact[::-1])
    if order is not None:
        exact = [word[order] for word in exact]
    same = np.ones(rows.num_rows - 1, np.bool_)
    for word in exact:
        same &= word[1:] == word[:-1]
    before = np.flatnonzero(same)
    places = np.union1d(before, before + 1)
    return places if order is None else np.sort(order[places])


def _words(column: pa.ChunkedArray) -> npt.NDArray[Any] | None:
    """Return a key column as integers, equal where the values are; None where only the values will do."""
    if column.null_count:
        return None
    if pa.types.is_dictionary(column.type):
        return Symbols.of(column, len(column)).codes
    kind = column.type
    exact = pa.types.is_integer(kind) or pa.types.is_timestamp(kind) or pa.types.is_date32(kind)
    return integers(column) if exact else None


def _is_text(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_dictionary(column.type))


@dataclass(frozen=True, slots=True)
class Match:
    """How new rows meet stored rows of the same key."""

    equal_new: Booleans
    """(n_new,) stored already, equal in every column"""
    changed_new: Booleans
    """(n_new,) the key is stored with other values"""
    changed_old: Booleans
    """(n_old,) the stored rows that `changed_new` differ from"""
    pairs: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
    """rows of `changed_new`, and the stored row that each differs from"""


def match(new: pa.Table, old: pa.Table, key: Sequence[str]) -> Match:
    """Join new and stored rows by key; keys are unique on both sides, and both have the same columns."""
    equal_new, changed_new = np.zeros(new.num_rows, np.bool_), np.zeros(new.num_rows, np.bool_)
    changed_old = np.zeros(old.num_rows, np.bool_)
    joined = keyed(new, key).join(keyed(old, key), on=list(key), how="inner", suffix="_old")
    same = (joined[LOW] == joined[f"{LOW}_old"]) & (joined[HIGH] == joined[f"{HIGH}_old"])
    differ = joined.filter(~same)
    pairs = differ[ROW].to_numpy().astype(np.int64), differ[f"{ROW}_old"].to_numpy().astype(np.int64)
    equal_new[joined.filter(same)[ROW].to_numpy()] = True
    changed_new[pairs[0]] = True
    changed_old[pairs[1]] = True
    return Match(equal_new, changed_new, changed_old, pairs)


def key_columns(rows: pa.Table, key: Sequence[str]) -> pl.DataFrame:
    """Return key columns in types that join: text as text, however it was encoded."""
    columns = pl.DataFrame(pl.from_arrow(rows.select(list(key))))
    return columns.with_columns(pl.selectors.categorical().cast(pl.String))
