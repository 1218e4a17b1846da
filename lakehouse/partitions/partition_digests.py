"""The content digest of each partition, (symbol, period of the layout), summed from footers.

Digests add up, so the sum over the files of a partition is the digest of its rows, however they are spread
over files: an append adds to it, an upsert subtracts and adds, and a compaction leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from lakehouse.partitions.footers import Footer, footer_of
from lakehouse.partitions.index.pinned import live_of
from lakehouse.partitions.layout import partition_columns
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.partitions.threads import workers
from lakehouse.times import Interval

_MODULUS = 1 << 128


class Partition(NamedTuple):
    """The rows of one symbol in one period."""

    symbol: str
    """'' in a table without symbols"""
    period: int | None
    """its first day, since 1970; None where the layout has no dates"""


class PartitionDigest(NamedTuple):
    """What is known of a partition without reading it."""

    rows: int
    """number of rows"""
    digest: str
    """32 hex digits"""


def partition_digests(
    state: TableState, files: Iterable[DataFile] | None = None
) -> dict[Partition, PartitionDigest]:
    """Return rows and digest of each partition that some files of a version have rows of.

    Args:
        state: the version.
        files: None for all.

    Raises:
        IntegrityError: a file is missing, or its footer can not be read.
    """
    rows: dict[Partition, int] = {}
    sums: dict[Partition, int] = {}
    for file, footer in _all_footers(state) if files is None else footers_of(state, files):
        period = period_of(state, file)
        for symbol, count, digest in zip(footer.symbols, footer.counts.tolist(), footer.digests, strict=True):
            partition = Partition(symbol, period)
            rows[partition] = rows.get(partition, 0) + count
            sums[partition] = sums.get(partition, 0) + int(digest, 16)
    return {
        partition: PartitionDigest(count, f"{sums[partition] % _MODULUS:032x}")
        for partition, count in rows.items()
    }


def _all_footers(state: TableState) -> Iterator[tuple[DataFile, Footer]]:
    """Yield every file with its footer; what the index knows of it is not read from the file."""
    found = live_of(state.files).choose(state.store, state.schema.time, None, Interval())
    return ((file, footer) for file, footer, _ in found)


def footers_of(state: TableState, files: Iterable[DataFile]) -> Iterator[tuple[DataFile, Footer]]:
    """Yield files with their parsed footers, in their order; footers are parsed side by side."""
    chosen = list(files)
    footers = workers().map(lambda file: footer_of(state.store, file, state.schema.time), chosen)
    return zip(chosen, footers, strict=True)


def period_of(state: TableState, file: DataFile) -> int | None:
    """Return the first day, since 1970, of the period whose rows a file holds; None without dates."""
    if state.layout is None:
        return None
    values = dict(file.partition)
    for name, kind in partition_columns(state.layout, state.schema):
        if kind == "date" and values.get(name) is not None:
            return int(np.datetime64(values[name], "D").astype(np.int64))
    return None
