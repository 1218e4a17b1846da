"""The repairs: each looks again immediately before it acts, destroys nothing, and may be repeated.

None touches what is intact: a file is only replaced after its bytes were found to be others than recorded,
and those bytes are kept under another name; nothing is deleted but by garbage collection's own rules, or
where no reader can ever have seen it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable

from lakehouse.catalog.condemned import FINAL, FOLDER, list_condemned, list_of_mark
from lakehouse.errors import AlreadyExistsError, IntegrityError, LakehouseError, NotFoundError
from lakehouse.maintenance.doctor.checkpoints import check_checkpoints, checkpoint_versions
from lakehouse.maintenance.doctor.copies import Copies, hash_of
from lakehouse.maintenance.doctor.findings import Finding, Repaired, RepairName
from lakehouse.maintenance.doctor.heads import table_at
from lakehouse.maintenance.doctor.kept import kept_path
from lakehouse.maintenance.doctor.log import LAST_CHECKPOINT, read_log
from lakehouse.maintenance.doctor.strays import OLD_S
from lakehouse.maintenance.gc import collect
from lakehouse.partitions.checkpoints import checkpoint_path
from lakehouse.store import Store
from lakehouse.store.unfinished import delete_unfinished

_GRACE_NS = 3600 * 10**9
_ALL_HISTORY_NS = 2**63
"""how far back history stays is for who runs garbage collection to say, so a repair takes nothing of it"""


def run_repairs(store: Store, findings: Iterable[Finding], copies: Copies, *, author: str) -> list[Repaired]:
    """Run the repair of every finding that has one; one that fails keeps no other from being run.

    Files come back first, so that garbage collection can read what it must not touch.
    """
    planned = [(each.repair.name, each) for each in findings if each.repair is not None]
    once: dict[tuple[RepairName, str], Finding] = {}
    for name, finding in sorted(planned, key=lambda each: _ORDER.index(each[0])):
        once.setdefault((name, _target(name, finding.path)), finding)
    return [_run(store, name, finding, copies, author) for (name, _), finding in once.items()]


def _target(name: RepairName, path: str) -> str:
    """Return what a repair is run once for: the lake, a table's log, or the object itself."""
    if name == "collect":
        return ""
    return path.rpartition("/")[0] if name == "renew-checkpoint" else path


def _run(store: Store, name: RepairName, finding: Finding, copies: Copies, author: str) -> Repaired:
    """Run one repair.

    Returns:
        What it did; nothing where it refused, or found nothing to mend any more.
    """
    path = finding.path
    try:
        match name:
            case "put-copy":
                outcome = _put_copy(store, finding, copies)
            case "collect":
                outcome = _collect(store, author)
            case "delete-temporary":
                outcome = "deleted" if delete_unfinished(store, path, older_than_s=OLD_S) else ""
            case "delete-mark":
                outcome = _delete_mark(store, path)
            case "renew-checkpoint":
                outcome = _renew_checkpoint(store, path.partition("/_delta_log/")[0])
    except LakehouseError as error:
        return Repaired(name, path, False, f"refused: {error.message}")
    return Repaired(name, path, bool(outcome), outcome or "nothing to mend any more")


def _put_copy(store: Store, finding: Finding, copies: Copies) -> str:
    """Put an intact copy in the place of a lost or altered file, whose bytes are kept.

    Raises:
        IntegrityError: no copy has the recorded bytes any more; nothing was changed.
    """
    path, wanted = finding.path, finding.sha256 or ""
    found = _present_bytes(store, path)
    if found is not None and hashlib.sha256(found).hexdigest() == wanted:
        return ""
    copy = copies.find(path, wanted, finding.size)
    if copy is None:
        raise IntegrityError(f"There is no intact copy of {path} any more.")
    if found is not None:
        _set_aside(store, path, found)
    with store.stage(path) as temporary:
        shutil.copyfile(copy, temporary)
        if hash_of(temporary) != wanted:
            raise IntegrityError(f"The copy {copy} was altered while it was read.")
    return f"put back from {copy}"


def _present_bytes(store: Store, path: str) -> bytes | None:
    try:
        return store.get(path)
    except NotFoundError:
        return None


def _set_aside(store: Store, path: str, data: bytes) -> None:
    """Keep altered bytes under another name, and only then take them from their own."""
    aside = kept_path(path, hashlib.sha256(data).hexdigest())
    try:
        store.put_if_absent(aside, data)
    except AlreadyExistsError:
        if store.get(aside) != data:
            raise
    store.delete(path)


def _collect(store: Store, author: str) -> str:
    """Run garbage collection: with its usual grace, or that of a collector that died at its work."""
    marked = {list_of_mark(entry.path) for entry in store.list(FOLDER) if entry.path.endswith(FINAL)}
    begun = [each.age_ns for each in list_condemned(store) if each.path in marked]
    report = collect(
        store, dry_run=False, grace_ns=min([_GRACE_NS, *begun]), history_ns=_ALL_HISTORY_NS, author=author
    )
    return str(report).partition("\n")[0]


def _delete_mark(store: Store, path: str) -> str:
    if store.size(path) is None or store.size(list_of_mark(path)) is not None:
        return ""
    store.delete(path)
    return "deleted"


def _renew_checkpoint(store: Store, table: str) -> str:
    """Delete the checkpoints that are torn or wrong, and write one from the log.

    Raises:
        IntegrityError: the log itself is broken, and a checkpoint may be all that is left of it.
    """
    folder = f"{table}/_delta_log"
    current = table_at(store, table)
    with current.queue():  # this machine's writers write their checkpoints within it
        listing = list(store.list(folder))
        versions = checkpoint_versions(listing, quick=False)
        log = read_log(store, table, listing, moments=versions)
        if not log.whole:
            raise IntegrityError(f"The log of {table} is broken, so its checkpoints stay.")
        bad = [finding.path for finding in check_checkpoints(store, table, listing, log, versions)]
        if not bad:
            return ""
        newest = checkpoint_path(table, log.newest)
        for path in dict.fromkeys([f"{folder}/{LAST_CHECKPOINT}", *bad, newest]):
            store.delete(path)  # deltalake names no checkpoint that is there already
        current.write_checkpoint()
    wrote = "none could be written" if store.size(newest) is None else f"wrote one of version {log.newest}"
    return f"what was wrong is gone, and {wrote}"


_ORDER: tuple[RepairName, ...] = (
    "put-copy",
    "delete-temporary",
    "renew-checkpoint",
    "delete-mark",
    "collect",
)
