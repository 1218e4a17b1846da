"""The one small interface through which every byte of a lake is written and read."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from lakehouse.errors import ArgumentError

MAX_SEGMENT_BYTES = 240  # leaves room for a hidden lock file's name beside it in the 255 that disks allow
MAX_PATH_BYTES = 800  # leaves room for a bucket's prefix in the 1024 that S3 allows

# What Windows can not store, or takes for a device or a stream, no disk gets: so a lake can be copied.
# The last two can not stand in the XML of a bucket's listing.
_ILLEGAL = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\\ufffe\uffff]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a listing."""

    path: str
    """relative to the root, with '/' between segments"""
    size: int
    """in bytes"""


class Claims(Protocol):
    """What a process has told the others that it uses; `catalog.session.Session` is one."""

    @property
    def expired(self) -> bool:
        """Whether it was ever taken for dead, so that what it used may be gone."""


class Store(ABC):
    """Immutable objects under one root: put once, read often, never changed.

    Paths are relative, with '/' between segments, on every system (`check_path`); every method raises
    `ArgumentError` for another. An object appears whole or not at all, and once a put has returned it
    survives a crash. There is no overwrite: whoever puts first wins. No path is both an object and the
    folder of another.
    """

    url: str
    """the root as the user named it: a local path or `s3://bucket/prefix`; carries no secret"""

    claims: Claims | None = None
    """what this process reads and writes here, for as long as the store is in use"""

    @abstractmethod
    def put_if_absent(self, path: str, data: bytes) -> None:
        """Publish `data` durably at `path`, in one atomic step.

        Raises:
            AlreadyExistsError: an object is there; it is untouched.
            StorageError: the disk or bucket refused (full, read-only, unreachable); nothing is visible.
        """

    @abstractmethod
    def stage(self, path: str, *, durable: bool = True) -> AbstractContextManager[Path]:
        """Give a private local file to write, and publish it durably at `path` when the block ends.

        A block that raises publishes nothing and leaves nothing behind; what it raises passes unchanged, but
        for the refusals of the disk that holds the private file.

        Args:
            path: of the object.
            durable: False for what the processes of one run hand each other, and nobody reads after it: a
                crash of the machine may lose or tear it. A bucket has no such objects.

        Raises:
            AlreadyExistsError: an object is there (before the block or after it); it is untouched.
            StorageError: the disk or bucket refused, also within the block, or the block wrote no file;
                nothing is visible.
        """

    @abstractmethod
    def get(self, path: str) -> bytes:
        """Return the whole object.

        Raises:
            NotFoundError: there is none.
        """

    @abstractmethod
    def size(self, path: str) -> int | None:
        """Return the object's size in bytes, or None if there is none."""

    def mark(self, path: str) -> tuple[int, ...] | None:
        """Return what tells this object from another one that is put at its path later.

        None where that costs more than to get it again, as in a bucket, or where there is no object.
        """
        return None

    @abstractmethod
    def local_path(self, path: str, *, sha256: str | None = None) -> Path:
        """Return a local file with the object's bytes, to be read and never written.

        For a local root it is the object itself, for a bucket a copy in a bounded cache, from which it may be
        evicted again: prefer `held`.

        Args:
            path: of the object.
            sha256: of its bytes, where the caller knows it: a copy that differs is thrown away, and fetched
                again. An object itself is not looked at.

        Raises:
            NotFoundError: there is no such object.
            IntegrityError: what the bucket gives does not have that SHA-256.
            StorageError: the bucket is unreachable, or the cache's disk is full.
        """

    @contextmanager
    def held(self, path: str, *, sha256: str | None = None) -> Iterator[Path]:
        """Give a local file as `local_path` does, which stays for as long as the block runs.

        Raises:
            NotFoundError: there is no such object.
            IntegrityError: what the bucket gives does not have that SHA-256.
            StorageError: the bucket is unreachable, or the cache's disk is full.
        """
        yield self.local_path(path, sha256=sha256)

    @abstractmethod
    def list(self, prefix: str) -> Iterator[Entry]:
        """Yield every object below the folder `prefix` (a whole path segment, '' for all), sorted by path.

        Unfinished writes do not show.
        """

    @abstractmethod
    def delete(self, path: str) -> None:
        """Remove an object; one that is not there is no error."""

    @abstractmethod
    def lock(self, path: str) -> AbstractContextManager[None]:
        """Hold a lock that queues the writers of this machine and dies with its process.

        It is a courtesy that saves retries: `put_if_absent` alone decides who wins. So nobody waits for ever
        behind a process that hangs: after a minute the block is entered without the lock. A thread must not
        nest it.

        Raises:
            StorageError: the disk refused.
        """

    def __getstate__(self) -> dict[str, Any]:
        """Travel to another process without the claims of this one."""
        return {name: value for name, value in vars(self).items() if name != "claims"}

    def connection(self) -> dict[str, str]:
        """Return how another library reaches the same root, as AWS variables; it holds secrets.

        Empty for a local root.
        """
        return {}


def check_path(path: str) -> str:
    """Return `path` if it stays below the root and can be stored on every system.

    Names that begin with a dot are kept for unfinished writes and locks.

    Raises:
        ArgumentError: it is empty, absolute, too long, or a segment is empty, begins with a dot, ends in a
            dot or a space, holds a character that Windows or XML refuses, or is a device name on Windows.

    Examples:
        >>> check_path("catalog/lake.json")
        'catalog/lake.json'
    """
    fault = next((fault for segment in path.split("/") if (fault := _fault(segment))), None)
    if fault is None and len(path.encode()) > MAX_PATH_BYTES:
        fault = f"it is longer than {MAX_PATH_BYTES} bytes"
    if fault:
        shown = path if len(path) <= 200 else f"{path[:200]}…"
        raise ArgumentError(f"Not a path inside the lake: {shown!r}: {fault}.")
    return path


@lru_cache(maxsize=4096)
def _fault(segment: str) -> str | None:
    """Say what is wrong with one segment of a path, if anything."""
    if segment in ("", ".", ".."):
        return "it is absolute or has an empty, '.' or '..' segment"
    if segment.startswith(".") or segment.endswith((".", " ")):
        return "a segment begins with a dot, or ends in a dot or a space"
    if illegal := _ILLEGAL.search(segment):
        return f"it holds {illegal.group()!r}"
    if _RESERVED.fullmatch(segment):
        return f"{segment!r} is a device on Windows"
    try:
        size = len(segment.encode())
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    return f"a segment is longer than {MAX_SEGMENT_BYTES} bytes" if size > MAX_SEGMENT_BYTES else None
