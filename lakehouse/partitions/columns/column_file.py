"""One file of the cache as a process sees it: looked at before each use, and its row groups checked once."""

from __future__ import annotations

import mmap
import os
import sys
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.partitions.columns.checksum import checksum, checksums
from lakehouse.partitions.columns.format import MARK, NULLABLE, PLAIN, ColumnFormat, Mark

_TOUCHED_EVERY_SECONDS = 600
_MOST_MAPS = 512
"""each costs a file descriptor, of which many systems give a process 1,024; beyond, bytes are read"""

_GIVE_BACK: int | None = getattr(mmap, "MADV_DONTNEED", None) if sys.platform == "linux" else None

_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class View:
    """A file of the cache as it was when it was looked at; reading it never fails, but may find nothing."""

    path: Path
    """of the file"""
    form: ColumnFormat
    """of the file"""
    marks: npt.NDArray[np.uint64]
    """(n_row_groups, 4) as in the file"""
    buffer: pa.Buffer | None
    """the whole file; None where it is read piece by piece"""
    sound: npt.NDArray[np.bool_]
    """(n_row_groups,) whether this process compared the checksum of the row group"""
    touched: npt.NDArray[np.bool_]
    """(n_row_groups,) whether the row group was asked for since the file was mapped, or given back"""
    map: mmap.mmap | None = None
    """that the buffer looks at"""

    @property
    def kinds(self) -> npt.NDArray[np.uint64]:
        """(n_row_groups,) the kind of each row group; 0 where it is not there."""
        return self.marks[:, 0]

    @property
    def joins(self) -> npt.NDArray[np.bool_]:
        """(n_row_groups,) whether the row group can be one array with its neighbours."""
        plain = self.kinds == PLAIN
        return plain if self.form.width and self.buffer is not None else np.zeros_like(plain)

    def touch(self, groups: Sequence[int]) -> int:
        """Note that row groups are asked for; return the bytes that the map takes in memory for it."""
        if self.buffer is None or self.touched[groups].all():
            return 0
        new = [group for group in groups if not self.touched[group]]
        self.touched[new] = True
        if self.form.width:
            return sum(map(self.form.rows, new)) * self.form.width
        return int(self.marks[new, 2].sum())

    def array(self, groups: Sequence[int]) -> pa.Array | None:
        """Return row groups, one after the other; None if one is not there, or not what was written."""
        try:
            if len(groups) > 1 and self.joins[list(groups)].all():
                parts = [self._run(first, last) for first, last in _runs(groups)]
            else:
                parts = [self._one(group) for group in groups]
        except (OSError, ValueError):
            return None
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)

    def _one(self, group: int) -> pa.Array:
        parts = self._checked(group)
        bitmap = parts.pop(1) if self.kinds[group] == NULLABLE else None
        return pa.Array.from_buffers(
            self.form.kind, self.form.rows(group), [bitmap, *parts], -1 if bitmap else 0
        )

    def _run(self, first: int, last: int) -> pa.Array:
        """Return neighbours as one array."""
        form = self.form
        start, stop = int(form.group_starts[first]), int(form.group_starts[last + 1])
        values = self._bytes(form.values + start * form.width, (stop - start) * form.width)
        mine = slice(first, last + 1)
        if not self.sound[mine].all():
            found = plain_checksums(form, first, self.marks[mine], np.frombuffer(values, np.uint8))
            self.sound[mine] |= found == self.marks[mine, 3]
            if not self.sound[mine].all():
                raise ValueError("a row group is not what was written")
        return pa.Array.from_buffers(form.kind, stop - start, [None, values], 0)

    def _checked(self, group: int) -> list[pa.Buffer]:
        """Return the parts of a row group, after a look at its checksum: once, where they can not change.

        Raises:
            OSError: it can not be read.
            ValueError: it is not there, or not what was written.
        """
        mark = Mark(*self.marks[group].tolist())
        if mark.kind not in (PLAIN, NULLABLE):
            raise ValueError("the row group is not there")
        parts = [self._bytes(*place) for place in self.form.places(group, mark)]
        if self.buffer is None or not self.sound[group]:
            data = [np.frombuffer(part, np.uint8) for part in parts]
            if group_checksum(self.form, group, mark, data) != mark.checksum:
                raise ValueError("the row group is not what was written")
            self.sound[group] = True
        return parts

    def _bytes(self, offset: int, length: int) -> pa.Buffer:
        """Return bytes of the file.

        Raises:
            OSError: it can not be read.
            ValueError: it is shorter.
        """
        if length < 0 or offset < 0:
            raise ValueError("a mark is altered")
        if self.buffer is not None:
            if offset + length > self.buffer.size:
                raise ValueError("a mark is altered")
            return self.buffer.slice(offset, length)
        with self.path.open("rb", buffering=0) as handle:
            handle.seek(offset)
            data = handle.read(length)
        if len(data) != length:
            raise ValueError("it broke off")
        return pa.py_buffer(data)


class ColumnFile:
    """A column of a data file in the cache, which other processes fill, damage or delete meanwhile."""

    def __init__(self, path: Path, form: ColumnFormat) -> None:
        self._path, self._name = path, os.fspath(path)
        self._form = form
        self._guard = Lock()
        self._seen: tuple[int, int, int] | None = None
        self._view: View | None = None
        self._sound = np.zeros(form.groups, np.bool_)

    def close(self) -> None:
        """Give up the map; it is remembered which row groups are sound, while the file is the same."""
        with self._guard:
            self._view = None

    def give_back(self) -> None:
        """Give its pages back to the system, which has them at hand should they be asked for again."""
        with self._guard:
            view = self._view
            if view is None or view.map is None or _GIVE_BACK is None:
                self._view = None
                return
            view.map.madvise(_GIVE_BACK)  # of a file they stay what they were for whoever still looks at them
            view.touched[:] = False

    def look(self) -> View | None:
        """Return what the file is now; None where there is none that is sound."""
        with self._guard:
            try:
                found = os.stat(self._name)  # noqa: PTH116 - a third of the time of Path.stat
                now = (found.st_ino, found.st_mtime_ns, found.st_size)
                if now != self._seen:
                    self._sound = np.zeros(self._form.groups, np.bool_)
                if now != self._seen or self._view is None:
                    self._view, self._seen = self._open(now), now
                if time.time() - found.st_mtime > _TOUCHED_EVERY_SECONDS:
                    self._touch()
            except (OSError, ValueError):
                self._view, self._seen = None, None
            return self._view

    def _open(self, now: tuple[int, int, int]) -> View:
        """Read the marks, and map the file.

        Raises:
            ValueError: it is not what its name says.
        """
        form, before = self._form, self._view
        with self._path.open("rb", buffering=0) as handle:
            if not form.has_size(now[2]) or os.fstat(handle.fileno()).st_ino != now[0]:
                raise ValueError("it has another length, or was replaced")
            size = len(form.head)
            head = handle.read(size + MARK * form.groups)
            if not head.startswith(form.head) or len(head) != size + MARK * form.groups:
                raise ValueError("it is of another column")
            same = before is not None and self._seen is not None and self._seen[::2] == now[::2]
            kept = before if same else None
            mapped = _mapped(handle.fileno()) if kept is None else kept.map
        buffer = None if mapped is None else pa.py_buffer(mapped) if kept is None else kept.buffer
        touched = np.zeros(form.groups, np.bool_) if kept is None else kept.touched
        marks = np.frombuffer(head, "<u8", offset=size).reshape(-1, 4)
        return View(self._path, form, marks, buffer, self._sound, touched, mapped)

    def _touch(self) -> None:
        """Say that it is in use: eviction goes by the time of the last change."""
        with suppress(OSError):
            os.utime(self._path)
            found = self._path.stat()
            self._seen = (found.st_ino, found.st_mtime_ns, found.st_size)


def group_checksum(form: ColumnFormat, group: int, mark: Mark, parts: Sequence[npt.NDArray[np.uint8]]) -> int:
    """Return the checksum of a row group, which is never 0; that in the mark is not looked at."""
    place = np.array([group, mark.kind, mark.offset, mark.length], "<u8")
    found = checksum(place.view(np.uint8), form.seed)
    for part in parts:
        found = checksum(part, found)
    return found or 1


def plain_checksums(
    form: ColumnFormat, first: int, marks: npt.NDArray[np.uint64], data: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint64]:
    """Return the checksums of row groups without nulls that follow each other, all of which have rows.

    Args:
        form: of values of a fixed width.
        first: number of the first row group.
        marks: (n_groups, 4) of them; the checksums in them are not looked at.
        data: their values, one row group after the other.
    """
    count = len(marks)
    starts = form.group_starts[first : first + count + 1]
    borders = (starts - starts[0]) * form.width
    if np.any(borders % 8):
        groups = zip(range(count), marks.tolist(), borders[:-1].tolist(), borders[1:].tolist(), strict=True)
        each = [group_checksum(form, first + i, Mark(*mark), [data[a:b]]) for i, mark, a, b in groups]
        return np.array(each, np.uint64)
    places = marks.copy()
    places[:, 1:] = marks[:, :3]
    places[:, 0] = np.arange(first, first + count)
    seeds = np.full(count, form.seed, np.uint64)
    seeds = checksums(places.view(np.uint8).ravel(), MARK * np.arange(count + 1), seeds)
    found = checksums(data, borders, seeds)
    found[found == 0] = 1
    return found


def _mapped(descriptor: int) -> mmap.mmap | None:
    """Map a whole file; None where this process has many mapped."""
    if len(_maps) >= _MOST_MAPS:
        return None
    mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    _maps.add(mapped)
    return mapped


def _runs(groups: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first and the last of each run of neighbours."""
    runs: list[tuple[int, int]] = []
    for group in groups:
        if runs and runs[-1][1] == group - 1:
            runs[-1] = (runs[-1][0], group)
        else:
            runs.append((group, group))
    return runs
