"""The log of one table, read entry by entry: a replay of its own that names what is wrong, and goes on.

It is a second opinion on `partitions.replay`: it looks at every entry from the first on, never at a
checkpoint, and adds up rows and digests of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

from lakehouse.errors import IntegrityError, NotFoundError
from lakehouse.maintenance.doctor.documents import UNREADABLE, message_of
from lakehouse.maintenance.doctor.findings import Finding
from lakehouse.maintenance.lifetimes import Lifetime
from lakehouse.partitions import digest as digests
from lakehouse.partitions.commit_record import QuarantineFile
from lakehouse.partitions.delta_log import Action, decode, read_add, read_metadata
from lakehouse.partitions.replay import entry_path
from lakehouse.partitions.state import DataFile
from lakehouse.store import Entry, Store

ENTRY = re.compile(r"[0-9]{20}\.json")
CHECKPOINT = re.compile(r"[0-9]{20}\.checkpoint\.parquet")
LAST_CHECKPOINT = "_last_checkpoint"

_LOG_BACKUP = "Take _delta_log from a backup; snapshots and locks are readable without it."


@dataclass(frozen=True, slots=True)
class Moment:
    """What the log makes of one version."""

    version: int
    """the version"""
    files: Mapping[str, DataFile]
    """live files by path"""
    transactions: frozenset[str]
    """keys of the work that is done"""
    metadata: Mapping[str, Any]
    """the Delta metaData action in force"""


@dataclass(frozen=True, slots=True)
class LogReading:
    """What the log of one table tells."""

    newest: int
    """its newest version; -1 where there is no entry"""
    last: Moment
    """the newest version up to which every entry could be replayed"""
    whole: bool
    """whether that is the newest one, and everything from version 0 on was there"""
    facts: Mapping[str, DataFile]
    """of every file that was ever added"""
    lifetimes: Sequence[Lifetime]
    """from which version to which each file was live, as far as could be replayed"""
    quarantine: Sequence[QuarantineFile]
    """of every commit that refused rows"""
    named: frozenset[str]
    """every file that an entry names, quarantine and foreign ones too"""
    moments: Mapping[int, Moment]
    """those that were asked for"""
    findings: tuple[Finding, ...]
    """what is wrong with the entries"""


def read_log(
    store: Store, table: str, listing: Iterable[Entry], *, moments: Iterable[int] = ()
) -> LogReading:
    """Read every entry of a log.

    Args:
        store: the lake.
        table: its path.
        listing: of the objects in the folder of the log.
        moments: the versions to keep, for a comparison with checkpoints.
    """
    names = [entry.path.rpartition("/")[2] for entry in listing]
    versions = sorted(int(name[:20]) for name in names if ENTRY.fullmatch(name))
    checkpoints = [int(name[:20]) for name in names if CHECKPOINT.fullmatch(name)]
    replay = _Replay(table, frozenset(moments))
    replay.findings += _holes(table, versions, checkpoints)
    expected = 0
    for version in versions:
        replay.whole = replay.whole and version == expected
        expected = version + 1
        where = entry_path(table, version)
        try:
            replay.take(version, decode(store.get(where), where=where))
        except NotFoundError:  # it was taken away since the listing: the next look finds a hole
            replay.whole = False
        except UNREADABLE as error:
            replay.fail("torn-entry", version, error)
    return replay.reading(max([*versions, *checkpoints], default=-1))


def _holes(table: str, versions: Sequence[int], checkpoints: Iterable[int]) -> list[Finding]:
    """Return one finding for each run of missing entries."""
    newest = max([*versions, *checkpoints], default=-1)
    there = [-1, *versions, newest + 1]
    return [
        Finding(
            "log-hole",
            entry_path(table, before + 1),
            "log entries are missing",
            f"versions {before + 1} to {after - 1}",
            advice=_LOG_BACKUP,
        )
        for before, after in pairwise(there)
        if after > before + 1
    ]


class _Replay:
    """The state of a replay: as long as `whole`, everything up to the last entry was replayed."""

    def __init__(self, table: str, moments: frozenset[int]) -> None:
        self.whole = True
        self.findings: list[Finding] = []
        self._table = table
        self._wanted = moments
        self._moments: dict[int, Moment] = {}
        self._version = -1
        self._live: dict[str, DataFile] = {}
        self._since: dict[str, int] = {}
        self._transactions: set[str] = set()
        self._metadata: Mapping[str, Any] = {}
        self._rows, self._digest = 0, digests.EMPTY
        self._off: tuple[int, str] = (0, digests.EMPTY)
        self._facts: dict[str, DataFile] = {}
        self._lifetimes: list[Lifetime] = []
        self._quarantine: list[QuarantineFile] = []
        self._named: set[str] = set()

    def take(self, version: int, actions: Sequence[Action]) -> None:
        """Apply one entry, or after a break only note what it names."""
        try:
            if not actions:
                raise IntegrityError("The entry is empty.")
            adds = [action["add"] for action in actions if action.get("add") is not None]
            removes = [action["remove"] for action in actions if action.get("remove") is not None]
            info: Mapping[str, Any] = next(
                (action["commitInfo"] for action in actions if action.get("commitInfo")), {}
            )
            record = info.get("lakehouse")
            self._note(adds, removes, record)
            if record is None:
                self._foreign(version, actions, info)
            files = [read_add(add, table_path=self._table) for add in adds]
            self._facts |= {file.path: file for file in files}
            if self.whole:
                self._apply(version, actions, files, removes)
                self._compare(version, record)
        except UNREADABLE as error:
            self.fail("torn-entry", version, error)

    def fail(self, kind: Any, version: int, error: Exception) -> None:
        """Note an entry that can not be replayed, unless it is known by another name already."""
        path = entry_path(self._table, version)
        if not any(finding.path == path for finding in self.findings):
            self.findings.append(Finding(kind, path, message_of(error), advice=_LOG_BACKUP))
        self.whole = False

    def reading(self, newest: int) -> LogReading:
        """Return everything."""
        lifetimes = [
            *self._lifetimes,
            *(Lifetime(path, file.size, self._since[path], None) for path, file in self._live.items()),
        ]
        return LogReading(
            newest,
            self._moment(),
            self.whole and self._version == newest,
            self._facts,
            lifetimes,
            self._quarantine,
            frozenset(self._named),
            self._moments,
            tuple(self.findings),
        )

    def _moment(self) -> Moment:
        return Moment(self._version, dict(self._live), frozenset(self._transactions), self._metadata)

    def _note(self, adds: Sequence[Any], removes: Sequence[Any], record: Any) -> None:
        self._named |= {f"{self._table}/{unquote(each['path'])}" for each in (*adds, *removes)}
        if record and record.get("quarantine"):
            self._quarantine.append(QuarantineFile(**record["quarantine"]))
            self._named.add(self._quarantine[-1].path)

    def _foreign(self, version: int, actions: Sequence[Action], info: Mapping[str, Any]) -> None:
        """Note a commit of another writer that changed something."""
        if any(action.get(word) for action in actions for word in ("add", "remove", "metaData", "protocol")):
            by = (
                f"{info.get('engineInfo', 'an unknown writer')}, operation {info.get('operation', 'unknown')}"
            )
            self.findings.append(
                Finding(
                    "foreign-commit",
                    entry_path(self._table, version),
                    f"version {version} was committed past the lake, by {by}",
                    advice="Restore the version before it, and write through the lake.",
                )
            )

    def _apply(
        self, version: int, actions: Sequence[Action], files: Sequence[DataFile], removes: Sequence[Any]
    ) -> None:
        paths = [f"{self._table}/{unquote(remove['path'])}" for remove in removes]
        lost = [path for path in paths if path not in self._live]
        if lost:
            self.fail(
                "unreplayable-entry", version, IntegrityError(f"it removes {lost[0]}, which is not live")
            )
            return
        metadata = next((action["metaData"] for action in actions if action.get("metaData")), None)
        if metadata is not None:
            read_metadata(metadata)
            self._metadata = metadata
        for path in paths:
            file = self._live.pop(path)
            self._lifetimes.append(Lifetime(path, file.size, self._since.pop(path), version))
            self._rows, self._digest = self._rows - file.rows, digests.subtract(self._digest, file.digest)
        for file in files:
            self._live[file.path], self._since[file.path] = file, version
            self._rows, self._digest = self._rows + file.rows, digests.add(self._digest, file.digest)
        self._transactions |= {action["txn"]["appId"] for action in actions if action.get("txn")}
        self._version = version
        if version in self._wanted:
            self._moments[version] = self._moment()

    def _compare(self, version: int, record: Mapping[str, Any] | None) -> None:
        """Compare what a commit says of itself with its files; what was off before is not told again."""
        if record is None or not self.whole:
            return
        rows, digest = int(record.get("rows", 0)), str(record.get("digest") or digests.EMPTY)
        off = rows - self._rows, digests.subtract(digest, self._digest)
        if off != self._off or record.get("version", version) != version:
            self._off = off
            self.findings.append(
                Finding(
                    "record-mismatch",
                    entry_path(self._table, version),
                    f"what version {record.get('version', version)} says of itself does not fit its files",
                    f"{rows} rows, digest {digest}",
                    f"{self._rows} rows, digest {self._digest}",
                )
            )
