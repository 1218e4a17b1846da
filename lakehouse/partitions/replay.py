"""From the Delta log to a state: start at a checkpoint, apply the entries after it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.errors import IntegrityError, LakehouseError, NotFoundError
from lakehouse.names import ProductName
from lakehouse.partitions import digest as digests
from lakehouse.partitions.delta_log import Action, decode, read_add, read_metadata
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.schema import TableSchema
from lakehouse.store import Store

CHECKPOINT_EVERY = 100
_LIVE = ("metaData", "txn", "add")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A replayed version: the state, and what only writers need."""

    state: TableState
    """for readers"""
    files: Mapping[str, DataFile] = field(default_factory=dict)
    """live files by path"""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """the Delta metaData action in force"""

    @property
    def exists(self) -> bool:
        """Whether the table was created: before its first write it has no log."""
        return bool(self.metadata)


def table_path(name: ProductName, major: int) -> str:
    """Return the folder of a product's table, relative to the root."""
    return f"partitions/{name.domain}/{name.product}/v{major}"


def entry_path(table: str, version: int) -> str:
    """Return where the log entry of a version lies."""
    return f"{table}/_delta_log/{version:020}.json"


def empty(
    store: Store,
    name: ProductName,
    major: int,
    schema: TableSchema,
    contract_version: str,
    layout: Layout | None,
) -> Snapshot:
    """Return version 0 of a table that no write has created yet."""
    return Snapshot(TableState(store, name, major, 0, schema, layout, contract_version=contract_version))


def advance(start: Snapshot, *, until: int | None = None) -> Snapshot:
    """Apply the log entries after `start`, up to `until` or to the head, found by probing names."""
    table = table_path(start.state.name, start.state.major)
    current, version = start, start.state.version + 1 if start.exists else 0
    while until is None or version <= until:
        try:
            data = start.state.store.get(entry_path(table, version))
        except NotFoundError:
            break
        current = apply(current, decode(data, where=entry_path(table, version)), version)
        version += 1
    return _with_time(current, table)


def from_checkpoint(start: Snapshot, *, until: int | None = None) -> Snapshot:
    """Return the newest checkpointed version at or before `until`, or `start` if there is none.

    A checkpoint only saves a replay, and its writer does not sync it: a torn one is passed over.

    Raises:
        IntegrityError: a checkpoint is torn, and the log entries that would stand in for it are gone.
    """
    store, table = start.state.store, table_path(start.state.name, start.state.major)
    last = _last_checkpoint(store, table) if until is None else until // CHECKPOINT_EVERY * CHECKPOINT_EVERY
    torn: Exception | None = None
    while last > 0:
        path = f"{table}/_delta_log/{last:020}.checkpoint.parquet"
        if store.size(path) is not None:
            try:
                return apply(start, list(_checkpoint_actions(store, path)), last)
            except LakehouseError:
                raise
            except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
                torn = error
        last = (last - 1) // CHECKPOINT_EVERY * CHECKPOINT_EVERY
    if torn is not None and store.size(entry_path(table, 0)) is None:
        raise IntegrityError(f"The checkpoints of {start.state.name} are torn, and its log is cut.") from torn
    return start


def apply(before: Snapshot, actions: list[Action], version: int) -> Snapshot:
    """Return the version that these actions make of the one before.

    Raises:
        IntegrityError: a file is removed that is not live, or was added past the lake's checks.
    """
    table = table_path(before.state.name, before.state.major)
    metadata = next((action["metaData"] for action in actions if action.get("metaData")), before.metadata)
    state = replace(before.state, version=version)
    if metadata is not before.metadata:
        schema, layout, contract_version = read_metadata(metadata)
        state = replace(state, schema=schema, layout=layout, contract_version=contract_version)
    files, transactions = dict(before.files), dict(before.state.transactions)
    gone: list[DataFile] = []
    for action in actions:
        if action.get("remove"):
            gone += _remove(files, f"{table}/", action["remove"], version, strict=before.exists)
        elif action.get("txn"):
            transactions[action["txn"]["appId"]] = int(action["txn"]["version"])
        elif action.get("commitInfo"):
            state = replace(state, time_ns=int(action["commitInfo"].get("timestamp", 0)) * 1_000_000)
    added = [read_add(action["add"], table_path=table) for action in actions if action.get("add")]
    files |= {file.path: file for file in added}
    digest = digests.add(state.digest, *(file.digest for file in added))
    for file in gone:
        digest = digests.subtract(digest, file.digest)
    state = replace(state, files=tuple(files.values()), digest=digest, transactions=transactions)
    return Snapshot(state, files, metadata)


def _remove(
    files: dict[str, DataFile], folder: str, remove: Mapping[str, Any], version: int, *, strict: bool
) -> list[DataFile]:
    path = folder + unquote(remove["path"])
    if path in files:
        return [files.pop(path)]
    if strict:  # a checkpoint keeps tombstones of files that it does not list as live
        raise IntegrityError(f"Version {version} removes {path}, which is not live: the log was altered.")
    return []


def _with_time(current: Snapshot, table: str) -> Snapshot:
    """Add the time of a version that was read from a checkpoint, which does not carry it."""
    if current.state.time_ns or not current.exists:
        return current
    where = entry_path(table, current.state.version)
    with suppress(NotFoundError):
        for action in decode(current.state.store.get(where), where=where):
            if action.get("commitInfo"):
                time_ns = int(action["commitInfo"].get("timestamp", 0)) * 1_000_000
                return replace(current, state=replace(current.state, time_ns=time_ns))
    return current


def _checkpoint_actions(store: Store, path: str) -> Iterator[Action]:
    """Yield what a checkpoint says of the live table: its tombstones, often many more, stay in the file."""
    with pq.ParquetFile(store.local_path(path)) as file:
        for name in (each for each in _LIVE if each in file.schema_arrow.names):
            for value in file.read(columns=[name]).column(name).drop_null().to_pylist():
                yield {name: value}


def _last_checkpoint(store: Store, table: str) -> int:
    try:
        return int(json.loads(store.get(f"{table}/_delta_log/_last_checkpoint"))["version"])
    except (NotFoundError, ValueError, KeyError, TypeError):  # absent or torn: the log itself has everything
        return 0
