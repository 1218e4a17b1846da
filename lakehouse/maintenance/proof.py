"""The second opinion of garbage collection: is a condemned file dead, seen in another way?

The first look reads the log backwards, and finds the versions in which a file was live. This one starts from
the versions that must stay: a file is part of some version from `since` on if it is live at the head, or was
removed after `since`; and old versions that readers hold are replayed one by one. It uses fresh views of the
tables and reads every root again. A file is dead only if the log says so itself: by an entry that removed it,
or by the fence of the session in its name. So a list that was altered, or made by mistake, takes nothing away
that is in use, a file that a writer has not committed yet as little as one that is not ours. What can not be
read proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from lakehouse.errors import LakehouseError, NotFoundError
from lakehouse.maintenance.garbage import dropped_manifests, fenced_sessions, writer_of
from lakehouse.maintenance.roots import Roots, read_roots_last, subtract_held
from lakehouse.maintenance.sessions import table_of
from lakehouse.partitions.table import Table
from lakehouse.store import Store


def proven_dead(store: Store, files: Iterable[str], floors: Mapping[str, int]) -> set[str]:
    """Return the condemned files that no root reaches.

    Args:
        store: the lake.
        files: that were condemned, relative to the root.
        floors: by table, the version from which on the history stays.

    Raises:
        IntegrityError: a root can not be read.
    """
    roots = read_roots_last(store)
    free, _ = subtract_held(store, roots, files)
    held = roots.leased_manifests | {p.manifest for holder in roots.holders for p in holder.products}
    dead = free & (dropped_manifests(store) - held)
    data = {file for file in free if file.startswith("partitions/")}
    for path in {table_path(file) for file in data}:
        own = {file for file in data if file.startswith(f"{path}/")}
        try:
            dead |= _proven(table_of(store, path), own, roots, floors.get(path))
        except LakehouseError:  # what can not be read proves nothing
            continue
    return dead


def table_path(file: str) -> str:
    """Return the table of a data file: `partitions/<domain>/<product>/v<major>`."""
    return "/".join(file.split("/")[:4])


def _proven(table: Table, files: set[str], roots: Roots, floor: int | None) -> set[str]:
    """Return those of the files that the log calls dead, and that no version which must stay can reach."""
    head = table.head()
    since = roots.since(table.path, head.version if floor is None else floor)
    reached = {file.path for file in head.files}
    for version in roots.versions(table.path):
        if version <= head.version:
            reached |= {file.path for file in table.at(version).files}
    fenced = fenced_sessions(head)
    explained = {file for file in files if writer_of(file) in fenced}
    oldest = head.version + 1
    try:
        for oldest, actions in table.entries():
            removed, quarantined = _named(table.path, actions)
            explained |= removed
            reached |= quarantined | (removed if oldest > since else set())
            if oldest <= since + 1 and explained >= files and not any(map(_is_quarantine, files)):
                break
    except NotFoundError:  # the log was cut: nobody can say any more what it named
        files = {file for file in files if not _is_quarantine(file)}
    return (files & explained) - reached if oldest <= since + 1 else set()


def _named(path: str, actions: list[dict[str, Any]]) -> tuple[set[str], set[str]]:
    """Return the data files that an entry takes out, and the quarantine file that it names."""
    removed, quarantined = set(), set()
    for action in actions:
        if action.get("remove"):
            removed.add(f"{path}/{unquote(action['remove']['path'])}")
        quarantine = ((action.get("commitInfo") or {}).get("lakehouse") or {}).get("quarantine")
        if quarantine:
            quarantined.add(quarantine["path"])
    return removed, quarantined


def _is_quarantine(file: str) -> bool:
    return "/_quarantine/" in file
