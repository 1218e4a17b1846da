"""Data and quarantine files against what was recorded of them: there, of that size, with those bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.errors import NotFoundError
from lakehouse.maintenance.doctor.documents import UNREADABLE, message_of
from lakehouse.maintenance.doctor.findings import Finding
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.partitions.threads import workers
from lakehouse.partitions.verify import content_digest
from lakehouse.schema import SEQUENCE, stored_schema
from lakehouse.store import LocalStore, Store

_PUT_BACK = "Put it back from a copy, an export or a backup: lake doctor --source PATH --apply"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A file that must be as it was recorded."""

    path: str
    """relative to the root"""
    size: int
    """in bytes"""
    sha256: str
    """of its bytes"""
    holders: str
    """who names it, in words"""
    may_be_gone: bool = False
    """whether garbage collection may have taken it: then only what is there is looked at"""
    file: DataFile | None = None
    """the facts of a data file"""
    state: TableState | None = None
    """a version that has it, for its schema"""
    disputed: bool = False
    """whether another record describes the same file in another way: then no repair knows which is right"""


def check_files(
    store: Store, recorded: Iterable[Recorded], sizes: Mapping[str, int], *, read: bool
) -> Iterator[Finding]:
    """Look at every file.

    Args:
        store: the lake.
        recorded: what must be there.
        sizes: of the objects that a listing showed.
        read: also read the bytes and the rows.
    """
    present = []
    for each in recorded:
        size = sizes.get(each.path)
        if size is None and not each.may_be_gone:
            size = store.size(each.path)  # published, or made a link, since the listing
        if size == each.size:
            present.append(each)
        elif size is not None or not each.may_be_gone:
            yield _size_finding(each, size)
    if read:
        faults = workers().map(lambda each: _check_bytes(store, each), present)
        for each, fault in zip(present, faults, strict=True):
            if fault is not None:
                yield fault
            elif each.file is not None and each.state is not None:
                yield from _check_rows(each.state, each.file, each.holders)


def sha256_of(store: Store, path: str) -> str:
    """Return the hash of an object's bytes.

    Raises:
        NotFoundError: there is none.
    """
    with store.local_path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _size_finding(each: Recorded, size: int | None) -> Finding:
    return Finding(
        "missing-file" if size is None else "wrong-size",
        each.path,
        f"the file is {'missing' if size is None else 'torn'}, and named by {each.holders}",
        f"{each.size} bytes",
        "nothing" if size is None else f"{size} bytes",
        advice=_PUT_BACK,
        size=each.size,
        sha256=None if each.disputed else each.sha256,
    )


def _check_bytes(store: Store, each: Recorded) -> Finding | None:
    try:
        if not isinstance(store, LocalStore):
            store.size(each.path)  # so that a copy of an object that was replaced is not taken for it
        found = sha256_of(store, each.path)
        if found == each.sha256:
            return None
        if not isinstance(store, LocalStore):
            in_cache, found = found, hashlib.sha256(store.get(each.path)).hexdigest()
            if found == each.sha256:
                return _cache_finding(store, each, in_cache)
    except NotFoundError:
        return None if each.may_be_gone else _size_finding(each, None)
    except (*UNREADABLE, OSError) as error:
        return Finding("unreadable-file", each.path, message_of(error))
    return Finding(
        "altered-file",
        each.path,
        f"the bytes were altered, and the file is named by {each.holders}",
        f"sha256 {each.sha256}",
        f"sha256 {found}",
        advice=_PUT_BACK,
        size=each.size,
        sha256=None if each.disputed else each.sha256,
    )


def _cache_finding(store: Store, each: Recorded, found: str) -> Finding:
    return Finding(
        "altered-cache",
        each.path,
        f"the copy in this machine's cache was altered: {store.local_path(each.path)}",
        f"sha256 {each.sha256}",
        f"sha256 {found}",
        advice="Delete that copy: the cache holds nothing of its own.",
    )


def _check_rows(state: TableState, file: DataFile, holders: str) -> Iterator[Finding]:
    """Compare the columns and the rows of a file, whose bytes are as recorded, with its record."""
    try:
        drift = _schema_drift(state, file)
        if drift is not None:
            yield drift
            return
        found = content_digest(state, file)
    except (*UNREADABLE, pa.ArrowException, OSError) as error:
        yield Finding("record-mismatch", file.path, f"its rows can not be read: {message_of(error)}")
        return
    if found != file.digest:
        what = f"its rows are not those recorded, and it is named by {holders}"
        yield Finding("record-mismatch", file.path, what, f"digest {file.digest}", f"digest {found}")


def _schema_drift(state: TableState, file: DataFile) -> Finding | None:
    written = pq.read_schema(state.store.local_path(file.path))
    wanted = {
        field.name: field.type
        for field in stored_schema(state.schema)
        if field.name in file.columns or field.name == SEQUENCE
    }
    got = {field.name: field.type for field in written}
    if got == wanted:
        return None
    differing = sorted(name for name in got.keys() | wanted.keys() if got.get(name) != wanted.get(name))
    return Finding(
        "schema-drift",
        file.path,
        f"its columns {', '.join(differing)} are not those of the table",
        _typed(wanted, differing),
        _typed(got, differing),
    )


def _typed(columns: Mapping[str, pa.DataType], names: Iterable[str]) -> str:
    return ", ".join(f"{name} {columns[name]}" for name in names if name in columns)
