"""The form of one file of the cache: a head, a mark for each row group, values, and bitmaps.

    0      head: what the file holds, and of which data file; a multiple of 64 bytes
           marks: 4 words a row group: kind, offset, length, checksum; zeros where it is not there
    4096n  values of all rows, one after the other; a row group begins where its first row belongs
    4096n  bitmaps, bit 0 of a row group at a multiple of 64: values of booleans, and which rows are not null

All numbers are little endian. The file has its full length from the start, and is sparse. Of text only the
marks have a fixed place: each row group is added at the end, at the offset in its mark: where each row's text
ends (32 bits, one more than rows), the bitmap where there are nulls, the texts; each at a multiple of 8.
"""

from __future__ import annotations

import struct
import sys
import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.cached import cached_property
from lakehouse.partitions.columns.checksum import checksum

Integers = npt.NDArray[np.int64]

MAGIC = b"lakecol1"
_FACTS = "<8s32sqQq"
MARK = 32
PAGE = 4_096

PLAIN = 1
"""kind of a row group without nulls"""
NULLABLE = 2
"""kind of a row group of which a bitmap says what is not null"""


class Mark(NamedTuple):
    """What the file says of one row group."""

    kind: int
    """PLAIN or NULLABLE; 0 where it is not there"""
    offset: int
    """of text, where it begins"""
    length: int
    """of text, its bytes in all"""
    checksum: int
    """of its parts, never 0"""


@dataclass(frozen=True)
class ColumnFormat:
    """What the file of one column of one data file looks like."""

    sha256: str
    """of the data file"""
    column: str
    """the name"""
    kind: pa.DataType
    """of the values: of fixed width, or text"""
    group_starts: Integers
    """(n_row_groups + 1,) first row of each row group"""

    @staticmethod
    def fits(kind: pa.DataType) -> bool:
        """Say whether columns of a type can be cached."""
        known = pa.types.is_primitive(kind) or pa.types.is_boolean(kind) or pa.types.is_string(kind)
        return bool(known and sys.byteorder == "little")

    @cached_property
    def is_boolean(self) -> bool:
        """Whether values are bits, so that row groups do not join."""
        return bool(pa.types.is_boolean(self.kind))

    @cached_property
    def is_text(self) -> bool:
        """Whether values are text, so that row groups stand where there was room."""
        return bool(pa.types.is_string(self.kind))

    @cached_property
    def width(self) -> int:
        """Bytes of a value; 0 for bits and text."""
        return 0 if self.is_boolean or self.is_text else self.kind.bit_width // 8

    @cached_property
    def groups(self) -> int:
        """The number of row groups."""
        return len(self.group_starts) - 1

    @cached_property
    def head(self) -> bytes:
        """What the file begins with."""
        starts = np.ascontiguousarray(self.group_starts, "<i8")
        borders = checksum(starts.view(np.uint8), 0)
        facts = struct.pack(_FACTS, MAGIC, bytes.fromhex(self.sha256), self.groups, borders, len(self._text))
        whole = facts + self._text
        return whole.ljust(_up(len(whole), 64), b"\0")

    @cached_property
    def name(self) -> str:
        """The file's name, below the folder of the cache."""
        column = f"{zlib.crc32(self._text):08x}{zlib.crc32(self._text[::-1]):08x}"
        return f"{self.sha256[:2]}/{self.sha256}-{column}.column"

    @cached_property
    def _text(self) -> bytes:
        return f"{self.column}\n{self.kind}".encode()

    @cached_property
    def seed(self) -> int:
        """A number that stands for the head, to be mixed into checksums."""
        return checksum(np.frombuffer(self.head, np.uint8), 0)

    @cached_property
    def values(self) -> int:
        """Where the values begin."""
        return _up(len(self.head) + MARK * self.groups, PAGE)

    @cached_property
    def bitmaps(self) -> Integers:
        """(n_row_groups,) where the bitmap of each row group begins."""
        begin = _up(self.values + self.width * int(self.group_starts[-1]), PAGE)
        return begin + np.cumsum(self._bitmap_sizes) - self._bitmap_sizes

    @cached_property
    def size(self) -> int:
        """The length of the file; of text, of an empty one."""
        if self.is_text or not self.groups:
            return self.values
        return int(self.bitmaps[-1] + self._bitmap_sizes[-1])

    def has_size(self, size: int) -> bool:
        """Say whether a file may have this length."""
        return size >= self.size if self.is_text else size == self.size

    def rows(self, group: int) -> int:
        """Return the number of rows of a row group."""
        return int(self.group_starts[group + 1] - self.group_starts[group])

    def places(self, group: int, mark: Mark) -> list[tuple[int, int]]:
        """Return (offset, length) of the parts of a row group: values, a bitmap of nulls, texts."""
        bitmap = _up(self.rows(group), 64) // 8
        nullable = mark.kind == NULLABLE
        if self.is_text:
            ends = up_to_word(4 * (self.rows(group) + 1))
            texts = ends + nullable * bitmap
            parts = [(0, ends), (ends, bitmap), (texts, mark.length - texts)]
            return [(mark.offset + place, size) for place, size in (parts if nullable else parts[::2])]
        begin = int(self.bitmaps[group])
        if self.is_boolean:
            return [(begin, bitmap), (begin + bitmap, bitmap)][: 1 + nullable]
        values = self.values + int(self.group_starts[group]) * self.width
        return [(values, self.rows(group) * self.width), (begin, bitmap)][: 1 + nullable]

    @cached_property
    def _bitmap_sizes(self) -> Integers:
        sizes: Integers = -(-np.diff(self.group_starts) // 64) * (16 if self.is_boolean else 8)
        return sizes


def up_to_word(size: int) -> int:
    """Return a size in bytes, rounded up to whole words."""
    return _up(size, 8)


def _up(number: int, unit: int) -> int:
    return -(-number // unit) * unit
