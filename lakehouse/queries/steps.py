"""The commits between two versions of a product, with the files that each added and removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
    """Yield the commits between both versions that changed rows, newest first, down to a gap in the log."""
    low, high = sorted((before, after), key=lambda state: state.version)
    entries = _entries(table, range(high.version, low.version, -1))
    known = {file.path: file for file in (*before.files, *after.files)}
    known |= {file.path: file for entry in entries if entry for file in entry.added or ()}
    digests_before = [entry.commit.digest if entry else "" for entry in entries][1:]
    for entry, digest_before in zip(entries, [*digests_before, low.digest], strict=False):
        if entry is None:
            return
        commit, added, paths = entry
        unchanged = commit.digest and commit.digest == digest_before
        if unchanged or not (added is None or added or paths):
            continue
        removed = tuple(known[path] for path in paths if path in known)
        yield Step(commit, added, removed if len(removed) == len(paths) else None)


def _entries(table: Table, versions: Iterable[int]) -> list[_Entry | None]:
    """Return some log entries; None for one that is gone or torn."""

    def read(version: int) -> _Entry | None:
        try:
            actions = table.entry(version)
        except (NotFoundError, IntegrityError):
            return None
        removes = (action["remove"]["path"] for action in actions if "remove" in action)
        paths = tuple(f"{table.path}/{unquote(path)}" for path in removes)
        return _Entry(record_of(actions, str(table.name), version), _added(table, actions), paths)

    return list(flow(read, versions))


def _added(table: Table, actions: Sequence[Action]) -> tuple[DataFile, ...] | None:
    """Return the files that a commit added; None where one was added past the lake's checks."""
    try:
        return tuple(read_add(action["add"], table_path=table.path) for action in actions if "add" in action)
    except IntegrityError:
        return None
