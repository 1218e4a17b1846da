"""A process's own corner of the cache: unfinished downloads, and links to the copies that it uses.

An operating system lock says that the process lives; whoever finds one free clears the corner away.
"""

from __future__ import annotations

import atexit
import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path
from threading import RLock

from filelock import FileLock, Timeout

from lakehouse.store.disk_errors import NO_HARD_LINKS

_FOLDER = "processes"


class Corner:
    """The folder of this process below a cache, shared by its threads."""

    def __init__(self, cache: Path) -> None:
        """Take the folder of the whole cache; nothing is made yet."""
        self.verified: dict[str, int] = {}
        """copies whose bytes this process has seen to be right, with the number of the file on the disk"""
        self._home = cache / _FOLDER
        self._guard = RLock()
        self._held: dict[str, int] = {}
        self._lock: FileLock | None = None
        self._folder = self._home / "none"
        self._process = os.getpid()
        atexit.register(self._leave)

    def new_file(self, suffix: str) -> Path:
        """Return a free name.

        Raises:
            OSError: the disk refused.
        """
        with self._guard:
            self._enter()
            return self._folder / f"{uuid.uuid4().hex}{suffix}"

    def held(self, name: str) -> Path | None:
        """Hold a copy once more that this process holds already; None if it does not."""
        with self._guard:
            if self._held.get(name) and (self._folder / name).is_file():
                self._held[name] += 1
                return self._folder / name
            return None

    def hold(self, copy: Path, name: str) -> Path:
        """Keep a copy under this process's own name for it until `release`; where it is held, that one.

        On a disk without hard links the copy itself is returned, which nothing keeps.

        Raises:
            FileNotFoundError: there is no copy, or no longer.
            OSError: the disk refused.
        """
        with self._guard:
            if known := self.held(name):
                return known
            self._enter()
            own = self._folder / name
            own.unlink(missing_ok=True)  # a link that could not be deleted when it was released
            try:
                os.link(copy, own)
            except OSError as error:
                if error.errno not in NO_HARD_LINKS or not copy.is_file():
                    raise
                return copy
            self._held[name] = 1
            return own

    def release(self, name: str) -> None:
        """Give up a hold."""
        with self._guard:
            self._held[name] = self._held.get(name, 0) - 1
            if self._held[name] <= 0:
                self.forget(name)

    def forget(self, name: str) -> None:
        """Give up all holds of a copy: it is damaged, or nobody uses it."""
        with self._guard:
            self._held.pop(name, None)
            with suppress(OSError):  # Windows: somebody has it mapped still
                (self._folder / name).unlink()

    def _enter(self) -> None:
        """Make the folder, or make it again where somebody deleted the cache."""
        if self._lock is not None and self._folder.is_dir() and Path(self._lock.lock_file).exists():
            return
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held.clear()
        if self._lock is not None:
            self._lock.release()
        self._lock = None
        clear_dead(self._home)
        while self._lock is None:
            folder = self._home / uuid.uuid4().hex
            self._lock = _locked(folder.with_suffix(".lock"))
        folder.mkdir(mode=0o700)
        self._folder = folder

    def _leave(self) -> None:
        if self._lock is not None and self._process == os.getpid():
            _clear(self._folder, self._lock)


def clear_dead(home: Path) -> None:
    """Delete the corners of processes that are gone."""
    for file in home.glob("*.lock"):
        if lock := _locked(file):
            _clear(file.with_suffix(""), lock)


def _locked(file: Path) -> FileLock | None:
    """Lock a file that is there when it is locked; None if another process has it, or had it and cleared."""
    lock = FileLock(file, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except (Timeout, PermissionError):
        return None
    if file.exists():
        return lock
    lock.release()
    return None


def _clear(folder: Path, lock: FileLock) -> None:
    """Delete a corner, its folder first: a folder without a lock file would stay for ever."""
    shutil.rmtree(folder, ignore_errors=True)
    file = Path(lock.lock_file)
    if os.name == "nt":  # it deletes no open file
        lock.release()
    with suppress(OSError):
        file.unlink()
    lock.release()
