"""The log of one writer: frames behind each other in segments whose space is taken beforehand."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lakehouse.partitions.tail.folder import segment_name
from lakehouse.partitions.tail.frames import encode_frame, frame_bytes
from lakehouse.partitions.tail.segment import PAGE_BYTES, SegmentHeader, allocate, create_segment
from lakehouse.store import durable

SEGMENT_BYTES = 16 << 20

SPARE = ".spare"
"""name of the file whose space the next segment gets"""


class FlushError(OSError):
    """The disk refused to flush a segment: nobody knows what of it survives."""


class TailLog:
    """Appends the frames of one writer; of one thread at a time, but for `prepare_spare`."""

    def __init__(self, folder: Path, header: SegmentHeader, first: int, segment_bytes: int) -> None:
        """Take the writer's folder and what its segments say; `first` is the number of the next row."""
        self.next = first
        self.closed: list[Path] = []
        """segments that get no more frames"""
        self._folder = folder
        self._header = header
        self._segment_bytes = segment_bytes
        self._file: OpenFile | None = None
        self._offset = self._size = 0

    def append(self, kind: int, rows: int, payload: bytes) -> None:
        """Append a frame: readers see it, and it is durable after `file` was flushed.

        Raises:
            FlushError: the disk refused to flush the segment before; nothing was appended.
            OSError: the disk refused; nothing was appended.
        """
        size = frame_bytes(len(payload))
        if self._file is None or self._offset + size > self._size:
            self._file = self._begin_segment(size)
        frame = encode_frame(kind, self.next, rows, payload, salt=self._header.salt)
        self._file.write_at(self._offset, frame)
        self._offset += size
        self.next += rows

    @property
    def file(self) -> OpenFile | None:
        """The segment to flush; those before it are durable."""
        return self._file

    def close_segment(self) -> None:
        """Flush the segment that is written, and append no more to it.

        Raises:
            FlushError: the disk refused to flush.
        """
        if self._file is None:
            return
        try:
            durable.sync_data(self._file.handle)
        except OSError as error:
            raise FlushError(*error.args) from error
        self.closed.append(self._file.path)
        # NOTE: another thread may be about to flush it: it is closed when nobody refers to it any more.
        self._file = None

    def forget(self, closed: Sequence[Path]) -> None:
        """Forget segments that were sealed."""
        self.closed = [each for each in self.closed if each not in closed]

    def prepare_spare(self) -> None:
        """Take the space of the next segment, so that no write waits for it; another thread may do so.

        Raises:
            OSError: the disk is full.
        """
        spare = self._folder / SPARE
        if not spare.exists():
            temporary = spare.with_name(f".tmp-{secrets.token_hex(16)}")
            allocate(temporary, self._segment_bytes)
            temporary.rename(spare)

    def drop_spare(self) -> None:
        """Give back the space of the next segment."""
        (self._folder / SPARE).unlink(missing_ok=True)

    def _begin_segment(self, frame: int) -> OpenFile:
        self.close_segment()
        self._header = replace(self._header, salt=secrets.randbits(32))
        header = self._header.encode()
        temporary = self._blank(len(header) + frame)
        name = segment_name(self.next, self._header.salt)
        file = create_segment(self._folder, temporary, name, header)
        self._size = file.stat().st_size
        self._offset = len(header)
        return OpenFile(file)

    def _blank(self, need: int) -> Path:
        """Return a file of zeros that nobody else will take."""
        temporary = self._folder / f".tmp-{secrets.token_hex(16)}"
        if need <= self._segment_bytes:
            try:
                (self._folder / SPARE).rename(temporary)
            except FileNotFoundError:
                allocate(temporary, self._segment_bytes)
        else:
            allocate(temporary, -(-need // PAGE_BYTES) * PAGE_BYTES)
        return temporary


class OpenFile:
    """A file that is written, closed when nobody refers to it any more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        self._place = 0

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of `data` at an offset; after an error another write may take its place.

        Raises:
            OSError: the disk refused.
        """
        if offset != self._place:
            os.lseek(self.handle, offset, os.SEEK_SET)
        self._place = -1
        written = os.write(self.handle, data)
        while written < len(data):  # a signal, or a disk that is full after all
            written += os.write(self.handle, data[written:])
        self._place = offset + written

    def __del__(self) -> None:
        """Close the file."""
        os.close(self.handle)
