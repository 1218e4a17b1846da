"""A checksum of a Parquet footer, kept in the footer itself.

Pages have checksums of their own; the footer, which tells where they are and what they mean, has none, and an
altered byte of it could hide rows in silence. So it holds, under a key of ours, the CRC-32 of its own bytes,
computed as if the eight hex digits were zeros. A file of an earlier release has no such key and is taken as
it is; `verify` looks at its SHA-256.
"""

from __future__ import annotations

import zlib
from pathlib import Path

KEY = b"lakehouse.footer_crc32"
BLANK = b"00000000"
_MAGIC = b"PAR1"
_TAIL = 8  # the length of the footer, four bytes, and the magic
_BEFORE_VALUE = 2  # Thrift's compact protocol: type and number of the field, then the length


def seal(file: Path) -> None:
    """Write the checksum into a file that was written with the key and a blank value."""
    footer, start = _footer(file)
    place = _place(footer)
    if place is None or footer[place : place + len(BLANK)] != BLANK:
        raise ValueError(f"{file} has no blank checksum")
    with file.open("rb+") as handle:
        handle.seek(start + place)
        handle.write(_checksum(footer, place))


def is_intact(file: Path) -> bool:
    """Say whether the footer is the one that was written; True for a file without a checksum.

    Raises:
        OSError: the file can not be read.
    """
    footer, _ = _footer(file)
    place = _place(footer)
    return place is None or footer[place : place + len(BLANK)] == _checksum(footer, place)


def footer_bytes(file: Path) -> bytes:
    """Return the footer as it is in the file, with the length and the magic after it.

    Raises:
        OSError: the file can not be read.
    """
    return _footer(file)[0]


def _footer(file: Path) -> tuple[bytes, int]:
    """Return the footer, and where in the file it begins; empty for what is no Parquet file."""
    with file.open("rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(max(0, size - _TAIL))
        tail = handle.read(_TAIL)
        start = size - _TAIL - int.from_bytes(tail[:4], "little")
        if not tail.endswith(_MAGIC) or start < 0:
            return b"", 0
        handle.seek(start)
        return handle.read(size - start), start


def _place(footer: bytes) -> int | None:
    """Return where the digits are."""
    found = footer.rfind(KEY)
    return None if found < 0 else found + len(KEY) + _BEFORE_VALUE


def _checksum(footer: bytes, place: int) -> bytes:
    blank = footer[:place] + BLANK + footer[place + len(BLANK) :]
    return f"{zlib.crc32(blank):08x}".encode("ascii")
