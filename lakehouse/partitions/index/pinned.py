"""The files of a manifest, planned through an index of their own: made once, and cached by its SHA-256.

A small manifest is quicker read than an index is made, so that only large ones have one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from lakehouse.cached import cached_property
from lakehouse.partitions.file_list import FileList
from lakehouse.partitions.index import storage
from lakehouse.partitions.index.build import part_of
from lakehouse.partitions.index.columns import DamagedIndexError
from lakehouse.partitions.index.live import LiveFiles, Slice
from lakehouse.partitions.index.part import Part
from lakehouse.partitions.state import DataFile
from lakehouse.store.cache_folder import cache_folder
from lakehouse.times import Interval

LARGE = 1_024
"""files from which on a manifest has an index"""

_KEPT = 64


class PinnedFiles(FileList):
    """The files that a manifest names."""

    def __init__(self, data: bytes, count: int, load: Callable[[], tuple[DataFile, ...]]) -> None:
        """Take the manifest, its number of files, and what reads them all."""
        super().__init__(count, load)
        self._data = data

    @property
    def rows(self) -> int:
        """See `Files.rows`."""
        return self.live.rows

    @property
    def size(self) -> int:
        """See `Files.size`."""
        return self.live.size

    def select(self, symbols: Sequence[str] | None, interval: Interval) -> Sequence[DataFile]:
        """See `Files.select`."""
        return self.live.select(symbols, interval)

    @cached_property
    def live(self) -> LiveFiles:
        """The same files, as they are planned."""
        if len(self) < LARGE:
            return LiveFiles.of(self.all())
        import hashlib  # OpenSSL: not before there is something to hash

        folder, name = cache_folder() / "index" / "manifests", hashlib.sha256(self._data).hexdigest()
        with suppress(OSError, KeyError, TypeError, ValueError, DamagedIndexError):
            return self._by(storage.open_part(folder, storage.read_note(folder, name)))
        try:
            part = part_of(self.all(), {})
        except ValueError:  # a hash that is not one of ours
            return LiveFiles.of(self.all())
        with suppress(OSError, RuntimeError):
            storage.write_part(folder, name, part, {})
            storage.delete_oldest(folder, keep=_KEPT)
        return self._by(part)

    def _by(self, part: Part) -> LiveFiles:
        return LiveFiles([Slice(part)], reload=lambda: LiveFiles.of(self.all()))


def live_of(files: Sequence[DataFile]) -> LiveFiles:
    """Return the files of a version as they are planned."""
    return files.live if isinstance(files, PinnedFiles) else LiveFiles.of(files)
