"""The first look of garbage collection: which files are dead, and who keeps the others.

Only files that a record of ours names can be candidates: what a log entry removes, and files that carry in
their names a session that the log has fenced, so that it can not commit them any more. No folder is listed to
delete what is left over; listings only tell which candidates are still there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from lakehouse.catalog import pins, snapshots
from lakehouse.catalog.claims import fence_key
from lakehouse.catalog.pinned import dropped_names, load_set
from lakehouse.maintenance.lifetimes import Lifetime, TableRecord, read_record
from lakehouse.maintenance.roots import Roots, subtract_held
from lakehouse.maintenance.tables import open_tables
from lakehouse.partitions.state import TableState
from lakehouse.store import Store

SETS = (snapshots.FOLDER, pins.FOLDER)


@dataclass(frozen=True, slots=True)
class Garbage:
    """What the first look found."""

    files: Mapping[str, int]
    """dead files and their sizes"""
    kept: Mapping[str, int]
    """how many files that are no part of a head each root keeps"""
    floors: Mapping[str, int]
    """by table, the version from which on the history stays"""


def find_garbage(store: Store, roots: Roots, *, cutoff_ms: int, dead: Collection[str] = ()) -> Garbage:
    """Look at every table.

    Args:
        store: the lake.
        roots: what is held; the leases are those of living sessions.
        cutoff_ms: versions that were the head at or after this instant stay.
        dead: sessions that would be fenced, for a dry run.
    """
    files: dict[str, int] = {}
    kept: Counter[str] = Counter()
    floors: dict[str, int] = {}
    for table in open_tables(store):
        if not table.exists:
            continue
        fenced = fenced_sessions(table.head())  # before the log: who is fenced later may commit until then
        record = read_record(table)
        floors[table.path] = record.version_at(cutoff_ms)
        present = {entry.path: entry.size for entry in store.list(table.path)}
        unreached = _unreached(record, roots, floors[table.path], kept)
        orphans = _orphans(record, roots, present, fenced | set(dead))
        files |= {path: present[path] for path in (unreached | orphans) & present.keys()}
    files |= _unused_manifests(store, roots)
    free, holders = subtract_held(store, roots, files)
    return Garbage({path: files[path] for path in free}, dict(kept + Counter(holders)), floors)


def _unreached(record: TableRecord, roots: Roots, floor: int, kept: Counter[str]) -> set[str]:
    """Return the files that no version of the history or of a lease has."""
    since, versions = roots.since(record.table.path, floor), roots.versions(record.table.path)
    stay: set[str] = set()
    gone: set[str] = set()
    for life in record.lifetimes:
        holder = _holder(life, floor, since, versions)
        (stay if holder else gone).add(life.path)
        if holder and life.removed is not None:
            kept[holder] += 1
    return gone - stay


def _holder(life: Lifetime, floor: int, since: int, versions: tuple[int, ...]) -> str:
    """Say what keeps a file; empty if nothing does."""
    if life.reaches(floor):
        return "history"
    return "open readers" if life.reaches(since) or life.meets(versions) else ""


def _orphans(
    record: TableRecord, roots: Roots, present: Collection[str], sessions: Collection[str]
) -> set[str]:
    """Return the files that fenced sessions wrote and no commit names.

    Where the log was cut and a reader holds a version from before, nobody knows what that version names.
    """
    path = record.table.path
    if record.oldest and min((roots.since(path, record.oldest), *roots.versions(path))) < record.oldest:
        return set()
    return {file for file in present if writer_of(file) in sessions and file not in record.named}


def _unused_manifests(store: Store, roots: Roots) -> dict[str, int]:
    """Return the manifests of dropped sets that nobody has checked out, and their sizes."""
    sizes = {path: store.size(path) for path in dropped_manifests(store) - roots.leased_manifests}
    return {path: size for path, size in sizes.items() if size is not None}


def fenced_sessions(head: TableState) -> set[str]:
    """Return the sessions whose commits a version and all later ones refuse."""
    keys = head.transactions
    return {key.removeprefix(fence_key("")) for key in keys if key.startswith(fence_key(""))}


def dropped_manifests(store: Store) -> frozenset[str]:
    """Return the manifests of snapshots and pins that were dropped."""
    return frozenset(
        product.manifest
        for folder in SETS
        for name in dropped_names(store, folder)
        for product in load_set(store, folder, name).products
    )


def writer_of(file: str) -> str:
    """Return the session that the name of a file of ours carries, else an empty text.

    Examples:
        >>> writer_of("partitions/a/b/v1/date=2024-01-02/part-00ff-1a2b.parquet")
        '00ff'
    """
    folder, _, name = file.rpartition("/")
    words = name.removesuffix(".arrow" if folder.endswith("/_staging") else ".parquet").split("-")
    if folder.endswith("/_quarantine"):
        return words[0] if len(words) == 2 else ""
    return words[1] if len(words) == 3 and words[0] == "part" else ""
