"""Frames: rows with a length and a checksum, one behind the other in a segment."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zlib import crc32

MARK = b"\xf5row"
"""how a frame begins; no UTF-8 text holds it"""
ROWS, BATCH, REFUSED_BATCH = 1, 2, 3
"""payload: packed rows; an Arrow record batch; one with a last column of booleans, the rows to quarantine"""
ALIGNMENT = 8

_HEAD = struct.Struct("<4sIIB3xQI4x")
_BODY = struct.Struct("<IB3xQI4x")
HEAD_BYTES = _HEAD.size


@dataclass(frozen=True, slots=True)
class Frame:
    """A valid frame."""

    offset: int
    """where it begins in the segment"""
    end: int
    """where the next one begins"""
    kind: int
    """`ROWS`, `BATCH` or `REFUSED_BATCH`"""
    first: int
    """number of its first row"""
    rows: int
    """how many"""
    payload: memoryview
    """bytes of the segment, without a copy"""


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a segment that are no frame, where one should be."""

    offset: int
    """where they begin"""
    length: int
    """in bytes, up to the next valid frame or to the last byte that is not zero"""
    is_torn: bool
    """whether nothing follows: the writer died within its last frame, which it never acknowledged"""


def encode_frame(kind: int, first: int, rows: int, payload: bytes, *, salt: int) -> bytes:
    """Return a frame, padded to a multiple of 8 bytes."""
    body = _BODY.pack(len(payload), kind, first, rows)
    check = crc32(payload, crc32(body, salt))
    return b"".join((MARK, check.to_bytes(4, "little"), body, payload, bytes(-len(payload) % ALIGNMENT)))


def frame_bytes(payload: int) -> int:
    """Return the size of the frame of so many bytes."""
    return HEAD_BYTES + payload + -payload % ALIGNMENT


def frame_at(data: memoryview, offset: int, *, salt: int) -> Frame | None:
    """Return the frame that begins at an offset; None where there is no valid one."""
    start = offset + HEAD_BYTES
    if start > len(data):
        return None
    mark, check, length, kind, first, rows = _HEAD.unpack_from(data, offset)
    end = start + length + -length % ALIGNMENT
    if mark != MARK or end > len(data):
        return None
    payload = data[start : start + length]
    if crc32(payload, crc32(data[offset + 8 : start], salt)) != check:
        return None
    return Frame(offset, end, kind, first, rows, payload)


def live_frames(data: memoryview, offset: int, *, salt: int) -> Iterator[Frame]:
    """Yield the frames from an offset on, up to the first place where none is, or none yet."""
    while (frame := frame_at(data, offset, salt=salt)) is not None:
        yield frame
        offset = frame.end


def all_frames(data: memoryview, offset: int, *, salt: int) -> Iterator[Frame | Damage]:
    """Yield every frame of a segment that nobody writes any more, and what lies between them."""
    last = 0
    while True:
        for frame in live_frames(data, offset, salt=salt):
            yield frame
            offset, last = frame.end, frame.first + frame.rows - 1
        found = _next_frame(data, offset, last, salt=salt)
        if found is None:
            break
        yield Damage(offset, found.offset - offset, is_torn=False)
        offset = found.offset
    rest = bytes(data[offset:]).rstrip(b"\0")
    if rest:
        yield Damage(offset, len(rest), is_torn=True)


def _next_frame(data: memoryview, offset: int, last: int, *, salt: int) -> Frame | None:
    """Return the first valid frame behind an offset whose rows come after the row `last`."""
    text: Any = data.obj  # an `mmap`, or bytes: both can be searched
    while (offset := text.find(MARK, offset + 1)) >= 0:
        if offset % ALIGNMENT == 0:
            frame = frame_at(data, offset, salt=salt)
            if frame is not None and frame.first > last:
                return frame
    return None
