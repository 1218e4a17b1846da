"""This machine's cache: copies of what lies elsewhere, bounded, and safe to delete at any moment.

A copy is whole or absent, and is looked at before it is used: by its size, and where the caller knows the
SHA-256 once in each process by that. `hold` gives a process a name of its own for a copy (a hard link), so
that neither an eviction nor `rm -r` takes it from a reader.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from lakehouse.errors import IntegrityError, StorageError
from lakehouse.store import durable
from lakehouse.store.cache_corner import Corner
from lakehouse.store.cache_room import VARIABLE, Bound, Room
from lakehouse.store.disk_errors import translated


@dataclass(frozen=True, slots=True)
class Content:
    """What an object is, as its source and its reader know it."""

    path: str
    """relative to the root of its store"""
    tag: str
    """the source's name for these bytes, such as an ETag"""
    size: int
    """in bytes"""
    sha256: str | None = None
    """of the bytes, where the reader knows it"""


@dataclass(frozen=True, slots=True)
class Cache:
    """Copies of one store's objects, shared by all processes of this user."""

    folder: Path
    """of the whole machine's cache"""
    identity: str
    """of the store: two stores with equal identities hold the same objects"""
    bound: Bound = field(default_factory=lambda: Bound.read(os.environ.get(VARIABLE)))
    """the most that copies may take, of all stores together"""

    def copy_file(self, content: Content) -> Path:
        """Return where the copy of an object belongs; the suffix stays, since readers go by it."""
        name = f"{self._hash(content.path, content.tag)}{Path(content.path).suffix}"
        return self.folder / "objects" / name[:2] / name

    def lock_file(self, path: str) -> Path:
        """Return the file whose lock stands for `path`."""
        return self.folder / "locks" / f"{self._hash(path)}.lock"

    @contextmanager
    def private_file(self, path: str) -> Iterator[Path]:
        """Give the name of a file of this process alone, for `path`; it is gone after the block.

        Raises:
            StorageError: the cache's disk refused.
        """
        with translated(path):
            file = self._corner.new_file(Path(path).suffix)
        try:
            yield file
        finally:
            with suppress(OSError):  # a disk that failed must not hide its first error behind a second
                file.unlink()

    def hold(self, content: Content) -> Path | None:
        """Return the copy under a name that stays until `release`; None if there is none that is sound.

        Raises:
            StorageError: the cache's disk refused.
        """
        copy = self.copy_file(content)
        with translated(f"the cache {self.folder}"):
            try:
                held = self._corner.hold(copy, copy.name)
                if self._is_sound(held, content):
                    os.utime(held)
                    return held
            except FileNotFoundError:  # evicted, before it was held
                return None
            self._corner.forget(copy.name)
            with suppress(PermissionError):  # Windows: another process reads it, and will find out
                copy.unlink(missing_ok=True)
        return None

    def release(self, content: Content) -> None:
        """Give up the name that `hold` or `keep` gave."""
        self._corner.release(self.copy_file(content).name)

    def keep(self, content: Content, chunks: Iterable[bytes]) -> Path:
        """Store a copy whole, and return it as `hold` does; one above the bound is there until `release`.

        Raises:
            IntegrityError: the chunks do not have the SHA-256 that the reader knows.
            StorageError: the chunks break off, or the cache's disk refused.
        """
        copy = self.copy_file(content)
        with (
            translated(f"the cache {self.folder}"),
            self._room.admitted(content.size) as stays,
            self.private_file(content.path) as draft,
        ):
            _write(content, chunks, draft)
            self._note_sound(draft, content)
            held = self._corner.hold(draft, copy.name)
            if not self._is_sound(held, content):  # another thread's, who knew less about it
                self._corner.forget(copy.name)
                held = self._corner.hold(draft, copy.name)
            if stays or held == draft:
                _publish(draft, copy)
            return copy if held == draft else held

    def offer(self, content: Content, held: Path) -> Path:
        """Return the copy under the name that all processes share, which an eviction may take at any time.

        Raises:
            StorageError: the cache's disk refused.
        """
        copy = self.copy_file(content)
        with translated(f"the cache {self.folder}"), suppress(FileExistsError):
            if held != copy and not copy.is_file():
                copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.link(held, copy)
        return copy

    @property
    def _corner(self) -> Corner:
        return _corner(os.getpid(), self.folder)

    @property
    def _room(self) -> Room:
        return _room(os.getpid(), self.folder / "objects", self.bound)

    def _hash(self, *parts: str) -> str:
        return hashlib.sha256("\n".join((self.identity, *parts)).encode()).hexdigest()

    def _is_sound(self, held: Path, content: Content) -> bool:
        """Look at a copy's size, and the first time in this process at its bytes."""
        found = held.stat()
        if found.st_size != content.size:
            return False
        if content.sha256 is None or self._corner.verified.get(held.name) == found.st_ino:
            return True
        with held.open("rb") as handle:
            if hashlib.file_digest(handle, "sha256").hexdigest() != content.sha256:
                return False
        self._note_sound(held, content)
        return True

    def _note_sound(self, held: Path, content: Content) -> None:
        if content.sha256 is not None:
            self._corner.verified[self.copy_file(content).name] = held.stat().st_ino


@cache
def _corner(process: int, folder: Path) -> Corner:
    """Return the corner of a process: a fork gets one of its own."""
    return Corner(folder)


@cache
def _room(process: int, folder: Path, bound: Bound) -> Room:
    return Room(folder, bound)


def _write(content: Content, chunks: Iterable[bytes], draft: Path) -> None:
    digest, size = hashlib.sha256(), 0
    with draft.open("wb") as handle:
        for chunk in chunks:
            handle.write(chunk)
            size += len(chunk)
            if content.sha256 is not None:
                digest.update(chunk)
        handle.flush()
        durable.sync_handle(handle.fileno())  # or a crash could leave the name without its bytes
    if size != content.size:
        raise StorageError(f"{content.path} broke off after {size} of {content.size} bytes.")
    if content.sha256 is not None and digest.hexdigest() != content.sha256:
        raise IntegrityError(
            f"The bytes of {content.path} were altered: SHA-256 {digest.hexdigest()}, not {content.sha256}.",
            hint="Restore it from a backup or an export.",
        )


def _publish(draft: Path, copy: Path) -> None:
    copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        draft.replace(copy)
    except PermissionError:  # Windows: somebody reads the copy that another process put there first
        if not copy.is_file():
            raise
