"""This machine's cache: copies of what lies elsewhere, safe to delete whenever no lake is open."""

from __future__ import annotations

import hashlib
import os
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lakehouse.store import durable
from lakehouse.store.disk_errors import translated


def cache_folder() -> Path:
    """Return the folder that LAKEHOUSE_CACHE names, else this user's cache folder on this platform."""
    if chosen := os.environ.get("LAKEHOUSE_CACHE"):
        return Path(chosen).expanduser().absolute()
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "lakehouse"


@dataclass(frozen=True, slots=True)
class Cache:
    """Copies of one store's objects, shared by all processes of this user."""

    folder: Path
    """of the whole machine's cache"""
    identity: str
    """of the store: two stores with equal identities hold the same objects"""

    def object_file(self, path: str, tag: str) -> Path:
        """Return where the copy of an object belongs; the suffix stays, since readers go by it."""
        name = self._hash(path, tag)
        return self.folder / "objects" / name[:2] / f"{name}{Path(path).suffix}"

    def lock_file(self, path: str) -> Path:
        """Return the file whose lock stands for `path`."""
        return self.folder / "locks" / f"{self._hash(path)}.lock"

    @contextmanager
    def private_file(self, path: str) -> Iterator[Path]:
        """Give the name of a file of this process alone, for `path`; it is gone after the block.

        Raises:
            StorageError: the cache's disk refused.
        """
        staging = self.folder / "staging"
        with translated(path):
            staging.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = staging / f"{uuid.uuid4().hex}{Path(path).suffix}"
        try:
            yield file
        finally:
            with suppress(OSError):  # a disk that failed must not hide its first error behind a second
                file.unlink()

    def keep(self, path: str, tag: str, chunks: Iterable[bytes]) -> Path:
        """Store a copy whole, under its final name only when it is complete, and return it.

        Raises:
            StorageError: the cache's disk refused.
        """
        target = self.object_file(path, tag)
        with self.private_file(path) as temporary:
            with translated(f"the cache {self.folder}"), temporary.open("wb") as handle:
                for chunk in chunks:
                    handle.write(chunk)
                handle.flush()
                durable.sync_handle(handle.fileno())  # or a crash could leave the name without its bytes
            with translated(f"the cache {self.folder}"):
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _replace(temporary, target)
        return target

    def _hash(self, *parts: str) -> str:
        return hashlib.sha256("\n".join((self.identity, *parts)).encode()).hexdigest()


def _replace(temporary: Path, target: Path) -> None:
    try:
        temporary.replace(target)
    except PermissionError:  # Windows: somebody reads the copy that another process put there first
        if not target.is_file():
            raise
