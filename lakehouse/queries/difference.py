"""What changed between two versions, by key, and the commit behind each row; what is equal is not read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.partitions.arrays import int64_array
from lakehouse.partitions.keys import ROW, keyed
from lakehouse.partitions.state import TableState
from lakehouse.queries.changes import describe_changes
from lakehouse.queries.origins import Sought, commits_behind
from lakehouse.queries.result import Result
from lakehouse.queries.unequal import Unequal, unequal_rows

if TYPE_CHECKING:
    from lakehouse.partitions.table import Table

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows that two versions do not share; without a key a changed row is one removed and one added."""

    added: Result
    """rows of the later version alone"""
    removed: Result
    """rows of the earlier version alone"""
    changed: Result
    """key columns, then `<column>_before` and `<column>_after` of every other column"""
    changes: Result
    """one row for each row of `added`, `removed` and `changed`, in this order.

    `_change` says which it is; then come the key (without one, symbol and time), `_columns` that changed, and
    the newest commit between both versions that gave the key its present row or took it away: `_version`,
    `_operation`, `_author`, `_time`, `_message`; all null where the log, or a file of the time, is gone."""

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(len(self.changes))

    def __repr__(self) -> str:
        """Give the three counts."""
        return (
            f"<Difference: {len(self.added)} added, {len(self.removed)} removed, {len(self.changed)} changed>"
        )


@dataclass(frozen=True, slots=True)
class _Match:
    """Positions of unequal rows, as the key tells them apart."""

    added: Integers
    """in the new rows"""
    removed: Integers
    """in the old rows"""
    before: Integers
    """of changed rows, in the old rows"""
    after: Integers
    """of changed rows, in the new rows"""


def difference(before: TableState, after: TableState, table: Table | None = None) -> Difference:
    """Compare two versions of one product and major version.

    Args:
        before: a version.
        after: another; keys, columns and types are those of its schema.
        table: whose log names the commits; None names none.

    Raises:
        IntegrityError: a file that has to be read is missing or altered.
    """
    if before.digest == after.digest and before.rows == after.rows:
        before = after
    schema = after.schema
    found = unequal_rows(before, after)
    match = _match(found, schema.key)
    added, removed = _take(found.new, match.added), _take(found.old, match.removed)
    old, new = _take(found.old, match.before), _take(found.new, match.after)
    sought = Sought(pa.concat_tables([added, removed, new]), len(match.added), len(match.removed))
    return Difference(
        added=Result(added, symbol=schema.symbol, time=schema.time),
        removed=Result(removed, symbol=schema.symbol, time=schema.time),
        changed=Result(_side_by_side(old, new, schema.key), symbol=schema.symbol, time=schema.time),
        changes=describe_changes(sought, old, schema, commits_behind(sought, before, after, table)),
    )


def _take(rows: pa.Table, picked: Integers) -> pa.Table:
    return rows.take(int64_array(picked))


def _match(found: Unequal, key: Sequence[str]) -> _Match:
    """Tell by their key which unequal rows are two states of one row; without a key none are."""
    old, new = (np.arange(rows.num_rows) for rows in (found.old, found.new))
    if not key:
        return _Match(new, old, old[:0], new[:0])
    left, right = keyed(found.old, key), keyed(found.new, key)
    both = right.join(left, on=list(key), suffix="_old").sort(ROW)
    before, after = (both[name].to_numpy().astype(np.int64) for name in (f"{ROW}_old", ROW))
    return _Match(np.setdiff1d(new, after), np.setdiff1d(old, before), before, after)


def _side_by_side(old: pa.Table, new: pa.Table, key: Sequence[str]) -> pa.Table:
    columns = {name: new.column(name) for name in key}
    for name in new.column_names:
        if key and name not in key:
            columns |= {f"{name}_before": old.column(name), f"{name}_after": new.column(name)}
    return pa.Table.from_arrays(list(columns.values()), list(columns)) if key else new
