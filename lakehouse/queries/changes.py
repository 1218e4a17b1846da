"""One row a change: what it is, the key, the columns that changed, and the commit behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lakehouse.partitions.arrays import dictionary_array, int64_array, nullable_array
from lakehouse.partitions.digest import row_hashes
from lakehouse.queries.origins import Origins, Sought
from lakehouse.queries.result import Result
from lakehouse.schema import TableSchema, arrow_type
from lakehouse.times import to_nanoseconds

if TYPE_CHECKING:
    from lakehouse.partitions.commit_record import Commit

_KINDS = ("added", "removed", "changed")


def describe_changes(sought: Sought, old: pa.Table, schema: TableSchema, origins: Origins) -> Result:
    """Return `_change`, the key, `_columns`, and the commit of each row.

    Args:
        sought: the rows.
        old: the changed rows as they were.
        schema: names the key; without one, symbol and time are shown.
        origins: the commits.
    """
    changed = sought.rows.num_rows - sought.added - sought.removed
    kinds = np.repeat(np.arange(3, dtype=np.int32), (sought.added, sought.removed, changed))
    shown = schema.key or tuple(name for name in (schema.symbol, schema.time) if name)
    columns = {"_change": dictionary_array(kinds, _KINDS).cast(pa.string())}
    columns |= {name: sought.rows.column(name) for name in shown}
    names = _changed_columns(old, sought.rows.slice(sought.added + sought.removed), schema)
    columns["_columns"] = pa.chunked_array([pa.nulls(sought.added + sought.removed, names.type), names])
    columns |= _commit_columns(origins)
    table = pa.Table.from_arrays(list(columns.values()), list(columns))
    return Result(table, symbol=schema.symbol, time=schema.time)


def _changed_columns(old: pa.Table, new: pa.Table, schema: TableSchema) -> pa.ListArray:
    """Return the names of the columns in which the rows of two tables differ, by the rule of the digest."""
    names = [name for name in schema.names if name not in schema.key]
    differ = np.zeros((new.num_rows, len(names)), np.bool_)
    for position, name in enumerate(names):
        for before, after in zip(*(row_hashes(side.select([name])) for side in (old, new)), strict=True):
            differ[:, position] |= before != after
    offsets = np.concatenate([[0], np.cumsum(differ.sum(axis=1))]).astype(np.int32)
    codes = np.nonzero(differ)[1].astype(np.int32)
    values = dictionary_array(codes, names).cast(pa.string())
    kind = pa.list_(pa.string())
    return pa.Array.from_buffers(kind, new.num_rows, [None, pa.py_buffer(offsets)], children=[values])


def _commit_columns(origins: Origins) -> dict[str, pa.Array]:
    """Return the facts of each row's commit, null where it is not known."""
    codes = np.where(origins.codes < 0, len(origins.commits), origins.codes)

    def spread(facts: pa.Array) -> pa.Array:
        return facts.take(int64_array(codes))

    def texts(name: str) -> pa.Array:
        facts = [*(getattr(commit, name) for commit in origins.commits), None]
        return spread(nullable_array(facts, pa.string()))

    versions: list[int | None] = [*(commit.version for commit in origins.commits), None]
    times: list[int | None] = [*(_committed(commit) for commit in origins.commits), None]
    return {
        "_version": spread(nullable_array(versions, pa.int64())),
        "_operation": texts("operation"),
        "_author": texts("author"),
        "_time": spread(nullable_array(times, pa.int64()).view(arrow_type("timestamp[ns]"))),
        "_message": texts("message"),
    }


def _committed(commit: Commit) -> int:
    return to_nanoseconds(commit.time)
