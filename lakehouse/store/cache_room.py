"""How much the cache may hold, and what goes first when it is full: what was used least recently."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from lakehouse.errors import ArgumentError

VARIABLE = "LAKEHOUSE_CACHE_SIZE"
DEFAULT_PERCENT = 20.0
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(%|(?:[kmgt]i?)?b?)", re.IGNORECASE)
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that copies may take."""

    bytes: int | None
    """in bytes; None where it is a share of the disk"""
    percent: float = 0.0
    """of what is free or the cache's own on its disk"""

    @classmethod
    def read(cls, text: str | None, *, variable: str = VARIABLE) -> Bound:
        """Read '20GB', '512MiB', '10%' or plain bytes; None or '' is the default, 20 % of the free disk.

        Args:
            text: of an environment variable.
            variable: its name, for the message.

        Raises:
            ArgumentError: it is none of these.

        Examples:
            >>> Bound.read("1.5KiB").bytes, Bound.read("20GB").bytes, Bound.read("10%").percent
            (1536, 20000000000, 10.0)
        """
        if not text:
            return cls(None, DEFAULT_PERCENT)
        found = _SIZE.fullmatch(text.strip())
        if found is None or (found[2] == "%" and float(found[1]) > 100):
            raise ArgumentError(
                f"{variable} is {text!r}, which is no size.",
                hint="Write bytes, or as 20GB, 512MiB, 10%; 0 keeps none.",
            )
        if found[2] == "%":
            return cls(None, float(found[1]))
        unit = found[2].lower().rstrip("b")
        base = 1024 if unit.endswith("i") else 1000
        return cls(int(float(found[1]) * base ** _UNITS[unit.rstrip("i")]))


@dataclass(frozen=True, slots=True)
class _Copy:
    used_ns: int
    size: int
    file: Path


class Room:
    """The copies of a cache, counted now and then: other processes add and evict as well."""

    def __init__(self, folder: Path, bound: Bound, *, sparse: bool = False) -> None:
        """Take the folder of the copies; it is looked at when the first copy comes.

        Args:
            folder: of folders of copies.
            bound: of all of them together.
            sparse: whether copies have holes, so that they count by what they take on the disk.
        """
        self._folder = folder
        self._sparse = sparse
        self._bound = bound
        self._limit: int | None = None
        self._total = 0
        self._uncounted = 0
        self._coming = 0
        self._guard = Lock()

    @contextmanager
    def admitted(self, size: int) -> Iterator[bool]:
        """Evict until a copy of `size` bytes fits, and say whether the block may add it to the copies.

        One above the bound may not be added, nor one that comes while others fill it. Several processes
        together may exceed the bound by a twentieth of it each, until they count again.

        Raises:
            OSError: the disk refused.
        """
        with self._guard:
            stays = self._make_room(size)
            self._coming += size if stays else 0
        try:
            yield stays
        finally:
            with self._guard:
                self._coming -= size if stays else 0

    def count(self) -> int:
        """Return the bytes that the copies take now."""
        return sum(copy.size for copy in self._copies())

    def limit(self) -> int:
        """Return the most bytes that the copies may take."""
        with self._guard:
            return self._find_limit()

    def _make_room(self, size: int) -> bool:
        limit = self._find_limit()
        slack, lacking = limit // 20, size - _free(self._folder)
        stays = size <= limit - self._coming
        if lacking > 0 or (stays and (self._total + size > limit or self._uncounted > slack)):
            copies = sorted(self._copies(), key=lambda copy: copy.used_ns)
            self._total, self._uncounted = sum(copy.size for copy in copies) + self._coming, 0
            over = self._total + size - limit if stays else 0
            self._evict(copies, max(lacking, over + slack if over > 0 else 0))
        if stays:
            self._total += size
            self._uncounted += size
        return stays

    def _find_limit(self) -> int:
        if self._limit is None:
            self._total = self.count()
            share = self._bound.percent / 100 * (_free(self._folder) + self._total)
            self._limit = int(share) if self._bound.bytes is None else self._bound.bytes
        return self._limit

    def _copies(self) -> Iterator[_Copy]:
        """Yield the copies; those that another process evicts meanwhile are left out."""
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._folder) as groups:
            for group in groups:
                with suppress(FileNotFoundError, NotADirectoryError), os.scandir(group.path) as files:
                    for file in files:
                        with suppress(FileNotFoundError):
                            yield self._copy(file)

    def _copy(self, file: os.DirEntry[str]) -> _Copy:
        found = file.stat(follow_symlinks=False)
        blocks = getattr(found, "st_blocks", None) if self._sparse else None
        return _Copy(found.st_mtime_ns, found.st_size if blocks is None else 512 * blocks, Path(file.path))

    def _evict(self, oldest_first: list[_Copy], wanted: int) -> None:
        freed = 0
        for copy in oldest_first:
            if freed >= wanted:
                break
            with suppress(OSError):  # Windows keeps what somebody has mapped
                copy.file.unlink(missing_ok=True)
                freed += copy.size
        self._total -= freed


def _free(folder: Path) -> int:
    """Return how many bytes are free on the disk where a folder lies, or will lie."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if hasattr(os, "statvfs"):
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize
    import shutil  # it loads five compressors

    return shutil.disk_usage(folder).free
