"""Steps that survive a crash: sync a file, make a folder, give a finished file a name that is free."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from lakehouse.errors import StorageError
from lakehouse.store.disk_errors import NO_HARD_LINKS

_WINDOWS_NO_HARD_LINKS = frozenset({1, 50})  # ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED: FAT, exFAT, shares
_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP})  # some network and FUSE disks


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, each durable in its own parent."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync(file: Path) -> None:
    """Flush a file's bytes to the disk itself."""
    with file.open("rb+") as handle:  # Windows syncs only a handle that may write
        sync_handle(handle.fileno())


def sync_handle(handle: int) -> None:
    """Flush an open file's bytes to the disk itself."""
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)  # there, fsync stops at the drive's own cache
            return
        except OSError as error:
            if error.errno not in _NO_FOLDER_SYNC:
                raise
    os.fsync(handle)


def sync_data(handle: int) -> None:
    """Flush the bytes of an open file whose size stays, and not its times."""
    if sys.platform == "linux":
        os.fdatasync(handle)
    else:
        sync_handle(handle)


def sync_folder(folder: Path) -> None:
    """Flush a folder's names to the disk itself."""
    if os.name == "nt":  # Windows can not open a folder; NTFS journals its own metadata
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)


def link(temporary: Path, target: Path) -> None:
    """Give a finished file its name, if the name is free.

    Raises:
        FileExistsError: the name is taken.
        StorageError: the disk has no hard links.
        OSError: the disk refused.
    """
    try:
        os.link(temporary, target)
    except FileExistsError:
        # A network disk may repeat a request whose answer was lost: the name that is taken can be our own.
        if not _same_file(temporary, target):
            raise
    except OSError as error:
        if not _without_hard_links(error):
            raise
        if os.name != "nt":  # a rename would overwrite in silence
            raise StorageError(
                f"The disk of {target.parent} has no hard links: two writers could overwrite each other.",
                hint="Use a bucket, or a disk that has them: ext4, xfs, btrfs, zfs, APFS, NTFS.",
            ) from error
        temporary.rename(target)  # on Windows this refuses a name that is taken


def _without_hard_links(error: OSError) -> bool:
    if os.name == "nt":
        return getattr(error, "winerror", None) in _WINDOWS_NO_HARD_LINKS
    return error.errno in NO_HARD_LINKS


def _same_file(left: Path, right: Path) -> bool:
    try:
        return os.path.samestat(left.lstat(), right.lstat())
    except FileNotFoundError:
        return False
