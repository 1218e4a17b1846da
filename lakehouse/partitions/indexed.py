"""Planning indexes in this machine's cache: found by a table's newest log entries, made from our own commits.

An index is that of one version, and names the log entry of it: a lake that was made anew at the same place
has other entries, so that an index is never stale. The entries after it are replayed. Once enough have come,
an index of the newer version is made from the old one and the facts of the files that came; of a large
table a small one, that stands on the large one. Nobody needs them: what is absent or damaged, the log tells.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from lakehouse.errors import LakehouseError, NotFoundError
from lakehouse.names import ProductName, fresh_id
from lakehouse.partitions import replay
from lakehouse.partitions.delta_log import read_metadata
from lakehouse.partitions.done import Done
from lakehouse.partitions.footers import Footer, known_footer, passing_footer
from lakehouse.partitions.index import storage
from lakehouse.partitions.index.build import part_of
from lakehouse.partitions.index.columns import Array, DamagedIndexError, Held
from lakehouse.partitions.index.live import Lists, LiveFiles, Slice
from lakehouse.partitions.index.merge import merged
from lakehouse.partitions.index.part import Part
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.store import Store
from lakehouse.store.cache_folder import cache_folder

EVERY = 16
"""commits after which a new index is made"""
MANY = 256
"""files that came, after which one is made at once"""
SMALL = 1024
"""files of a table whose index is made whole each time"""

_KEPT = 1
_MOST_TABLES = 512
_ROOM = 4 << 30
_UNFINISHED_S = 3600.0
_HEAD = 65_536
_SHOWN = 512
_WRITER_READS_FOR_S = 2.0
_READER_READS_FOR_S = 0.5


def newest(store: Store, table_path: str) -> TableState | None:
    """Return the head of a table by its newest index and the log entries after it; None without an index.

    The contract, the checkpoints and the entries before the index are not read.

    Raises:
        IntegrityError: a later entry is torn.
    """
    found = load(store, table_path)
    return None if found is None else replay.advance(found).state


def load(store: Store, table_path: str) -> replay.Snapshot | None:
    """Return the version of the newest sound index of a table; None if there is none."""
    folder = folder_of(store, table_path)
    for name in storage.names_in(folder):
        with suppress(OSError, ValueError, KeyError, TypeError, DamagedIndexError, NotFoundError):
            note = storage.read_note(folder, name)
            if note["table"] != table_path:
                continue
            if note["mark"] != mark_of(store, table_path, note["version"]):  # of a lake that lay here before
                storage.delete_part(folder, name)
                continue
            found = _opened(store, folder, note)
            with suppress(OSError):  # of another user, or on a disk that takes nothing
                os.utime(folder)
            return found
    return None


def keep(current: replay.Snapshot, *, writer: bool = False) -> replay.Snapshot:
    """Make an index of a version if enough came since the last one; return the version that rests on it.

    Args:
        current: a version.
        writer: this process wrote it: it takes the time to read more footers than a reader would.
    """
    if not current.exists or not _is_due(LiveFiles.of(current.state.files).now, current.state.version):
        return current
    with suppress(LakehouseError, ValueError, OSError, RuntimeError, MemoryError):
        try:
            return _kept(current, writer=writer)
        except DamagedIndexError:  # without it: else no process would ever make another one
            plain = replace(current, state=replace(current.state, files=_without_index(current.state)))
            return _kept(plain, writer=writer)
    return current


def folder_of(store: Store, table_path: str) -> Path:
    """Return the folder of a table's indexes."""
    place = zlib.crc32(f"{store.url}\n{table_path}".encode())
    return cache_folder() / "index" / f"{table_path.replace('/', '.')[-80:]}-{place:08x}"


def mark_of(store: Store, table_path: str, version: int) -> str:
    """Return what tells one log entry from every other: its size, its beginning and a checksum.

    The beginning has the id of the commit, its time, and the digest of the version.

    Raises:
        NotFoundError: there is no such entry.
    """
    return _mark(*_ends_of(store, replay.entry_path(table_path, version)))


def _mark(size: int, head: bytes, tail: bytes) -> str:
    return f"{size} {zlib.crc32(head):08x} {zlib.crc32(tail):08x} {head[:_SHOWN].decode('utf-8', 'replace')}"


def _ends_of(store: Store, path: str) -> tuple[int, bytes, bytes]:
    """Return the size of an object, its first bytes and its last."""
    if store.connection():  # a bucket: a copy in the cache would take the room of data files
        data = store.get(path)
        return len(data), data[:_HEAD], data[-_HEAD:]
    with store.held(path) as local, local.open("rb") as handle:
        head = handle.read(_HEAD)
        size = handle.seek(0, 2)
        handle.seek(max(0, size - _HEAD))
        return size, head, handle.read(_HEAD)


def _opened(store: Store, folder: Path, note: Mapping[str, Any]) -> replay.Snapshot:
    parts = [storage.open_part(folder, note)]
    slices = [Slice(parts[0])]
    if note["base"]:
        base = storage.open_part(folder, storage.read_note(folder, note["base"]))
        dead = parts[0].columns.whole("base_dead").tolist()
        slices = [Slice(base, frozenset(dead)), *slices]
    schema, layout, contract_version = read_metadata(note["metadata"])
    state = TableState(
        store,
        ProductName.parse(note["product"]),
        note["major"],
        note["version"],
        schema,
        layout,
        digest=note["digest"],
        contract_version=contract_version,
        time_ns=note["time_ns"],
    )
    files = LiveFiles(slices, reload=replay.reload_of(state))
    done = Done(partial(_done, parts[0], state))
    return replay.Snapshot(replace(state, files=files, transactions=done), note["metadata"])


def _done(part: Part, state: TableState) -> Mapping[str, int]:
    """Return the keys that an index holds; where it is damaged, those of the log."""
    try:
        found: dict[str, int] = json.loads(part.columns.whole("done").tobytes())
        return found
    except DamagedIndexError:
        return replay.by_log(state).transactions


def _is_due(files: Lists, version: int) -> bool:
    if not files.slices:
        return len(files.added) > 0  # also of a short log: every later process of this machine is spared it
    since = version - _version_of(files)
    return since >= EVERY or len(files.added) >= MANY


def _without_index(state: TableState) -> LiveFiles:
    """Delete the index on which a version rests, and return the files by the log."""
    files = LiveFiles.of(state.files)
    for part, _ in files.now.slices:
        part.discard()
    return files.plain()


def _kept(current: replay.Snapshot, *, writer: bool) -> replay.Snapshot:
    """Return the version on a new index.

    Raises:
        DamagedIndexError: the old one is damaged.
    """
    state, table = current.state, replay.table_path(current.state.name, current.state.major)
    files, folder = LiveFiles.of(state.files).now, folder_of(state.store, table)
    found = load(state.store, table) if _newer(folder, files) else None
    if found is not None and _version_of(files) < found.state.version <= state.version:
        return replay.advance(found, until=state.version)  # another process has done the work
    slices = _compacted(files, _footers(state, list(files.added.values()), writer=writer))
    ends = _ends_of(state.store, replay.entry_path(table, state.version))
    if not _is_entry_of(state, ends[1]):  # somebody put another log there since this process read it
        return current
    # Of this process alone: another one may make an index of the same version with the files in another
    # order, and one that stands on this says by number which of them are dead.
    name = f"{state.version:020}-{fresh_id()[:16]}"
    own = slices[-1].part
    base = slices[0] if len(slices) > 1 else None
    extras: dict[str, Array] = {
        "done": np.frombuffer(json.dumps(dict(state.transactions)).encode("utf-8"), np.uint8),
        "base_dead": np.array(sorted(base.dead) if base else [], np.int32),
    }
    arrays: dict[str, Array] = {each: own.columns.whole(each) for each in own.columns.names()} | extras
    part = Part(Held(arrays), {**own.notes, "version": state.version, "name": name})
    note = {
        "table": table,
        "product": str(state.name),
        "major": state.major,
        "version": state.version,
        "mark": _mark(*ends),
        "base": base.part.notes["name"] if base else None,
        "digest": state.digest,
        "time_ns": state.time_ns,
        "metadata": current.metadata,
    }
    with suppress(OSError):  # a cache that can not be written: this process has the index all the same
        part = storage.open_part(folder, storage.write_part(folder, name, part, note))
        _tidy(folder, {name, note["base"]})
    rested = LiveFiles([*slices[:-1], Slice(part)], reload=replay.reload_of(state))
    return replace(current, state=replace(state, files=rested))


def _is_entry_of(state: TableState, head: bytes) -> bool:
    """Say whether a log entry may be that of a version, by its beginning: one of ours has time and digest."""
    told = f'"timestamp":{state.time_ns // 1_000_000},', f'"digest":"{state.digest}"'
    return b'"lakehouse":{' not in head or all(text.encode() in head for text in told)


def _newer(folder: Path, files: Lists) -> str | None:
    """Return the name of an index that is newer than the one that the files rest on."""
    own = _version_of(files)
    return next((name for name in storage.names_in(folder) if int(name[:20]) > own), None)


def _version_of(files: Lists) -> int:
    """Return the version of the index on which files rest; -1 where there is none."""
    return int(files.slices[-1].part.notes["version"]) if files.slices else -1


def _compacted(files: Lists, footers: Mapping[str, Footer]) -> list[Slice]:
    """Return one part of everything, or where the first is large and little came since, two."""
    new = [Slice(part_of(list(files.added.values()), footers))] if files.added else []
    if not files.slices:
        return new
    base, *later = files.slices
    recent = [*later, *new]
    changed = sum(each.live for each in recent) + len(base.dead)
    if base.part.count > SMALL and 8 * changed < base.part.count:
        return [base, Slice(merged(recent or [Slice(part_of([], {}))]))]
    return [Slice(merged([*files.slices, *new]))]


def _footers(state: TableState, files: Sequence[DataFile], *, writer: bool) -> dict[str, Footer]:
    """Read footers for a while, those of files of several symbols first; only parsed ones of a bucket.

    A reader leaves out the files of one symbol, which the log itself addresses.
    """
    local = not state.store.connection()
    found: dict[str, Footer] = {}
    until = perf_counter() + (_WRITER_READS_FOR_S if writer else _READER_READS_FOR_S)
    for file in sorted(files, key=lambda file: file.min_symbol == file.max_symbol):
        footer = known_footer(state.store, file)
        useful = local and (writer or file.min_symbol != file.max_symbol)
        if footer is None and useful and perf_counter() < until:
            with suppress(LakehouseError):
                footer = passing_footer(state.store, file, state.schema.time)
        if footer is not None:
            found[file.path] = footer
    return found


def _tidy(folder: Path, used: set[Any]) -> None:
    """Delete old indexes of a table, and of the tables that were used longest ago."""
    for name in [name for name in storage.names_in(folder) if name not in used][_KEPT:]:
        storage.delete_part(folder, name)
    storage.delete_unfinished(folder, older_than_s=_UNFINISHED_S)
    if len(used - {None}) > 1:  # a small index on a large one: most of the room was taken before
        return
    room = _ROOM
    for number, old in enumerate(_by_use(folder.parent)):
        room -= sum(each.stat().st_size for each in old.iterdir())
        if number >= _MOST_TABLES or room < 0:
            storage.delete_all(old)


def _by_use(folder: Path) -> Iterator[Path]:
    """Yield the folders of all tables, the one used last first."""
    found = sorted((-each.stat().st_mtime_ns, each) for each in folder.iterdir() if each.is_dir())
    return (each for _, each in found)
