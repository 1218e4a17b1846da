"""A lock of the operating system: it queues processes and threads of one machine and dies with its holder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lakehouse.store import durable
from lakehouse.store.disk_errors import translated

_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.005  # filelock's own 50 ms would cap a queue of writers at 20 commits a second


@contextmanager
def hold(file: Path, *, path: str, patience_seconds: float = _PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the lock on `file`, a hidden one that stays; after `patience_seconds` of waiting go on without it.

    Args:
        file: the lock file; it and its folder are made if need be.
        path: the object for which it stands, for messages.
        patience_seconds: how long to wait for a holder that may hang.

    Raises:
        StorageError: the disk refused.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(file, timeout=patience_seconds, poll_interval=_POLL_SECONDS)
    with translated(path), suppress(Timeout):
        durable.make_folder(file.parent)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()  # does nothing if it was not acquired
