"""The table of one product and major version: find the head, read an old version, commit the next.

A commit is one log entry, published by put-if-absent under the next version number: whoever is first wins,
and the loser sees that the version it planned against is no longer the head.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from lakehouse.errors import AlreadyExistsError, NotFoundError
from lakehouse.names import ProductName
from lakehouse.partitions import delta_log as log
from lakehouse.partitions import replay
from lakehouse.partitions.commit_record import Commit
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.parquet_files import WrittenFile
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.schema import TableSchema
from lakehouse.store import Store
from lakehouse.times import to_iso


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit does to a table."""

    add: Sequence[WrittenFile] = ()
    """published data files that become live"""
    readd: Sequence[DataFile] = ()
    """files of an old version that become live again"""
    remove: Sequence[DataFile] = ()
    """live files that go"""
    transactions: Mapping[str, int] = field(default_factory=dict)
    """idempotency keys and ledger chunks that are now done; the value is ignored by readers"""
    schema: TableSchema | None = None
    """the new schema, where a compatible contract version brought one"""
    contract_version: str = ""
    """the contract version of the new schema"""


class Table:
    """The commits of one product and major version; safe to share between threads."""

    def __init__(
        self,
        store: Store,
        name: ProductName,
        major: int,
        schema: TableSchema,
        *,
        contract_version: str,
        layout: Layout | None,
    ) -> None:
        self.store = store
        self.name = name
        self.major = major
        self.schema = schema
        self.contract_version = contract_version
        self.path = replay.table_path(name, major)
        self._empty = replay.empty(store, name, major, schema, contract_version, layout)
        self._head = self._empty

    def head(self) -> TableState:
        """Return the newest version; costs one look-up where nothing was committed since the last call."""
        return self._refresh().state

    def at(self, version: int) -> TableState:
        """Return an old version.

        Raises:
            NotFoundError: there is no such version.
        """
        head = self.head()
        if version == head.version:
            return head
        if not 0 <= version <= head.version:
            raise NotFoundError(
                f"{self.name} has no version {version}: its versions are 0 to {head.version}."
            )
        return replay.advance(replay.from_checkpoint(self._empty, until=version), until=version).state

    def at_time(self, instant: int) -> TableState:
        """Return the newest version committed at or before `instant`, in UTC nanoseconds, else version 0."""
        for version, actions in self.entries():
            if _committed_ms(actions) * 1_000_000 <= instant:
                return self.at(version)
        return self._empty.state

    def entries(self) -> Iterator[tuple[int, list[log.Action]]]:
        """Yield (version, actions) of every log entry, newest first."""
        head = self._refresh()
        for version in range(head.state.version, -1, -1) if head.exists else ():
            where = replay.entry_path(self.path, version)
            yield version, log.decode(self.store.get(where), where=where)

    def history(self) -> Iterator[Commit]:
        """Yield every commit, newest first."""
        for version, actions in self.entries():
            yield _record(actions, str(self.name), version)

    def commit_of(self, version: int) -> Commit:
        """Return the record of one version."""
        where = replay.entry_path(self.path, version)
        return _record(log.decode(self.store.get(where), where=where), str(self.name), version)

    def queue(self) -> AbstractContextManager[None]:
        """Queue with the other writers of this machine."""
        return self.store.lock(f"{self.path}/_delta_log/commit")

    def create(self, layout: Layout) -> TableState:
        """Publish version 0, the empty table.

        Raises:
            AlreadyExistsError: somebody else did.
        """
        now = _now_ms()
        state = self._empty.state
        record = Commit(
            str(self.name), 0, "create", to_iso(now * 1_000_000), contract_version=state.contract_version
        )
        metadata = log.metadata_action(
            state.schema,
            layout,
            since={},
            contract_version=state.contract_version,
            table_id=log.new_table_id(),
            created_ms=now,
        )
        actions = [log.protocol_action(), metadata, log.commit_info(record, now_ms=now)]
        self.store.put_if_absent(replay.entry_path(self.path, 0), log.encode(actions))
        return self.head()

    def commit(self, base: TableState, change: Change, record: Commit) -> Commit:
        """Publish the version after `base`.

        Args:
            base: the version against which the change was planned.
            change: what it does.
            record: the counts and provenance; version, time, rows and digest are filled in here.

        Raises:
            AlreadyExistsError: another writer committed after `base`; nothing was written.
        """
        current = self._refresh()
        version = base.version + 1
        if current.state.version != base.version:
            raise AlreadyExistsError(
                f"{self.name} is at version {current.state.version}, not {base.version}."
            )
        now = max(_now_ms(), current.state.time_ns // 1_000_000)  # commit times never run backwards
        actions = self._actions(current, change, now, version)
        after = replay.apply(current, actions, version)
        full = replace(
            record,
            product=str(self.name),
            version=version,
            time=to_iso(now * 1_000_000),
            rows=after.state.rows,
            digest=after.state.digest,
            contract_version=after.state.contract_version,
        )
        data = log.encode([log.commit_info(full, now_ms=now), *actions])
        self._publish(version, data, full)
        self._head = replace(after, state=replace(after.state, time_ns=now * 1_000_000))
        if version % replay.CHECKPOINT_EVERY == 0:
            self._checkpoint()
        return full

    @property
    def exists(self) -> bool:
        """Whether the table was created: its first write does that."""
        return self._refresh().exists

    def _publish(self, version: int, data: bytes, record: Commit) -> None:
        """Put the log entry; an entry of our own that is there already is one whose answer was lost."""
        try:
            self.store.put_if_absent(replay.entry_path(self.path, version), data)
        except AlreadyExistsError:
            if not record.id or self.commit_of(version).id != record.id:
                raise

    def _refresh(self) -> replay.Snapshot:
        head = self._head
        if not head.exists:
            head = replay.from_checkpoint(head)
        self._head = replay.advance(head)
        return self._head

    def _actions(
        self, current: replay.Snapshot, change: Change, now_ms: int, version: int
    ) -> list[log.Action]:
        number = max(current.since.values(), default=0)
        actions: list[log.Action] = []
        if change.schema is not None:
            number += 1
            since = {name: current.since.get(name, number) for name in change.schema.names}
            actions.append(self._metadata(current, change, since))
        actions += [log.transaction_action(key, version, now_ms=now_ms) for key in change.transactions]
        actions += [log.remove_action(file, table_path=self.path, now_ms=now_ms) for file in change.remove]
        actions += [
            log.add_action(
                each.file,
                table_path=self.path,
                schema_number=number,
                statistics=each.statistics,
                now_ms=now_ms,
            )
            for each in change.add
        ]
        for file in change.readd:
            born = max((current.since.get(name, 0) for name in file.columns), default=0)
            statistics = {"numRecords": file.rows}
            actions.append(
                log.add_action(
                    file, table_path=self.path, schema_number=born, statistics=statistics, now_ms=now_ms
                )
            )
        return actions

    def _metadata(self, current: replay.Snapshot, change: Change, since: Mapping[str, int]) -> log.Action:
        return log.metadata_action(
            change.schema or current.state.schema,
            current.state.layout or Layout(),
            since=since,
            contract_version=change.contract_version,
            table_id=current.metadata["id"],
            created_ms=int(current.metadata["createdTime"]),
        )

    def _checkpoint(self) -> None:
        """Let deltalake write a checkpoint: it saves later readers the replay, so a failure only warns."""
        import deltalake

        try:
            # NOTE: deltalake 1.6 takes a '%' in the root for an escape: such a lake does without checkpoints.
            deltalake.DeltaTable(f"{self.store.url}/{self.path}").create_checkpoint()
        except (deltalake.exceptions.DeltaError, OSError, ValueError) as error:  # the commit has landed
            warnings.warn(f"No checkpoint of {self.name} was written: {error}", stacklevel=3)


def _record(actions: Sequence[log.Action], product: str, version: int) -> Commit:
    info: Mapping[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    return (
        Commit.from_dict(info["lakehouse"]) if "lakehouse" in info else Commit.foreign(product, version, info)
    )


def _committed_ms(actions: Sequence[log.Action]) -> int:
    return next(
        (int(action["commitInfo"].get("timestamp", 0)) for action in actions if "commitInfo" in action), 0
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
