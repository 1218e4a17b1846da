"""Intact copies of lost bytes: in another lake, export or backup, or in this machine's cache of a bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lakehouse.catalog.lake_document import LAKE_DOCUMENT
from lakehouse.errors import LakehouseError, NotFoundError
from lakehouse.store import LocalStore, Store, open_store
from lakehouse.store.cache_folder import cache_folder


@dataclass(frozen=True, slots=True)
class Copies:
    """Where copies may lie."""

    source: Store | None
    """another lake that has the file at the same path"""
    cached: tuple[Path, ...]
    """the files of this machine's cache of buckets"""

    def find(self, path: str, sha256: str, size: int | None) -> Path | None:
        """Return a file whose bytes have this hash, if there is one."""
        return next((file for file in self._likely(path, size) if hash_of(file) == sha256), None)

    def _likely(self, path: str, size: int | None) -> Iterator[Path]:
        if self.source is not None:
            try:
                if self.source.size(path) is not None:
                    yield self.source.local_path(path)
            except LakehouseError:  # it can not be reached: then it is no help
                pass
        yield from (file for file in self.cached if size is not None and _size(file) == size)


def open_source(url: str | Path) -> Store:
    """Return the store of a lake from which files may be put back.

    Raises:
        NotFoundError: there is no lake.
    """
    store = open_store(url)
    if store.size(LAKE_DOCUMENT) is None:
        raise NotFoundError(
            f"There is no lake at {store.url}.", hint="Name the root of a copy, an export or a backup."
        )
    return store


def copies_for(store: Store, source: Store | None) -> Copies:
    """Return where copies of a lake's objects may lie; a local lake has none in the cache."""
    if isinstance(store, LocalStore):
        return Copies(source, ())
    return Copies(source, tuple(_files(cache_folder() / "objects")))


def hash_of(file: Path) -> str:
    """Return the SHA-256 of a file; an empty text if it can not be read."""
    try:
        with file.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError:
        return ""


def _files(folder: Path) -> Iterable[Path]:
    try:
        return sorted(path for path in folder.glob("*/*") if path.is_file())
    except OSError:
        return ()


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except OSError:
        return None
