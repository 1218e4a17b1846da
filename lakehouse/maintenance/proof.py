"""The second opinion of garbage collection: is a condemned file dead, seen in another way?

The first look reads the log backwards, and finds the versions in which a file was live. This one starts from
the versions that must stay: a file is part of some version from `since` on if it is live at the head, or was
removed after `since`; and old versions that readers hold are replayed one by one. It uses fresh views of the
tables and reads every root again. What can not be read proves nothing, so it keeps everything of its table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from lakehouse.catalog.claims import list_leases
from lakehouse.errors import LakehouseError
from lakehouse.maintenance.roots import Roots, read_roots, subtract_held
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
    roots = read_roots(store, list_leases(store))
    dead, _ = subtract_held(store, roots, files)
    dead -= roots.leased_manifests | {p.manifest for holder in roots.holders for p in holder.products}
    for path in {table_path(file) for file in dead if file.startswith("partitions/")}:
        own = {file for file in dead if file.startswith(f"{path}/")}
        dead -= own & _reachable(table_of(store, path), own, roots, floors.get(path))
    return dead


def table_path(file: str) -> str:
    """Return the table of a data file: `partitions/<domain>/<product>/v<major>`."""
    return "/".join(file.split("/")[:4])


def _reachable(table: Table, files: set[str], roots: Roots, floor: int | None) -> set[str]:
    """Return those of the files that a version which must stay can reach."""
    try:
        head = table.head()
        since = roots.since(table.path, head.version if floor is None else floor)
        reached = {file.path for file in head.files}
        for version, actions in table.entries():
            if version <= since and not any("/_quarantine/" in file for file in files):
                break
            for action in actions:
                reached |= _named(table.path, action, removed=version > since)
        for version in roots.versions(table.path):
            if version <= head.version:
                reached |= {file.path for file in table.at(version).files}
    except LakehouseError:
        return files
    return files & reached


def _named(path: str, action: dict[str, object], *, removed: bool) -> set[str]:
    """Return the quarantine file that an action names, and the data file that it takes out."""
    found = set()
    remove, info = action.get("remove"), action.get("commitInfo")
    if isinstance(remove, dict) and removed:
        found.add(f"{path}/{unquote(remove['path'])}")
    if isinstance(info, dict):
        quarantine = info.get("lakehouse", {}).get("quarantine")
        found |= {quarantine["path"]} if quarantine else set()
    return found
