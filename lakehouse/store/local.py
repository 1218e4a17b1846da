"""A lake on a local disk: temporary file, fsync, hard link.

A hard link to a finished temporary file fails if the name exists, on POSIX and on NTFS, and shows either the
whole file or none: the atomic put-if-absent that a rename (overwrites) and O_EXCL (shows torn files) are not.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lakehouse.errors import AlreadyExistsError, ArgumentError, NotFoundError, StorageError
from lakehouse.names import fresh_id
from lakehouse.store import durable as disk
from lakehouse.store import file_lock
from lakehouse.store.base import Entry, Store, check_path
from lakehouse.store.disk_errors import translated, translated_block

_TEMPORARY = ".tmp-"
_KEPT_FOLDERS = 65_536


class LocalStore(Store):
    """Objects are files below one folder; symbolic links that lead out of it are refused."""

    def __init__(self, root: Path) -> None:
        """Take the root, which is made on the first write."""
        self._root = root
        self._inside: set[str] = set()
        self.url = str(root)

    def __repr__(self) -> str:
        """Name the root."""
        return f"LocalStore({self.url!r})"

    def put_if_absent(self, path: str, data: bytes) -> None:
        """See `Store.put_if_absent`."""
        with self.stage(path) as temporary:
            temporary.write_bytes(data)

    @contextmanager
    def stage(self, path: str, *, durable: bool = True) -> Iterator[Path]:
        """See `Store.stage`; the temporary file lies beside the target, on the same disk."""
        target = self._file(path)
        temporary = target.parent / f"{_TEMPORARY}{fresh_id()}"
        with translated(path):
            if _stat(target) is not None:
                raise AlreadyExistsError(f"{path} exists already.")
            disk.make_folder(target.parent)
        try:
            with translated_block(path, temporary):
                yield temporary
            with translated(path):
                _publish(path, temporary, target, durable=durable)
        finally:
            with suppress(OSError):  # a disk that failed must not hide its first error behind a second
                temporary.unlink()

    def get(self, path: str) -> bytes:
        """See `Store.get`."""
        file = self.local_path(path)
        with translated(path):
            try:
                return file.read_bytes()
            except FileNotFoundError as error:
                raise self._missing(path) from error

    def size(self, path: str) -> int | None:
        """See `Store.size`."""
        if path.rpartition("/")[0] in self._inside:  # every read looks for the head: no Path for that
            try:
                seen = os.lstat(f"{self.url}/{path}")
                if stat.S_ISREG(seen.st_mode):
                    return seen.st_size
            except FileNotFoundError:
                return None
            except (OSError, ValueError):
                pass  # said below
        file = self._file(path)
        with translated(path):
            found = _stat(file)
            if found is not None and stat.S_ISLNK(found.st_mode):
                found = _stat(self._real(path))
        return found.st_size if found is not None and stat.S_ISREG(found.st_mode) else None

    def mark(self, path: str) -> tuple[int, ...] | None:
        """See `Store.mark`: of a file, since a symbolic link does not tell when what it names changes."""
        if path.rpartition("/")[0] not in self._inside:
            self._file(path)
        try:
            found = os.lstat(f"{self.url}/{path}")
        except OSError:
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def local_path(self, path: str, *, sha256: str | None = None) -> Path:
        """See `Store.local_path`: the object itself."""
        if self.size(path) is None:
            raise self._missing(path)
        return self._root / path

    def list(self, prefix: str) -> Iterator[Entry]:
        """See `Store.list`; symbolic links are not objects and not followed."""
        with translated(prefix or self.url):
            top = self._real(check_path(prefix)) if prefix else self._root
            return iter(sorted(_walk(top, prefix), key=lambda entry: entry.path))

    def delete(self, path: str) -> None:
        """See `Store.delete`."""
        file = self._file(path)
        with translated(path):
            found = _stat(file)
            if found is not None and not stat.S_ISDIR(found.st_mode):
                file.unlink(missing_ok=True)

    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        """See `Store.lock`: an operating system lock on a hidden file beside `path`."""
        target = self._file(path)
        with file_lock.hold(target.with_name(f".{target.name}.lock"), path=path):
            yield

    def _missing(self, path: str) -> NotFoundError:
        return NotFoundError(f"There is no object {path} in {self.url}.")

    def _file(self, path: str) -> Path:
        """Return the file of a path whose folder is truly inside the root; each folder is looked at once."""
        folder = check_path(path).rpartition("/")[0]
        if folder and folder not in self._inside:
            with translated(path):
                self._real(folder)
                if len(self._inside) < _KEPT_FOLDERS and (self._root / folder).is_dir():
                    self._inside.add(folder)
        return self._root / path

    def _real(self, path: str) -> Path:
        """Follow symbolic links, but not out of the root."""
        real = Path(os.path.realpath(self._root / path))
        if not real.is_relative_to(os.path.realpath(self._root)):
            raise ArgumentError(
                f"{path} leads out of the lake {self.url}, to {real}.",
                hint="Move what the symbolic link points to into the lake; only the root may be a link.",
            )
        return real


def _publish(path: str, temporary: Path, target: Path, *, durable: bool) -> None:
    """Make a finished temporary file durable, name it, and make the name durable."""
    try:
        if durable:
            disk.sync(temporary)
        else:
            temporary.stat()
    except FileNotFoundError as error:
        hint = "Write the file that the block was given."
        raise StorageError(f"Nothing was written for {path}.", hint=hint) from error
    try:
        disk.link(temporary, target)
    except FileExistsError as error:
        raise AlreadyExistsError(f"{path} exists already.") from error
    if durable:
        disk.sync_folder(target.parent)


def _stat(file: Path) -> os.stat_result | None:
    """Look at a name itself, not at what a symbolic link points to."""
    try:
        return file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _walk(folder: Path, prefix: str) -> Iterator[Entry]:
    """Yield the objects below a folder; what vanishes meanwhile is skipped, what is unreadable raises."""
    try:
        with os.scandir(folder) as listing:
            children = [child for child in listing if not child.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return
    for child in children:
        path = f"{prefix}/{child.name}" if prefix else child.name
        if child.is_dir(follow_symlinks=False):
            yield from _walk(folder / child.name, path)
        elif child.is_file(follow_symlinks=False):
            # A fresh look: Windows keeps the size in a listing stale for hard links.
            found = _stat(folder / child.name)
            if found is not None:
                yield Entry(path, found.st_size)
