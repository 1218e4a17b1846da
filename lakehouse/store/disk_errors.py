"""The operating system's refusals, as errors of ours with a hint."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakehouse.errors import LakehouseError, StorageError

NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})

_FULL = "Free some disk space and try again: nothing was made visible."
_PERMISSION = "Check who may read and write the lake's folder."
_PLAIN_FOLDERS = "A name is either an object or a folder: choose another path."
_HINTS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: "The lake is on a read-only disk: open it for reading only.",
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.EEXIST: _PLAIN_FOLDERS,
    errno.ENOTDIR: _PLAIN_FOLDERS,
    errno.EMFILE: "Raise the limit of open files (ulimit -n).",
}


def storage_error(path: str, error: OSError) -> StorageError:
    """Build the error that says why the disk refused `path`."""
    reason = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
    return StorageError(f"Can not use {path}: {reason}.", hint=_HINTS.get(error.errno or 0))


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn the operating system's errors into ours.

    Raises:
        StorageError: the disk refused.
    """
    try:
        yield
    except LakehouseError:
        raise
    except OSError as error:
        raise storage_error(path, error) from error


@contextmanager
def translated_block(path: str, temporary: Path) -> Iterator[None]:
    """Turn the refusals of `temporary`'s disk into ours; let a caller's own errors pass.

    An error that names another file is the caller's, such as a source that can not be opened. One that names
    none is the disk's: pyarrow reports a full disk so.

    Raises:
        StorageError: the disk refused.
    """
    try:
        yield
    except LakehouseError:
        raise
    except OSError as error:
        if error.filename is not None and os.fsdecode(error.filename) != str(temporary):
            raise
        raise storage_error(path, error) from error
