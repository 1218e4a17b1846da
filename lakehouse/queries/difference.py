"""What changed between two versions, by key; files that both have are not read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from lakehouse.partitions.keys import HIGH, LOW, ROW, keyed
from lakehouse.partitions.reading import decode, select_pieces
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.queries.result import Result
from lakehouse.schema import TableSchema
from lakehouse.times import Interval


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows that two versions do not share; without a key a changed row is one removed and one added."""

    added: Result
    """rows of the later version alone"""
    removed: Result
    """rows of the earlier version alone"""
    changed: Result
    """key columns, then `<column>_before` and `<column>_after` of every other column"""

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(len(self.added) or len(self.removed) or len(self.changed))

    def __repr__(self) -> str:
        """Give the three counts."""
        return (
            f"<Difference: {len(self.added)} added, {len(self.removed)} removed, {len(self.changed)} changed>"
        )


def difference(before: TableState, after: TableState) -> Difference:
    """Compare two versions of one product."""
    schema = after.schema
    shared = {file.path for file in before.files} & {file.path for file in after.files}
    old, new = _rows(before, shared, schema), _rows(after, shared, schema)
    key = list(schema.key)
    left, right = (_numbered(rows, key) for rows in (old, new))
    on = [*key] if key else [LOW, HIGH, "_nth"]
    gone = left.join(right, on=on, how="anti")[ROW].to_numpy()
    come = right.join(left, on=on, how="anti")[ROW].to_numpy()
    both = right.join(left, on=on, how="inner", suffix="_old") if key else right.clear()
    if key:
        both = both.filter(
            (pl.col(LOW) != pl.col(f"{LOW}_old")) | (pl.col(HIGH) != pl.col(f"{HIGH}_old"))
        ).sort(ROW)
    changed = _changed(old, new, both, key) if key else new.slice(0, 0)
    roles = {"symbol": schema.symbol, "time": schema.time}
    return Difference(
        added=Result(new.take(pa.array(np.sort(come))), **roles),
        removed=Result(old.take(pa.array(np.sort(gone))), **roles),
        changed=Result(changed, **{role: name if name in key else None for role, name in roles.items()}),
    )


def _rows(state: TableState, shared: set[str], schema: TableSchema) -> pa.Table:
    """Read the rows of the files that the other version does not have, in the later schema."""
    files = tuple(file for file in state.files if file.path not in shared)
    other = _narrowed(state, files, schema)
    return decode(other, select_pieces(other, None, Interval()), Interval())


def _narrowed(state: TableState, files: tuple[DataFile, ...], schema: TableSchema) -> TableState:
    return TableState(state.store, state.name, state.major, state.version, schema, state.layout, files)


def _numbered(rows: pa.Table, key: Sequence[str]) -> pl.DataFrame:
    """Return key columns, hashes and positions; equal rows without a key are told apart by their number."""
    frame = keyed(rows, key)
    return frame if key else frame.with_columns(pl.int_range(pl.len()).over(LOW, HIGH).alias("_nth"))


def _changed(old: pa.Table, new: pa.Table, both: pl.DataFrame, key: Sequence[str]) -> pa.Table:
    after = new.take(pa.array(both[ROW].to_numpy()))
    before = old.take(pa.array(both[f"{ROW}_old"].to_numpy()))
    columns = {name: after.column(name) for name in key}
    for name in new.column_names:
        if name not in key:
            columns |= {f"{name}_before": before.column(name), f"{name}_after": after.column(name)}
    return pa.Table.from_arrays(list(columns.values()), list(columns))
