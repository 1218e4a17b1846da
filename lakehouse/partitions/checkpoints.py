"""Checkpoints of a Delta log: the live files of a version in one Parquet file, read column by column.

Made into one dictionary a row, as the log itself is, 10,000 files would take a third of a second.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakehouse.errors import NotFoundError
from lakehouse.partitions.arrays import text_array
from lakehouse.partitions.delta_log import FILE_TAGS, Action, file_of
from lakehouse.partitions.state import DataFile
from lakehouse.store import Store

_ADD = ("path", "size", "stats", "partitionValues", "tags")


def checkpoint_path(table: str, version: int) -> str:
    """Return where the checkpoint of a version lies."""
    return f"{table}/_delta_log/{version:020}.checkpoint.parquet"


def last_checkpoint(store: Store, table: str) -> int:
    """Return the version of the newest checkpoint, by the log's own note; 0 where none is needed.

    A log that was cut can not do without one: where the note is torn or gone, the checkpoints are listed.
    """
    try:
        return int(json.loads(store.get(f"{table}/_delta_log/_last_checkpoint"))["version"])
    except (NotFoundError, ValueError, KeyError, TypeError):  # absent or torn
        pass
    if store.size(f"{table}/_delta_log/{0:020}.json") is not None:
        return 0  # the log itself has everything
    names = (entry.path.rpartition("/")[2] for entry in store.list(f"{table}/_delta_log"))
    return max((int(name[:20]) for name in names if name.endswith(".checkpoint.parquet")), default=0)


def read_checkpoint(path: Path, *, table: str) -> tuple[list[Action], list[DataFile]]:
    """Return what a checkpoint says of the table, and its live files; tombstones are not read.

    Raises:
        IntegrityError: another writer added a file without our tags.
    """
    with pq.ParquetFile(path) as file:  # pq.read_table takes no part of a column
        rows = file.read(["txn", "metaData", *(f"add.{name}" for name in _ADD)])
    actions = [action for name in ("txn", "metaData") for action in _actions(rows, name)]
    return actions, list(_files(rows.column("add"), table))


def _actions(rows: pa.Table, name: str) -> Iterator[Action]:
    for value in rows.column(name).drop_null().to_pylist():
        yield {name: value}


def _files(adds: pa.ChunkedArray, table: str) -> Iterator[DataFile]:
    partition_of = lru_cache(maxsize=4096)(lambda items: tuple(dict(items).items()))
    for chunk in adds.drop_null().chunks:
        tags = chunk.field("tags")
        columns: list[list[Any]] = [chunk.field(name).to_pylist() for name in _ADD[:3]]
        partitions = (partition_of(tuple(items)) for items in chunk.field("partitionValues").to_pylist())
        found = (pc.map_lookup(tags, name, "first").to_pylist() for name in text_array(FILE_TAGS))
        for path, size, statistics, partition, *named in zip(*columns, partitions, *found, strict=True):
            yield file_of(table, path, size, statistics, partition, *named)
