"""Data files that stay mapped into memory: a question does not map and unmap what the one before it read.

A tenth of the time of decoding is that of the pages of a file that was mapped just now. A file is looked at
before each use, so that one that was deleted or replaced is seen.
"""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path
from threading import Lock

import pyarrow as pa

from lakehouse.partitions.resident import Resident

_KEPT = 256
_KEPT_BYTES = 256 << 20
_KEEPS = os.name == "posix"  # elsewhere a file that is mapped can not be deleted

_Mark = tuple[int, int, int, int]

_mapped: dict[str, tuple[_Mark, pa.Buffer]] = {}
_resident = Resident[str](_KEPT, _KEPT_BYTES)
_lock = Lock()


def mapped(file: Path) -> pa.Buffer | Path:
    """Return the bytes of a file of this machine, without a copy; the path itself where none can be kept.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not _KEEPS:
        return file
    path = os.fspath(file)
    found = os.stat(path)  # noqa: PTH116 - a microsecond, where Path.stat takes three
    mark = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
    with _lock:
        known = _mapped.get(path)
        if known is not None and known[0] == mark:
            _resident.use(path, 0)
            return known[1]
    data = _map(path)
    if data.size != found.st_size:  # it was replaced meanwhile
        return data
    with _lock:
        _resident.drop(path)
        _mapped[path] = mark, data
        for surplus in chain(*_resident.use(path, data.size)):
            _resident.drop(surplus)
            del _mapped[surplus]
    return data


def _map(path: str) -> pa.Buffer:
    """Map a file; the buffer holds the mapping, and no file descriptor."""
    with pa.memory_map(path) as file:
        return file.read_buffer()


def _after_fork() -> None:
    """Give a child a lock of its own: another thread of the parent may have held the old one."""
    global _lock
    _lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
