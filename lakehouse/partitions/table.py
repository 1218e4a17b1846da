"""The table of one product and major version: find the head, read an old version, commit the next.

A commit is one log entry, published by put-if-absent under the next version number: whoever is first wins,
and the loser sees that the version it planned against is no longer the head.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lakehouse.cached import cached_property
from lakehouse.errors import AlreadyExistsError, IntegrityError, NotFoundError, StorageError
from lakehouse.names import ProductName
from lakehouse.partitions import delta_log as log
from lakehouse.partitions import indexed, replay
from lakehouse.partitions.checkpoints import last_checkpoint
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.remembered import Remembered
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.schema import Column, TableSchema
from lakehouse.store import Store
from lakehouse.times import to_iso

if TYPE_CHECKING:
    from lakehouse.partitions.commit_record import Commit
    from lakehouse.partitions.parquet_files import WrittenFile

_KEPT_STATES = 64
_KEPT_RECORDS = 4_096
_UNKNOWN = TableSchema((Column("unknown", "string"),))
_COLOURS = re.compile(r"\x1b\[[0-9;]*m|↳")  # in the messages of deltalake


@dataclass(frozen=True, slots=True)
class Terms:
    """What a contract says of its table: what readers see until the log says it itself, and writers need."""

    schema: TableSchema
    """the columns and their roles"""
    contract_version: str = ""
    """of the contract"""
    layout: Layout | None = None
    """None where the first write chooses one"""


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
    watermarks: Mapping[str, int] = field(default_factory=dict)
    """by transaction id, the last row of a tail that is in the table now"""
    undone: Sequence[str] = ()
    """those that are done no more, since what they stand for was taken back"""
    schema: TableSchema | None = None
    """the new schema, where a compatible contract version brought one"""
    contract_version: str = ""
    """the contract version of the new schema"""
    moves_only: bool = False
    """the same rows in other files, which streaming readers of the table may skip"""
    layout: Layout | None = None
    """the new layout, where every live file goes and what is added lies in it"""


class Table:
    """The commits of one product and major version; safe to share between threads."""

    def __init__(
        self,
        store: Store,
        name: ProductName,
        major: int,
        terms: Callable[[], Terms],
    ) -> None:
        """Take a table that may not be written yet; `terms` is called when it is not, and by writers."""
        self.store = store
        self.name = name
        self.major = major
        self.path = replay.table_path(name, major)
        self._read_terms = terms
        self._blank = replay.empty(store, name, major, _UNKNOWN, "", None)
        self._head = self._blank
        self._states = Remembered[TableState](store, _KEPT_STATES)
        self._records = Remembered["Commit"](store, _KEPT_RECORDS)

    @cached_property
    def terms(self) -> Terms:
        """What the contract says; read once."""
        return self._read_terms()

    @property
    def schema(self) -> TableSchema:
        """The schema of the contract; a version has its own."""
        return self.terms.schema

    @property
    def contract_version(self) -> str:
        """The version of the contract."""
        return self.terms.contract_version

    def head(self) -> TableState:
        """Return the newest version; costs two look-ups where nothing was committed since the last call."""
        return self._refresh().state

    def at(self, version: int) -> TableState:
        """Return a version, of the caller alone: its files are held for as long as it is in use.

        Raises:
            NotFoundError: there is no such version.
        """
        head = self.head()
        if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version <= head.version:
            raise NotFoundError(
                f"{self.name} has no version {version}: its versions are 0 to {head.version}."
            )
        if version != head.version:
            entry = replay.entry_path(self.path, version)
            return replace(self._states.of(version, entry, lambda: self._old(version)))
        return replace(head)

    def _old(self, version: int) -> TableState:
        found = replay.advance(replay.from_checkpoint(self._blank, until=version), until=version)
        if found.state.version != version:
            raise self._hole(found.state.version + 1)
        return found.state if found.exists else self._empty.state  # version 0, whose entry somebody cut off

    def at_time(self, instant: int) -> TableState:
        """Return the newest version committed at or before `instant`, in UTC nanoseconds, else version 0."""
        head = self._refresh()
        if not head.exists:
            return self._empty.state
        low, high = 0, head.state.version  # commit times never fall
        while low < high:
            middle = (low + high + 1) // 2
            if _committed_ms(self.entry(middle)) * 1_000_000 <= instant:
                low = middle
            else:
                high = middle - 1
        return self.at(low) if _committed_ms(self.entry(low)) * 1_000_000 <= instant else self._empty.state

    def entries(self) -> Iterator[tuple[int, list[log.Action]]]:
        """Yield (version, actions) of every log entry, newest first."""
        head = self._refresh()
        for version in range(head.state.version, -1, -1) if head.exists else ():
            yield version, self.entry(version)

    def entry(self, version: int) -> list[log.Action]:
        """Return the actions of one log entry.

        Raises:
            NotFoundError: the entry is not there: there is no such version, or somebody cut the log.
            IntegrityError: it is torn.
        """
        where = replay.entry_path(self.path, version)
        return log.decode(self.store.get(where), where=where)

    def history(self) -> Iterator[Commit]:
        """Yield every commit, newest first."""
        head = self._refresh()
        yield from map(self.commit_of, range(head.state.version, -1, -1) if head.exists else ())

    def commit_of(self, version: int) -> Commit:
        """Return the record of one version."""
        where, name = replay.entry_path(self.path, version), str(self.name)
        return self._records.of(version, where, lambda: record_of(self.entry(version), name, version))

    def queue(self) -> AbstractContextManager[None]:
        """Queue with the other writers of this machine."""
        return self.store.lock(f"{self.path}/_delta_log/commit")

    def create(self, layout: Layout) -> TableState:
        """Publish version 0, the empty table.

        Raises:
            AlreadyExistsError: somebody else did.
        """
        from lakehouse.partitions.commit_record import Commit

        now = _now_ms()
        state = self._empty.state
        record = Commit(
            str(self.name), 0, "create", to_iso(now * 1_000_000), contract_version=state.contract_version
        )
        metadata = log.metadata_action(
            state.schema,
            layout,
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
            NotFoundError: the table was not created.
        """
        current = self._refresh()
        version = base.version + 1
        if not current.exists:
            raise NotFoundError(f"{self.name} was never written, so there is no version to follow.")
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
        after = replace(after, state=replace(after.state, time_ns=now * 1_000_000))
        self._head = indexed.keep(after, writer=True)
        if version % replay.CHECKPOINT_EVERY == 0:
            self.write_checkpoint()
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
        if version > 1 and self._came_too_late(version):
            self.store.delete(replay.entry_path(self.path, version))
            raise AlreadyExistsError(
                f"The log of {self.name} was cut above version {version} in the meantime."
            )

    def _came_too_late(self, version: int) -> bool:
        """Say whether an entry of ours took a name that a foreign engine had freed: no reader would see it.

        Where our entry was there before the log was cut below a later checkpoint, it is gone too.
        """
        try:
            if self._entry_exists(version - 1):
                return False
            return last_checkpoint(self.store, self.path) > version and self._entry_exists(version)
        except StorageError:  # the entry has landed: nobody may be told that it has not
            return False

    def _refresh(self) -> replay.Snapshot:
        """Return the newest version, and keep it once it is whole: other threads look at what is kept."""
        known = self._head
        if known.exists:
            newest = indexed.keep(replay.advance(known))
            if newest.state.version > known.state.version or self._entry_exists(known.state.version):
                self._head = newest
                return newest
        # NOTE: where the entry of the known head is gone too, a foreign engine cut the log. What looks like
        # the head is then an old version, and the name of its next entry is free: a commit would be lost.
        start = None if known.exists else indexed.load(self.store, self.path)
        found = indexed.keep(replay.advance(start or replay.from_checkpoint(self._blank)))
        self._check_no_hole(found)
        self._head = found = found if found.exists else self._empty
        return found

    @cached_property
    def _empty(self) -> replay.Snapshot:
        """Version 0 of a table that no write has created yet."""
        terms = self.terms
        return replay.empty(
            self.store, self.name, self.major, terms.schema, terms.contract_version, terms.layout
        )

    def _entry_exists(self, version: int) -> bool:
        return self.store.size(replay.entry_path(self.path, version)) is not None

    def _check_no_hole(self, head: replay.Snapshot) -> None:
        """Raise if an entry is missing before later ones: the head would silently be an old version.

        Raises:
            IntegrityError: naming the entry.
        """
        missing = head.state.version + 1 if head.exists else 0
        later = any(map(self._entry_exists, (missing + 1, missing + 2)))
        if not head.exists and not later:  # a log that was cut may begin anywhere
            later = any(entry.path.endswith(".json") for entry in self.store.list(f"{self.path}/_delta_log"))
        # An entry may be published while this looks: only one that is still missing is a hole.
        if later and not self._entry_exists(missing):
            raise self._hole(missing)

    def _hole(self, version: int) -> IntegrityError:
        return IntegrityError(
            f"The log entry of version {version} of {self.name} is missing.",
            hint="Restore _delta_log from a backup; snapshots and locks are readable without it.",
        )

    def _actions(
        self, current: replay.Snapshot, change: Change, now_ms: int, version: int
    ) -> list[log.Action]:
        described = change.schema is not None or change.layout is not None
        actions: list[log.Action] = [self._metadata(current, change)] if described else []
        actions += [log.transaction_action(key, version, now_ms=now_ms) for key in change.transactions]
        actions += [log.transaction_action(key, row, now_ms=now_ms) for key, row in change.watermarks.items()]
        actions += [log.transaction_action(key, log.UNDONE, now_ms=now_ms) for key in change.undone]
        marks = log.Marks(self.path, now_ms, data_change=not change.moves_only)
        actions += [log.remove_action(file, marks) for file in change.remove]
        added = [(each.file, each.statistics) for each in change.add]
        added += [(file, {"numRecords": file.rows}) for file in change.readd]
        actions += [log.add_action(file, marks, statistics=statistics) for file, statistics in added]
        return actions

    def _metadata(self, current: replay.Snapshot, change: Change) -> log.Action:
        return log.metadata_action(
            change.schema or current.state.schema,
            change.layout or current.state.layout or Layout(),
            contract_version=change.contract_version or current.state.contract_version,
            table_id=current.metadata["id"],
            created_ms=int(current.metadata["createdTime"]),
        )

    def write_checkpoint(self) -> None:
        """Let deltalake write a checkpoint: it saves later readers the replay, so a failure only warns."""
        import deltalake

        try:
            # NOTE: deltalake 1.6 takes a '%' in the root for an escape: such a lake does without checkpoints.
            options = self.store.connection() | {"max_retries": "3", "retry_timeout": "20s"}
            deltalake.DeltaTable(f"{self.store.url}/{self.path}", storage_options=options).create_checkpoint()
        except (deltalake.exceptions.DeltaError, OSError, ValueError) as error:  # the commit has landed
            # What begins with '<' is the server's answer: AWS repeats in it a session token that has expired.
            reason = " ".join(_COLOURS.sub("", str(error)).partition("<")[0].split())
            with suppress(Warning):  # also where warnings are errors
                warnings.warn(f"No checkpoint of {self.name} was written: {reason}", stacklevel=3)


def record_of(actions: Sequence[log.Action], product: str, version: int) -> Commit:
    """Return what a log entry says of itself."""
    from lakehouse.partitions.commit_record import Commit  # reads ask for no record

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
