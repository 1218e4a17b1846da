"""Garbage collection: condemn, wait, prove, delete.

A run first works off the lists of earlier runs that are older than the grace, and then condemns what is dead
now; with a grace of zero it works its own list off at once. The grace is a courtesy to readers that hold no
lease, such as other Delta readers; what holds a lease, a snapshot or a lock is safe at any grace, whatever
the clocks say (see `catalog.claims`).
"""

from __future__ import annotations

import re
import time
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass

from lakehouse.catalog.authors import author_of
from lakehouse.catalog.claims import Intent, Lease, list_intents, list_leases
from lakehouse.catalog.condemned import (
    Condemned,
    collecting,
    list_condemned,
    lists_of_strangers,
    mark_final,
    publish_condemned,
    remove_condemned,
    remove_stray_marks,
)
from lakehouse.catalog.documents import now_iso, to_json
from lakehouse.catalog.process import this_process
from lakehouse.catalog.session import session_of
from lakehouse.errors import ArgumentError
from lakehouse.maintenance.garbage import SETS, Garbage, fenced_sessions, find_garbage, writer_of
from lakehouse.maintenance.proof import proven_dead, table_path
from lakehouse.maintenance.roots import read_roots
from lakehouse.maintenance.sessions import bury, dead_sessions, table_of
from lakehouse.partitions.threads import workers
from lakehouse.store import Store, check_path

AUDIT = "catalog/audit"
NS_PER_MS = 1_000_000
_DELETED_AT_ONCE = 256
_DELETABLE = re.compile(
    r"(partitions/[^/]+/[^/]+/v\d+|" + "|".join(SETS) + r")/.+\.parquet"
    r"|partitions/[^/]+/[^/]+/v\d+/_staging/[^/]+\.arrow"
)


@dataclass(frozen=True, slots=True, repr=False)
class GarbageReport:
    """What garbage collection did, or would do."""

    dry_run: bool
    """nothing was changed"""
    dead_files: int
    """files that nothing reaches, and that this run condemned or would condemn"""
    dead_bytes: int
    """their size"""
    by_table: Mapping[str, int]
    """dead files of each table"""
    deleted_files: int
    """files that this run deleted"""
    waiting_files: int
    """condemned files whose grace is not over"""
    withdrawn_files: int
    """condemned files that somebody holds again, and that stay"""
    kept: Mapping[str, int]
    """how many files that are no part of a head each snapshot, lock, lease or history keeps"""
    dead_sessions: int
    """processes that ended without giving back what they held"""

    def __repr__(self) -> str:
        """Say it in words, one holder a line."""
        done = "would be condemned" if self.dry_run else "condemned"
        lines = [
            f"garbage: {_files(self.dead_files)} of {self.dead_bytes:,} bytes {done}; "
            f"{_files(self.deleted_files)} deleted, {_files(self.waiting_files)} in their grace, "
            f"{_files(self.withdrawn_files)} held again"
        ]
        lines += [f"  {holder}: keeps {_files(count)}" for holder, count in sorted(self.kept.items())]
        return "\n".join([*lines, "dry run: nothing was deleted"] if self.dry_run else lines)


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def collect(
    store: Store, *, dry_run: bool, grace_ns: int, history_ns: int, author: str = ""
) -> GarbageReport:
    """Condemn what is dead, and delete what was condemned longer than the grace ago.

    Args:
        store: the lake.
        dry_run: only say what would be done.
        grace_ns: nanoseconds between condemning and deleting.
        history_ns: versions that were the head within this many nanoseconds stay readable.
        author: who; empty for user@host.

    Raises:
        IntegrityError: a snapshot, pin, lease or manifest can not be read, so nobody knows what it holds.
        StorageError: the disk or bucket refused.
    """
    author = author_of(author)
    session_of(store).renew()  # this very process must not hold what it needs no longer
    lists, intents, leases = list_condemned(store), list_intents(store), list_leases(store)
    dead = dead_sessions(leases.values(), intents, lists)
    if not dry_run:
        dead = {session for session in dead if bury(store, session, intents, author=author)}
        leases = list_leases(store)
    alive = {session: lease for session, lease in leases.items() if session not in dead}
    cutoff_ms = (time.time_ns() - history_ns) // NS_PER_MS
    roots = read_roots(store, alive.values())
    garbage = find_garbage(store, roots, cutoff_ms=cutoff_ms, dead=dead if dry_run else ())
    strange = lists_of_strangers(store)  # nobody knows whether these will ever be worked off
    listed = {file for each in lists if each.id not in strange for file in each.files}
    new = {path: size for path, size in garbage.files.items() if path not in listed}
    if dry_run:
        return _report(garbage, new, _Outcome(waiting=frozenset(listed)), dead, dry_run=True)
    if new:
        lists.append(publish_condemned(store, new, {}, author=author))
    with collecting() as run:
        outcome = _work_off(store, lists, grace_ns, garbage.floors, run=run, author=author)
    for each in lists:
        if each.id in strange and not any(_is_there(store, file) for file in each.files):
            remove_condemned(store, each)
    remove_stray_marks(store)
    _forget(store, dead, intents)
    _observe(store, lists, alive, author=author)
    return _report(garbage, new, outcome, dead, dry_run=False)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of condemned files."""

    deleted: int = 0
    withdrawn: int = 0
    waiting: frozenset[str] = frozenset()


def _work_off(
    store: Store,
    lists: Iterable[Condemned],
    grace_ns: int,
    floors: Mapping[str, int],
    *,
    run: str,
    author: str,
) -> _Outcome:
    """Prove and delete the files of the lists whose grace is over, and on which nobody else works."""
    filled = [each for each in lists if each.files]
    due = [each for each in filled if each.age_ns >= grace_ns]
    ripe = [each for each in due if mark_final(store, each, run=run, author=author)]
    mine = {each.id for each in ripe}
    others = [each for each in filled if each.id not in mine]
    condemned = {file for each in ripe for file in each.files if is_deletable(file)}
    dead = proven_dead(store, condemned, floors) if condemned else set()
    _delete(store, sorted(dead))
    if dead:
        tables = dict(sorted(Counter(table_path(file) for file in dead).items()))
        document = {"operation": "gc", "time": now_iso(), "author": author, "deleted_files": tables}
        store.put_if_absent(f"{AUDIT}/gc-{uuid.uuid4().hex}.json", to_json(document))
    for each in ripe:  # only now: until the files are gone, who wants one of them must find the list
        remove_condemned(store, each)
    waiting = frozenset(file for each in others for file in each.files)
    return _Outcome(len(dead), len(condemned) - len(dead), waiting)


def _delete(store: Store, files: Sequence[str]) -> None:
    """Delete files, some threads at a time; none of them goes on when this is over, or has failed."""

    def some(start: int) -> None:
        for file in files[start : start + _DELETED_AT_ONCE]:
            store.delete(file)

    tasks = [workers().submit(some, start) for start in range(0, len(files), _DELETED_AT_ONCE)]
    try:
        for task in tasks:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        wait(tasks)


def _is_there(store: Store, file: str) -> bool:
    return is_deletable(file) and store.size(file) is not None


def is_deletable(file: str) -> bool:
    """Say whether a path is that of a data, quarantine, staged or manifest file: nothing else ever goes.

    Examples:
        >>> is_deletable("partitions/a/b/v1/part-0-1.parquet"), is_deletable("partitions/a/b/v1/_delta_log/0")
        (True, False)
        >>> is_deletable("catalog/snapshots/../../lake.parquet")
        False
    """
    try:
        check_path(file)
    except ArgumentError:
        return False
    return _DELETABLE.fullmatch(file) is not None and "/_delta_log/" not in file


def _forget(store: Store, dead: Iterable[str], intents: Iterable[Intent]) -> None:
    """Delete the intents of dead sessions, whose fences now stand for them."""
    for intent in intents:
        if intent.session in dead and not _may_leave_orphans(store, intent):
            store.delete(intent.path)


def _may_leave_orphans(store: Store, intent: Intent) -> bool:
    """Say whether a table has no fence of a dead session that wrote into it: it was never created."""
    table = table_of(store, intent.table)
    if table.exists:
        return intent.session not in fenced_sessions(table.head())
    return any(writer_of(entry.path) == intent.session for entry in store.list(intent.table))


def _observe(store: Store, lists: Iterable[Condemned], alive: Mapping[str, Lease], *, author: str) -> None:
    """Note which renewals were seen, for a later run that finds the same; drop what is of no use any more."""
    me = this_process()
    now = {session: lease.number for session, lease in alive.items() if lease.process != me}
    seen: dict[str, int] = {}
    for each in lists:
        current = {s: n for s, n in each.sessions.items() if now.get(s) == n}
        if current and each.seen_for_ns is not None:
            seen |= current
        if each.sessions and not current:
            remove_condemned(store, each)
    fresh = {session: number for session, number in now.items() if seen.get(session) != number}
    if fresh:
        publish_condemned(store, (), fresh, author=author)


def _report(
    garbage: Garbage, new: Mapping[str, int], outcome: _Outcome, dead: Collection[str], *, dry_run: bool
) -> GarbageReport:
    return GarbageReport(
        dry_run=dry_run,
        dead_files=len(new),
        dead_bytes=sum(new.values()),
        by_table=dict(sorted(Counter(table_path(path) for path in new).items())),
        deleted_files=outcome.deleted,
        waiting_files=len(outcome.waiting),
        withdrawn_files=outcome.withdrawn,
        kept=dict(sorted(garbage.kept.items())),
        dead_sessions=len(dead),
    )
