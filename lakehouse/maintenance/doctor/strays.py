"""Files that no record names: left by writers that died, or not the lake's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lakehouse.maintenance.doctor.claims import COLLECT, Claims
from lakehouse.maintenance.doctor.findings import Finding, Repair
from lakehouse.maintenance.doctor.kept import is_kept
from lakehouse.maintenance.doctor.log import CHECKPOINT, ENTRY, LAST_CHECKPOINT
from lakehouse.maintenance.garbage import writer_of
from lakehouse.partitions.tail.folder import TAIL
from lakehouse.store import Store
from lakehouse.store.unfinished import is_unfinished, list_unfinished

OLD_S = 3600.0
"""a temporary file that nobody has written to for so long is left of a writer that died"""

_DATA = re.compile(r"part-[0-9a-f]{32}(-[0-9a-f]{12})?\.parquet")
_STAGED = re.compile(r"part-[0-9a-f]{32}-[0-9a-f]{12}\.arrow")
_QUARANTINE = re.compile(r"[0-9a-f]{32}(-[0-9a-f]{12})?\.parquet")


def check_strays(
    table: str, paths: Iterable[str], named: Iterable[str], claims: Claims, *, log_is_whole: bool
) -> Iterator[Finding]:
    """Look at the objects in the folder of a table that no commit, snapshot or lock names.

    Args:
        table: its path.
        paths: of the objects in its folder.
        named: what is named.
        claims: whose files may still be committed, and what waits for garbage collection.
        log_is_whole: else nobody knows what a missing entry names, and no file of ours is called an orphan.
    """
    known = frozenset(named)
    intents = {intent.session for intent in claims.intents if intent.table == table}
    for path in paths:
        if path in known or is_kept(path) or is_unfinished(path) or _is_of_the_log(table, path):
            continue
        if path.startswith(f"{table}/{TAIL}/"):  # of streams: `lake seal` tells what of it is damaged
            continue
        if not is_ours(path):
            yield Finding("foreign-file", path, "the lake gives no file such a name")
            continue
        session = writer_of(path)
        if log_is_whole and session not in claims.living and path not in claims.condemned:
            yield _orphan(path, session, collectable=session in intents)


def check_unfinished(store: Store, folder: str) -> Iterator[Finding]:
    """Look for the temporary files of writers that died."""
    for each in list_unfinished(store, folder):
        if each.age_s >= OLD_S:
            repair = Repair(
                "delete-temporary",
                "delete it: no reader opens it, and its writer could only fail to publish it",
            )
            what = f"{each.size} bytes that nobody wrote to for {each.age_s / 3600:.0f} hours"
            yield Finding("temporary-file", each.path, what, repair=repair)


def is_ours(path: str) -> bool:
    """Say whether a data, quarantine or staged file of ours has such a name.

    Examples:
        >>> is_ours("partitions/a/b/v1/part-0123456789abcdef0123456789abcdef.parquet"), is_ours("a/notes.txt")
        (True, False)
    """
    folder, _, name = path.rpartition("/")
    if "/_delta_log" in folder:
        return False
    pattern = {"_quarantine": _QUARANTINE, "_staging": _STAGED}.get(folder.rpartition("/")[2], _DATA)
    return bool(pattern.fullmatch(name))


def _orphan(path: str, session: str, *, collectable: bool) -> Finding:
    what = f"session {session or 'unknown'} wrote it, and no commit names it"
    if collectable:
        return Finding("orphan-file", path, what, repair=COLLECT)
    advice = "No record proves that it is dead, so the lake leaves it alone; delete it yourself if you know."
    return Finding("orphan-file", path, what, advice=advice)


def _is_of_the_log(table: str, path: str) -> bool:
    name = path.removeprefix(f"{table}/_delta_log/")
    return path != name and bool(
        ENTRY.fullmatch(name) or CHECKPOINT.fullmatch(name) or name == LAST_CHECKPOINT
    )
