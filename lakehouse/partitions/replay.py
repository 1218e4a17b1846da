"""From the Delta log to a state: start at a checkpoint, apply the entries after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from lakehouse.errors import IntegrityError, LakehouseError, NotFoundError
from lakehouse.names import ProductName
from lakehouse.partitions import digest as digests
from lakehouse.partitions.checkpoints import checkpoint_path, last_checkpoint, read_checkpoint
from lakehouse.partitions.delta_log import Action, decode, read_add, read_metadata
from lakehouse.partitions.done import Done
from lakehouse.partitions.index.live import Draft, LiveFiles
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.schema import TableSchema
from lakehouse.store import Store

CHECKPOINT_EVERY = 100


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A replayed version: the state, and what only writers need."""

    state: TableState
    """for readers"""
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
    version = start.state.version + 1 if start.exists else 0
    replayed: _Replay | None = None
    while until is None or version <= until:
        where = entry_path(table, version)
        try:
            data = start.state.store.get(where)
        except NotFoundError:
            break
        replayed = replayed or _Replay(start)
        replayed.entry(decode(data, where=where), version)
        version += 1
    return _with_time(start if replayed is None else replayed.snapshot(), table)


def from_checkpoint(start: Snapshot, *, until: int | None = None) -> Snapshot:
    """Return the newest checkpointed version at or before `until`, or `start` if there is none.

    A checkpoint only saves a replay, and its writer does not sync it: a torn one is passed over.

    Raises:
        IntegrityError: a checkpoint is torn, and the log entries that would stand in for it are gone.
    """
    store, table = start.state.store, table_path(start.state.name, start.state.major)
    last = last_checkpoint(store, table) if until is None else until // CHECKPOINT_EVERY * CHECKPOINT_EVERY
    torn: Exception | None = None
    while last > 0:
        path = checkpoint_path(table, last)
        if store.size(path) is not None:
            try:
                with store.held(path) as local:
                    actions, files = read_checkpoint(local, table=table)
                replayed = _Replay(start)
                replayed.entry(actions, last, files)
                return replayed.snapshot()
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
    replayed = _Replay(before)
    replayed.entry(actions, version)
    return replayed.snapshot()


def by_log(state: TableState) -> TableState:
    """Return a version from the log alone, without an index.

    Raises:
        IntegrityError: the log was cut.
    """
    start = empty(state.store, state.name, state.major, state.schema, state.contract_version, state.layout)
    found = advance(from_checkpoint(start, until=state.version), until=state.version).state
    if found.version != state.version:
        raise IntegrityError(f"The log of {state.name} has no version {state.version} any more.")
    return found


def reload_of(state: TableState) -> Callable[[], LiveFiles]:
    """Return what reads the files of a version from the log alone; it does not keep the version alive."""
    bare = replace(state, files=(), transactions={})
    return lambda: LiveFiles.of(by_log(bare).files)


class _Replay:
    """A version in the making: the files are copied once for any number of entries."""

    def __init__(self, start: Snapshot) -> None:
        self._start = start
        self._table = table_path(start.state.name, start.state.major)
        self._files = Draft(LiveFiles.of(start.state.files))
        self._done: dict[str, int] = {}
        self._metadata = start.metadata
        self._digest = start.state.digest
        self._version = start.state.version
        self._time_ns = start.state.time_ns

    def entry(self, actions: Iterable[Action], version: int, added: Iterable[DataFile] = ()) -> None:
        """Apply one log entry, or a checkpoint with the files that it lists.

        Raises:
            IntegrityError: a file is removed that is not live, or was added past the lake's checks.
        """
        come, gone, recorded = list(added), [], ""
        for action in actions:
            if action.get("add"):
                come.append(read_add(action["add"], table_path=self._table))
            elif action.get("remove"):
                gone.append(self._remove(action["remove"], version))
            elif action.get("txn"):
                self._note_transaction(action["txn"]["appId"], int(action["txn"]["version"]))
            elif action.get("metaData"):
                self._metadata = action["metaData"]
            elif action.get("commitInfo"):
                self._time_ns = int(action["commitInfo"].get("timestamp", 0)) * 1_000_000
                recorded = action["commitInfo"].get("lakehouse", {}).get("digest", "")
        self._files.add(come)
        self._digest = digests.add(self._digest, *(file.digest for file in come))
        for file in gone:
            self._digest = digests.subtract(self._digest, file.digest)
        if recorded and recorded != self._digest:  # an entry that was cut between two lines can be read
            raise IntegrityError(
                f"Version {version} is not what its record says: the log entry is torn or altered."
            )
        self._version = version

    def snapshot(self) -> Snapshot:
        """Return the version."""
        state = self._start.state
        if self._metadata is not self._start.metadata:
            schema, layout, contract_version = read_metadata(self._metadata)
            state = replace(state, schema=schema, layout=layout, contract_version=contract_version)
        state = replace(state, version=self._version)
        state = replace(
            state,
            files=self._files.frozen(reload_of(state)),
            digest=self._digest,
            transactions=Done.of(state.transactions).after(self._done),
            time_ns=self._time_ns,
        )
        return Snapshot(state, self._metadata)

    def _note_transaction(self, key: str, version: int) -> None:
        self._done.pop(key, None)  # the newest last
        self._done[key] = version

    def _remove(self, remove: Mapping[str, Any], version: int) -> DataFile:
        path = f"{self._table}/{unquote(remove['path'])}"
        found = self._files.remove(path)
        if found is None:
            raise IntegrityError(f"Version {version} removes {path}, which is not live: the log was altered.")
        return found


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
