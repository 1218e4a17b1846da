"""Fill the cache beside the work: one thread writes what was decoded, and gives up wherever that is hard."""

from __future__ import annotations

import atexit
import errno
import os
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lakehouse.names import fresh_id
from lakehouse.partitions.columns.column_file import group_checksum, plain_checksums
from lakehouse.partitions.columns.format import MARK, NULLABLE, PLAIN, ColumnFormat, Mark
from lakehouse.store.cache_room import Room

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_WAITING_IN_BYTES = 512 << 20
"""beyond, what was decoded is not kept: the next reader tries again"""

_PATIENCE_SECONDS = 0.02
"""in which the question that is being answered may end, before it shares the machine with this"""

_REST_SECONDS = 30.0
"""after the disk refused"""

_LAST_SECONDS = 2.0
"""that the end of a process may wait for what was not written yet"""


@dataclass(frozen=True, slots=True)
class Job:
    """Row groups of a column to write."""

    path: Path
    """of the file in the cache"""
    form: ColumnFormat
    """of that file"""
    groups: Sequence[int]
    """rising"""
    array: pa.Array
    """their rows, one row group after the other"""


class Writer:
    """A queue of jobs, and the thread that does them; made anew in a fork."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._jobs: deque[Job] = deque()
        self._waiting = 0
        self._parts: set[tuple[Path, int]] = set()
        self._arrays: dict[tuple[Path, tuple[int, ...]], pa.Array] = {}
        self._hurry = False
        self._changed = Condition()
        self._thread: Thread | None = None
        self._resting_until = 0.0
        self._process = os.getpid()

    def put(self, job: Job) -> None:
        """Write a job soon, or never."""
        parts = {(job.path, group) for group in job.groups}
        with self._changed:
            waits = parts <= self._parts or time.monotonic() < self._resting_until
            if waits or self._waiting + job.array.nbytes > _MOST_WAITING_IN_BYTES:
                return
            self._waiting += job.array.nbytes
            self._parts |= parts
            self._arrays[job.path, tuple(job.groups)] = job.array
            self._jobs.append(job)
            if self._thread is None:
                self._thread = Thread(target=self._work, name="lakehouse-columns", daemon=True)
                self._thread.start()
                atexit.register(self.flush, _LAST_SECONDS)
            self._changed.notify_all()

    def waiting(self, path: Path, groups: Sequence[int]) -> pa.Array | None:
        """Return the rows of a job that is not done yet; None if there is none of just these row groups."""
        with self._changed:
            return self._arrays.get((path, tuple(groups)))

    def flush(self, seconds: float = 60.0) -> bool:
        """Wait until all is written that was put; say whether that came about.

        In a fork there is nobody to wait for, and the lock may be held by a thread that is not there.
        """
        if os.getpid() != self._process:
            return False
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not self._parts, seconds)
            self._hurry = False
            return done

    def _work(self) -> None:
        idle = True
        while True:
            with self._changed:
                if not self._jobs:
                    idle = self._changed.wait_for(lambda: bool(self._jobs))
                if idle:
                    self._changed.wait_for(lambda: self._hurry, _PATIENCE_SECONDS)
                    idle = False
                job = self._jobs.popleft()
            try:
                self._write(job)
            except FileNotFoundError:  # somebody deletes the cache
                pass
            except Exception:  # of any kind: a dead thread would let the queue fill up
                self._resting_until = time.monotonic() + _REST_SECONDS
            with self._changed:
                self._waiting -= job.array.nbytes
                self._parts -= {(job.path, group) for group in job.groups}
                self._arrays.pop((job.path, tuple(job.groups)), None)
                self._changed.notify_all()
            del job  # the thread waits now, and must not keep the rows

    def _write(self, job: Job) -> None:
        with self._room.admitted(job.array.nbytes) as stays:
            if stays:
                write_groups(job)


def write_groups(job: Job) -> None:
    """Write row groups to a file of the cache: values, then marks, so that a crash leaves none that is wrong.

    Raises:
        OSError: the disk refused.
    """
    form = job.form
    _make(job.path, form)
    with job.path.open("r+b", buffering=0) as handle:
        if not form.has_size(os.fstat(handle.fileno()).st_size) or handle.read(len(form.head)) != form.head:
            handle.close()
            job.path.unlink()
            return
        groups = np.array(job.groups)
        if form.width and not job.array.null_count and np.diff(form.group_starts)[groups].all():
            _write_plain(handle.fileno(), job, groups)
        else:
            _write_each(handle.fileno(), job)


def _write_plain(descriptor: int, job: Job, groups: npt.NDArray[np.int64]) -> None:
    """Write row groups of numbers without a null: neighbours at once."""
    form, offset = job.form, 0
    for run in np.split(groups, np.flatnonzero(np.diff(groups) != 1) + 1):
        first, rows = int(run[0]), int(form.group_starts[run[-1] + 1] - form.group_starts[run[0]])
        (data,) = _parts(job.array.slice(offset, rows), form)
        marks = np.zeros((len(run), 4), "<u8")
        marks[:, 0] = PLAIN
        marks[:, 3] = plain_checksums(form, first, marks, data)
        _write_at(descriptor, form.values + int(form.group_starts[first]) * form.width, data)
        _write_at(descriptor, len(form.head) + MARK * first, marks.view(np.uint8).ravel())
        offset += rows


def _write_each(descriptor: int, job: Job) -> None:
    form, offset = job.form, 0
    for group in job.groups:
        if not form.rows(group):
            continue
        array = job.array.slice(offset, form.rows(group))
        kind, parts = (NULLABLE if array.null_count else PLAIN), _parts(array, form)
        if form.is_text:
            mark = Mark(kind, *_append(job.path, parts), 0)
        else:
            mark = Mark(kind, 0, 0, 0)
            for (place, _), part in zip(form.places(group, mark), parts, strict=True):
                _write_at(descriptor, place, part)
        mark = mark._replace(checksum=group_checksum(form, group, mark, parts))
        _write_at(descriptor, len(form.head) + MARK * group, np.array(mark, "<u8").view(np.uint8))
        offset += form.rows(group)


def _make(path: Path, form: ColumnFormat) -> None:
    """Make the file, empty but of its full length, where there is none."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{fresh_id()}")
    try:
        with draft.open("xb", buffering=0) as handle:
            handle.write(form.head + bytes(MARK * form.groups))
            handle.truncate(form.size)
        draft.replace(path)
    finally:
        with suppress(OSError):
            draft.unlink()


def _parts(array: pa.Array, form: ColumnFormat) -> list[npt.NDArray[np.uint8]]:
    """Return the bytes of a row group: values, a bitmap where there are nulls, texts."""
    validity, data, *texts = array.buffers()
    nulls = [_bitmap(validity, array)] if array.null_count else []
    if form.is_text:
        ends = np.frombuffer(data, np.int32)[array.offset : array.offset + len(array) + 1]
        text = np.frombuffer(texts[0] or b"", np.uint8)[ends[0] : ends[-1]]
        return [_padded((ends - ends[0]).view(np.uint8)), *nulls, text]
    if form.is_boolean:
        return [_bitmap(data, array), *nulls]
    start = array.offset * form.width
    return [np.frombuffer(data, np.uint8)[start : start + len(array) * form.width], *nulls]


def _bitmap(data: pa.Buffer, array: pa.Array) -> npt.NDArray[np.uint8]:
    """Return bits of an array from the first bit of a word on, the last word filled up with zeros."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=array.offset + len(array), bitorder="little")
    return _padded(np.packbits(bits[array.offset :], bitorder="little"))


def _padded(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return bytes filled up to whole words."""
    return np.concatenate([data, np.zeros(-len(data) % 8, np.uint8)])


def _append(path: Path, parts: Sequence[npt.NDArray[np.uint8]]) -> tuple[int, int]:
    """Add parts at the end of a file in one step, at a whole word, and return (offset, length).

    Others add theirs at the same time: the system gives each a place of its own.

    Raises:
        OSError: the disk refused, or took only some.
    """
    data = np.concatenate(parts)
    with path.open("ab", buffering=0) as handle:
        if unfinished := os.fstat(handle.fileno()).st_size % 8:
            handle.write(bytes(8 - unfinished))
        if handle.write(_padded(data).data) != len(data) + -len(data) % 8:
            raise OSError(errno.ENOSPC, "the disk took only some of it")
        end = handle.tell()
    return end - len(data) - -len(data) % 8, len(data)


def _write_at(descriptor: int, offset: int, data: npt.NDArray[np.uint8]) -> None:
    os.lseek(descriptor, offset, os.SEEK_SET)
    view = data.data
    while view:
        view = view[os.write(descriptor, view) :]
