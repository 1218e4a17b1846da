"""The one small interface through which every byte of a lake is written and read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import ArgumentError


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a listing."""

    path: str
    """relative to the root, with '/' between segments"""
    size: int
    """in bytes"""


class Store(ABC):
    """Immutable objects under one root: put once, read often, never changed.

    Paths are relative, with '/' between segments, on every system. An object appears whole or not at all, and once
    a put has returned it survives a crash. There is no overwrite: whoever puts first wins.
    """

    url: str
    """the root as the user named it: a local path or `s3://bucket/prefix`; carries no secret"""

    @abstractmethod
    def put_if_absent(self, path: str, data: bytes) -> None:
        """Publish `data` durably at `path`, in one atomic step.

        Raises:
            AlreadyExistsError: an object is there; it is untouched.
            StorageError: the disk or bucket refused (full, read-only, unreachable); nothing is visible.
        """

    @abstractmethod
    def stage(self, path: str) -> AbstractContextManager[Path]:
        """Give a private local file to write, and publish it durably at `path` when the block ends.

        A block that raises publishes nothing and leaves nothing behind.

        Raises:
            AlreadyExistsError: an object is there; it is untouched.
            StorageError: the disk or bucket refused; nothing is visible.
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

    @abstractmethod
    def local_path(self, path: str) -> Path:
        """Return a local file with the object's bytes, to be read and never written.

        For a local root it is the object itself; for a bucket a cached copy of the immutable object.

        Raises:
            NotFoundError: there is no such object.
        """

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

        It is a courtesy that saves retries: `put_if_absent` alone decides who wins.
        """


def check_path(path: str) -> str:
    """Return `path` if it is relative, plain, and stays below the root.

    Raises:
        ArgumentError: it is empty, absolute, or holds an empty, '.' or '..' segment or a backslash.

    Examples:
        >>> check_path("catalog/lake.json")
        'catalog/lake.json'
    """
    segments = path.split("/")
    if any(segment in ("", ".", "..") for segment in segments) or "\\" in path or "\0" in path or ":" in segments[0]:
        raise ArgumentError(f"Not a path inside the lake: {path!r}.")
    return path
