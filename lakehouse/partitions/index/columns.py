"""Arrays by name, in memory or in a memory-mapped file; what is mapped is checked where it is touched.

An index of half a million files has 100 MB: to check all of it at every start would cost more than the
question. So each block of 32 KiB has a checksum of its own, and is looked at once in a process, on first use.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from lakehouse.errors import IntegrityError
from lakehouse.partitions.arrays import distinct

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]

BLOCK = 32_768
_WORDS = BLOCK // 8
_DENSE = 64
# Odd weights: a change of any one word changes the sum, and so does a swap of two.
_WEIGHTS = np.arange(_WORDS, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C16) + np.uint64(1)


class DamagedIndexError(IntegrityError):
    """A cached index is not what was written; nobody loses anything but the time to make it anew."""


class Columns(Protocol):
    """Named arrays of one dimension."""

    def names(self) -> tuple[str, ...]:
        """Return the names."""

    def whole(self, name: str) -> Array:
        """Return an array."""

    def span(self, name: str, start: int, stop: int) -> Array:
        """Return a part of an array."""

    def pick(self, name: str, rows: Array) -> Array:
        """Return some values of an array."""


class Held:
    """Arrays in memory."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        """Take the arrays."""
        self.arrays = arrays

    def names(self) -> tuple[str, ...]:
        """See `Columns.names`."""
        return tuple(self.arrays)

    def whole(self, name: str) -> Array:
        """See `Columns.whole`."""
        return self.arrays[name]

    def span(self, name: str, start: int, stop: int) -> Array:
        """See `Columns.span`."""
        return self.arrays[name][start:stop]

    def pick(self, name: str, rows: Array) -> Array:
        """See `Columns.pick`."""
        return self.arrays[name][rows]


class Place(NamedTuple):
    """Where an array lies in a file."""

    dtype: str
    """in numpy's spelling"""
    offset: int
    """in bytes"""
    length: int
    """in values"""


class Mapped:
    """Arrays in a file that is memory mapped.

    Raises:
        DamagedIndexError: from every method: a block does not have its checksum.
    """

    def __init__(self, path: Path, places: Mapping[str, Place], sums: npt.NDArray[np.uint64]) -> None:
        """Map the file.

        Raises:
            OSError: it is not there.
            DamagedIndexError: it does not have the size that the checksums stand for.
        """
        with path.open("rb") as handle:
            self._map = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        self._bytes = np.frombuffer(self._map, np.uint8)
        self._path, self._places, self._sums = path, places, sums
        outside = any(
            place.offset < 0
            or place.offset + place.length * np.dtype(place.dtype).itemsize > len(self._bytes)
            for place in places.values()
        )
        if outside or -(-len(self._bytes) // BLOCK) != len(sums):
            raise self._damaged()
        self._good = np.zeros(len(sums), np.bool_)

    def names(self) -> tuple[str, ...]:
        """See `Columns.names`."""
        return tuple(self._places)

    def whole(self, name: str) -> Array:
        """See `Columns.whole`."""
        return self.span(name, 0, self._places[name].length)

    def span(self, name: str, start: int, stop: int) -> Array:
        """See `Columns.span`."""
        place = self._places[name]
        dtype = np.dtype(place.dtype)
        low, high = place.offset + start * dtype.itemsize, place.offset + stop * dtype.itemsize
        self._check(np.arange(low // BLOCK, -(-high // BLOCK)))
        return self._bytes[low:high].view(dtype)

    def pick(self, name: str, rows: Array) -> Array:
        """See `Columns.pick`."""
        place = self._places[name]
        if len(rows) * _DENSE > place.length:
            return self.whole(name)[rows]
        dtype = np.dtype(place.dtype)
        values = self._bytes[place.offset : place.offset + place.length * dtype.itemsize].view(dtype)
        first = place.offset + rows.astype(np.int64) * dtype.itemsize
        self._check(first // BLOCK)
        self._check((first + (dtype.itemsize - 1)) // BLOCK)
        return values[rows]

    def _check(self, blocks: Integers) -> None:
        new = blocks[~self._good[blocks]]
        if not len(new):
            return
        for block in distinct(new).tolist():
            if checksum(self._bytes[block * BLOCK : (block + 1) * BLOCK]) != self._sums[block]:
                raise self._damaged()
            self._good[block] = True

    def _damaged(self) -> DamagedIndexError:
        return DamagedIndexError(f"The cached index {self._path} is damaged.", hint="Delete it.")


def checksum(block: npt.NDArray[np.uint8]) -> np.uint64:
    """Return the checksum of at most one block; a short one counts as if zeros followed."""
    if len(block) % 8:
        block = np.append(block, np.zeros(-len(block) % 8, np.uint8))
    words = block.view(np.uint64)
    return np.uint64(np.dot(words, _WEIGHTS[: len(words)]))


def checksums(path: Path) -> npt.NDArray[np.uint64]:
    """Return the checksum of each block of a file."""
    data = np.fromfile(path, np.uint8)
    return np.array(
        [checksum(data[start : start + BLOCK]) for start in range(0, len(data), BLOCK)], np.uint64
    )
