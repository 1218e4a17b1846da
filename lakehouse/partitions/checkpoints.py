"""Checkpoints of a Delta log: the live files of a version in one Parquet file, read column by column.

Made into one dictionary a row, as the log itself is, 10,000 files would take a third of a second.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.errors import NotFoundError
from lakehouse.partitions.arrays import integers, valid_rows
from lakehouse.partitions.delta_log import FILE_TAGS, Action, file_of
from lakehouse.partitions.parquet_reader import open_parquet
from lakehouse.partitions.state import DataFile
from lakehouse.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

_TEXTS = ("path", "size", "stats")
_ADD = (*_TEXTS, "partitionValues", "tags")


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
    with open_parquet(path) as file:
        rows = file.read(["txn", "metaData", *(f"add.{name}" for name in _ADD)], threads=True)
    actions = [action for name in ("txn", "metaData") for action in _actions(rows, name)]
    return actions, list(_files(rows.column("add"), table))


def _actions(rows: pa.Table, name: str) -> Iterator[Action]:
    for chunk in rows.column(name).chunks:
        yield from ({name: chunk[row].as_py()} for row in valid_rows(chunk).tolist())


def _files(adds: pa.ChunkedArray, table: str) -> Iterator[DataFile]:
    partition_of = lru_cache(maxsize=4096)(lambda items: tuple(dict(items).items()))
    for chunk in adds.chunks:
        paths, sizes, statistics = (chunk.field(name).to_pylist() for name in _TEXTS)
        partitions, tags = (list(_maps(chunk.field(name))) for name in ("partitionValues", "tags"))
        for row in valid_rows(chunk).tolist():  # the others are of other actions
            found, partition = dict(tags[row]), partition_of(partitions[row])
            yield file_of(
                table, paths[row], sizes[row], statistics[row], partition, *map(found.get, FILE_TAGS)
            )


def _maps(column: pa.MapArray) -> Iterator[tuple[tuple[str, str | None], ...]]:
    """Yield the items of each map; none of a map that is null."""
    items = list(zip(column.keys.to_pylist(), column.items.to_pylist(), strict=True))
    offsets = integers(column.offsets).tolist()
    return (tuple(items[low:high]) for low, high in pairwise(offsets))
