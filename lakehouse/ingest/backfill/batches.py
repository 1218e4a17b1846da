"""Chunks that were read become commits: many in one, their rows merged across symbols."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from lakehouse.errors import KeyConflictError, LakehouseError
from lakehouse.ingest.backfill.report import sums
from lakehouse.ingest.prepare import Prepared
from lakehouse.ingest.sources.base import Chunk
from lakehouse.partitions.keys import find_repeats

ROWS_PER_COMMIT = 4_000_000
"""rows in memory after which a commit is made; a slice of the plan may end before"""
STAGED_ROWS_PER_COMMIT = 32_000_000
"""the same where the rows lie staged on the disk, and are mapped"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A chunk that was read and passed the gate, or why it was not."""

    chunk: Chunk
    """what was to be read"""
    prepared: Prepared | None
    """None where it failed; its rows are those of the staged file, if there is one"""
    error: LakehouseError | None = None
    """why it failed"""
    staged: str = ""
    """path of the staged file that holds the good rows; empty where they are in memory"""
    rows: int = 0
    """good rows, staged or not"""


def batches(chunks: Iterator[Loaded]) -> Iterator[list[Loaded]]:
    """Group chunks into commits of bounded size."""
    batch: list[Loaded] = []
    rows = 0
    for loaded in chunks:
        batch.append(loaded)
        rows += loaded.rows
        if rows >= (STAGED_ROWS_PER_COMMIT if loaded.staged else ROWS_PER_COMMIT):
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def merge(parts: Sequence[Prepared], key: Sequence[str]) -> Prepared:
    """Make one write of several, as if they came one after the other.

    Raises:
        KeyConflictError: two of them hold a key with different values.
    """
    refused = [part.quarantine for part in parts if part.quarantine is not None]
    good = pa.concat_tables(_one_encoding([part.good for part in parts]), promote_options="permissive")
    merged = Prepared(
        good=good,
        rows_in=sum(part.rows_in for part in parts),
        duplicates=sum(part.duplicates for part in parts),
        quarantine=pa.concat_tables(refused, promote_options="permissive") if refused else None,
        broken=sums([dict(part.broken) for part in parts]),
        warnings=sums([dict(part.warnings) for part in parts]),
    )
    return merged if len(parts) == 1 else _without_repeats(merged, key)


def _without_repeats(merged: Prepared, key: Sequence[str]) -> Prepared:
    repeats = find_repeats(merged.good, key)
    if repeats.conflicts.any():
        raise KeyConflictError("Two chunks hold one key with different values.")
    if not repeats.duplicates.any():
        return merged
    kept = merged.good.filter(pa.array(~repeats.duplicates))
    return replace(
        merged, good=kept, duplicates=merged.duplicates + int(np.count_nonzero(repeats.duplicates))
    )


def _one_encoding(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """Encode a text column in every table if the gate encoded it in one: short chunks come plain."""
    encoded = {
        column.name for table in tables for column in table.schema if pa.types.is_dictionary(column.type)
    }
    return [_with_encoded(table, encoded) for table in tables]


def _with_encoded(table: pa.Table, names: Collection[str]) -> pa.Table:
    for position, name in enumerate(table.column_names):
        if name in names and not pa.types.is_dictionary(table.column(name).type):
            table = table.set_column(position, name, table.column(name).dictionary_encode())
    return table
