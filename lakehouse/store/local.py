"""A lake on a local disk: temporary file, fsync, hard link.

A hard link to a finished temporary file fails if the name exists, on POSIX and on NTFS, and shows either the whole
file or none: the atomic put-if-absent that a rename (which overwrites) and O_EXCL (which shows torn files) are not.
"""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakehouse.errors import AlreadyExistsError, NotFoundError, StorageError
from lakehouse.store.base import Entry, Store, check_path

_TEMPORARY = ".tmp-"
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


class LocalStore(Store):
    """Objects are files below one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.url = str(root)

    def put_if_absent(self, path: str, data: bytes) -> None:
        """See `Store.put_if_absent`."""
        with self.stage(path) as temporary:
            temporary.write_bytes(data)

    @contextmanager
    def stage(self, path: str) -> Iterator[Path]:
        """See `Store.stage`; the temporary file lies beside the target, on the same disk."""
        target = self._root / check_path(path)
        temporary = target.parent / f"{_TEMPORARY}{uuid.uuid4().hex}"
        with _translated(path):
            if target.exists():
                raise AlreadyExistsError(f"{path} exists already.")
            _make_folder(target.parent)
            try:
                yield temporary
                _sync(temporary)
                _link(temporary, target)
                _sync_folder(target.parent)
            except FileExistsError as error:
                raise AlreadyExistsError(f"{path} exists already.") from error
            finally:
                temporary.unlink(missing_ok=True)

    def get(self, path: str) -> bytes:
        """See `Store.get`."""
        with _translated(path):
            return (self._root / check_path(path)).read_bytes()

    def size(self, path: str) -> int | None:
        """See `Store.size`."""
        try:
            return (self._root / check_path(path)).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def local_path(self, path: str) -> Path:
        """See `Store.local_path`: the object itself."""
        target = self._root / check_path(path)
        if not target.is_file():
            raise NotFoundError(f"There is no object {path} in {self.url}.")
        return target

    def list(self, prefix: str) -> Iterator[Entry]:
        """See `Store.list`."""
        top = self._root / check_path(prefix) if prefix else self._root
        found = []
        for folder, _, names in os.walk(top):
            for name in names:
                file = Path(folder, name)
                if not name.startswith("."):
                    found.append(Entry(file.relative_to(self._root).as_posix(), file.stat().st_size))
        yield from sorted(found, key=lambda entry: entry.path)

    def delete(self, path: str) -> None:
        """See `Store.delete`."""
        with _translated(path):
            (self._root / check_path(path)).unlink(missing_ok=True)

    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        """See `Store.lock`: an operating system lock on a hidden file beside `path`."""
        from filelock import FileLock

        target = self._root / check_path(path)
        with _translated(path):
            _make_folder(target.parent)
            held = FileLock(target.parent / f".{target.name}.lock")
            held.acquire()
        try:
            yield
        finally:
            held.release()


def _make_folder(folder: Path) -> None:
    """Create a folder and its parents, each durable in its own parent."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync(file: Path) -> None:
    with file.open("rb+") as handle:
        os.fsync(handle.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows can not open a folder; NTFS journals its own metadata
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _link(temporary: Path, target: Path) -> None:
    """Publish by hard link; on a disk without links by a rename that Windows refuses to overwrite with."""
    try:
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS or os.name != "nt":
            raise
        temporary.rename(target)


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Turn the operating system's errors into ours."""
    try:
        yield
    except (AlreadyExistsError, NotFoundError, StorageError):
        raise
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no object {path}.") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise StorageError(f"Can not use {path}: {reason}.", hint=_HINTS.get(error.errno or 0)) from error


_HINTS = {
    errno.ENOSPC: "Free some disk space and write again: nothing was made visible.",
    errno.EROFS: "The lake is on a read-only disk: open it for reading only.",
    errno.EACCES: "Check the permissions of the lake's folder.",
    errno.EPERM: "Check the permissions of the lake's folder.",
}
