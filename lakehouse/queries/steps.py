"""The commits between two versions of a product, with the files that each added and removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from lakehouse.errors import IntegrityError, NotFoundError
from lakehouse.partitions.delta_log import Action, read_add
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.partitions.table import record_of
from lakehouse.partitions.threads import flow

if TYPE_CHECKING:
    from lakehouse.partitions.commit_record import Commit
    from lakehouse.partitions.table import Table


class Step(NamedTuple):
    """One commit; files are None where their facts are lost."""

    commit: Commit
    """what it says of itself"""
    added: tuple[DataFile, ...] | None
    """files that became live"""
    removed: tuple[DataFile, ...] | None
    """files that were live before"""


class _Entry(NamedTuple):
    """One log entry."""

    commit: Commit
    added: tuple[DataFile, ...] | None
    removed: tuple[str, ...]


def steps_between(table: Table, before: TableState, after: TableState) -> Iterator[Step]:
    """Yield the commits between both versions that changed rows, newest first, as far as the log reaches."""
    low, high = sorted((before, after), key=lambda state: state.version)
    entries = _entries(table, high.version, low.version)
    known = {file.path: file for file in (*before.files, *after.files)}
    known |= {file.path: file for entry in entries for file in entry.added or ()}
    digests_before = [entry.commit.digest for entry in entries][1:]
    digests_before.append(low.digest if len(entries) == high.version - low.version else "")
    for (commit, added, paths), digest_before in zip(entries, digests_before, strict=False):
        unchanged = commit.digest and commit.digest == digest_before
        if unchanged or not (added is None or added or paths):
            continue
        removed = tuple(known[path] for path in paths if path in known)
        yield Step(commit, added, removed if len(removed) == len(paths) else None)


def _entries(table: Table, newest: int, oldest: int) -> list[_Entry]:
    """Return the log entries of the versions after `oldest`, newest first."""

    def read(version: int) -> list[Action] | None:
        try:
            return table.entry(version)
        except (NotFoundError, IntegrityError):
            return None

    found, versions = [], range(newest, oldest, -1)
    for version, actions in zip(versions, flow(read, versions), strict=False):
        if actions is None:
            break
        removes = (action["remove"]["path"] for action in actions if "remove" in action)
        paths = tuple(f"{table.path}/{unquote(path)}" for path in removes)
        found.append(_Entry(record_of(actions, str(table.name), version), _added(table, actions), paths))
    return found


def _added(table: Table, actions: Sequence[Action]) -> tuple[DataFile, ...] | None:
    """Return the files that a commit added; None where one was added past the lake's checks."""
    try:
        return tuple(read_add(action["add"], table_path=table.path) for action in actions if "add" in action)
    except IntegrityError:
        return None
