"""A lock of the operating system: it queues processes and threads of one machine and dies with its holder.

On POSIX the waiting is done within the kernel. It hands the lock on at once and, nearly always, in the order
of arrival, and passes over a waiter that died or was stopped. Such a wait knows no limit of time, so a thread
does it, from which whoever is out of patience walks away. On Windows the lock is polled, in no order.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from lakehouse.store import durable
from lakehouse.store.disk_errors import translated

if sys.platform != "win32":
    import fcntl

PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.005  # filelock's own 50 ms would cap a queue of writers at 20 commits a second
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})  # some network disks

_Release = Callable[[], None]


@contextmanager
def hold(file: Path, *, path: str, patience_seconds: float | None = None) -> Iterator[None]:
    """Hold the lock on `file`, a hidden one that stays; after `patience_seconds` of waiting go on without it.

    On a disk that has no locks go on at once.

    Args:
        file: the lock file; it and its folder are made if need be.
        path: the object for which it stands, for messages.
        patience_seconds: how long to wait for a holder that may hang; None for a minute.

    Raises:
        StorageError: the disk refused.
    """
    take = _polled if sys.platform == "win32" else _queued
    with translated(path):
        durable.make_folder(file.parent)
        release = take(file, PATIENCE_SECONDS if patience_seconds is None else patience_seconds)
    try:
        yield
    finally:
        release()


def take_at_once(file: Path, *, path: str) -> Callable[[], None] | None:
    """Take the lock on `file` without waiting, and return what lets it go; None where somebody holds it.

    A child that is forked holds it too, until it calls what is returned, in its own process.

    Args:
        file: the lock file; it and its folder are made if need be.
        path: the object for which it stands, for messages.

    Raises:
        StorageError: the disk refused, or has no locks.
    """
    with translated(path):
        durable.make_folder(file.parent)
        return _polled_once(file) if sys.platform == "win32" else _queued_once(file)


def _polled_once(file: Path) -> _Release | None:
    from filelock import FileLock, Timeout

    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock.release


def _queued_once(file: Path) -> _Release | None:
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:
        os.close(handle)
        raise
    return partial(os.close, handle)


def _polled(file: Path, patience_seconds: float) -> _Release:
    """Try again and again, but not for ever."""
    from filelock import FileLock, Timeout

    lock = FileLock(file, timeout=patience_seconds, poll_interval=_POLL_SECONDS)
    with suppress(Timeout):
        lock.acquire()
    return lock.release  # does nothing if the lock never came


def _queued(file: Path, patience_seconds: float) -> _Release:
    """Take a `flock`, the lock that filelock takes on POSIX: processes of earlier versions queue with us."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    leave = partial(_let_go, handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return leave if _stand_in_line(handle, patience_seconds) else _nothing
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            leave()
            raise
    return leave


def _stand_in_line(handle: int, patience_seconds: float) -> bool:
    """Say whether the lock came in time; if not, it is let go and `handle` closed as soon as it comes."""
    first, came = threading.Lock(), threading.Event()  # `first` is for one of both: the lock, or who left

    def wait() -> None:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        if first.acquire(blocking=False):
            came.set()
        else:
            _let_go(handle)

    threading.Thread(target=wait, daemon=True).start()
    try:
        came.wait(patience_seconds)
    except BaseException:  # ctrl-C
        if not first.acquire(blocking=False):
            _let_go(handle)
        raise
    return not first.acquire(blocking=False)


def _let_go(handle: int) -> None:
    """Unlock and close: closing alone would leave the lock to a child that was forked in the meantime."""
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_UN)
    os.close(handle)


def _nothing() -> None:
    """Release a lock that never came."""
