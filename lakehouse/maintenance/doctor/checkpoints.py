"""The checkpoints of a log, compared with what its entries make of the same version."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from lakehouse.errors import NotFoundError
from lakehouse.maintenance.doctor.documents import UNREADABLE, message_of
from lakehouse.maintenance.doctor.findings import Finding, Repair
from lakehouse.maintenance.doctor.log import CHECKPOINT, LAST_CHECKPOINT, LogReading, Moment
from lakehouse.partitions.checkpoints import checkpoint_path, read_checkpoint
from lakehouse.partitions.delta_log import read_metadata
from lakehouse.store import Entry, Store

_RENEW = Repair("renew-checkpoint", "delete what is torn or wrong, and write a new checkpoint from the log")
_NEEDS_LOG = "Mend the log first: a checkpoint may be all that is left of it."


def checkpoint_versions(listing: Iterable[Entry], *, quick: bool) -> tuple[int, ...]:
    """Return the versions of the checkpoints to look at, rising; quick: only the newest one."""
    names = (entry.path.rpartition("/")[2] for entry in listing)
    found = sorted(int(name[:20]) for name in names if CHECKPOINT.fullmatch(name))
    return tuple(found[-1:] if quick else found)


def check_checkpoints(
    store: Store, table: str, listing: Iterable[Entry], log: LogReading, versions: Sequence[int]
) -> Iterator[Finding]:
    """Look at some checkpoints and at the document that names the last one.

    Args:
        store: the lake.
        table: its path.
        listing: of the objects in the folder of the log.
        log: what its entries tell.
        versions: of the checkpoints to look at.
    """
    repair, advice = (_RENEW, "") if log.whole else (None, _NEEDS_LOG)
    for version in versions:
        path = checkpoint_path(table, version)
        try:
            found = _read(store, table, version)
        except NotFoundError:
            continue
        except (*UNREADABLE, pa.ArrowException, OSError, StopIteration) as error:
            what = f"the checkpoint can not be read: {message_of(error)}"
            yield Finding("torn-checkpoint", path, what, repair=repair, advice=advice)
            continue
        told = log.moments.get(version)
        if told is not None and not _same(found, told):
            yield Finding(
                "wrong-checkpoint",
                path,
                f"the checkpoint of version {version} is not what the log makes of it",
                f"{len(told.files)} files",
                f"{len(found.files)} files",
                repair=repair,
                advice=advice,
            )
    there = checkpoint_versions(listing, quick=False)
    yield from _check_pointer(store, table, there, log.newest, repair, advice)


def _read(store: Store, table: str, version: int) -> Moment:
    actions, files = read_checkpoint(store.local_path(checkpoint_path(table, version)), table=table)
    metadata = next(action["metaData"] for action in actions if "metaData" in action)
    keys = frozenset(action["txn"]["appId"] for action in actions if "txn" in action)
    return Moment(version, {file.path: file for file in files}, keys, metadata)


def _same(found: Moment, told: Moment) -> bool:
    """Compare all that readers take from a checkpoint; the order of partition columns is nobody's."""
    if found.transactions != told.transactions or found.files.keys() != told.files.keys():
        return False
    if read_metadata(found.metadata) != read_metadata(told.metadata):
        return False
    return all(
        sorted(file.partition) == sorted(told.files[path].partition)
        and _facts(file) == _facts(told.files[path])
        for path, file in found.files.items()
    )


def _facts(file: object) -> tuple[object, ...]:
    return tuple(getattr(file, name) for name in _FACTS)


def _check_pointer(
    store: Store, table: str, there: Sequence[int], newest: int, repair: Repair | None, advice: str
) -> Iterator[Finding]:
    """Look at the document that names the last checkpoint."""
    path = f"{table}/_delta_log/{LAST_CHECKPOINT}"
    try:
        version = int(json.loads(store.get(path))["version"])
    except NotFoundError:
        if there:
            what = "there are checkpoints, and no document that names the last one"
            yield Finding("wrong-last-checkpoint", path, what, repair=repair, advice=advice)
        return
    except UNREADABLE as error:
        what = f"it can not be read: {message_of(error)}"
        yield Finding("wrong-last-checkpoint", path, what, repair=repair, advice=advice)
        return
    if version in there or store.size(checkpoint_path(table, version)) is not None:
        return
    if 0 <= version <= newest:
        what = f"{LAST_CHECKPOINT} names the checkpoint of version {version}"
        lost = checkpoint_path(table, version)
        yield Finding("missing-checkpoint", lost, what, got="nothing", repair=repair, advice=advice)
    else:
        what = f"it names a checkpoint of version {version}, which there can not be"
        yield Finding("wrong-last-checkpoint", path, what, repair=repair, advice=advice)


_FACTS = ("size", "rows", "sha256", "digest", "min_symbol", "max_symbol", "min_time", "max_time", "columns")
