"""The last row of each symbol in the tail of a writer, in a file that every process maps into memory.

    header (as of a segment) | number of entries (8 bytes) | entries of one size
    entry = CRC-32, length, number of the row | packed row

An entry is overwritten in place, so a reader that meets a write finds a wrong checksum, and looks again. A
row that is longer than an entry has the length -1. A row that is late, by its time, does not take the place
of a later one. The file is derived and never flushed; it lives as long as its stream.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from lakehouse.partitions.tail.folder import segments_in, tail_folder, writers_in
from lakehouse.partitions.tail.segment import SegmentHeader, map_file, read_header
from lakehouse.store import Store

NAME = "latest"

_COUNT = struct.Struct("<Q")
_HEAD = struct.Struct("<IiQ")
_KEY = struct.Struct("<iQ")
_TEXT_BYTES = 96
"""room for the texts of a row"""
_ROOM = 1_024
"""symbols for which a new file has room; where there are more, one of twice the size takes its place"""
_LOOKS = 10_000
"""how often a reader looks at an entry that is being written all the time"""


@dataclass(frozen=True, slots=True)
class LatestRow:
    """The last row of a symbol in the tail of one writer."""

    writer: str
    """id of the writer"""
    number: int
    """of the row: up to the watermark of a version, the version has it, and may have changed it"""
    values: dict[str, Any]
    """by column: stored values, times and dates as integers of their unit since 1970; None for null"""


class Candidate(NamedTuple):
    """A row that may be the last one of its symbol."""

    symbol: str
    """its symbol"""
    time: int
    """as stored; 0 in a product without times"""
    number: int
    """counted from the first row of what is appended with it"""
    packed: bytes
    """both parts of the packed row"""

    def at(self, number: int) -> Candidate:
        """Return the row at another place."""
        return Candidate(self.symbol, self.time, number, self.packed)


class LatestWriter:
    """Keeps the file of one writer; of one thread at a time."""

    def __init__(self, folder: Path, header: SegmentHeader) -> None:
        """Take the folder of the writer; the file begins with the first row."""
        self._file = folder / NAME
        self._header = header.encode()
        self._size = _entry_bytes(header)
        self._places: dict[str, int] = {}
        self._times: dict[str, int] = {}
        self._room = 0
        self._data: mmap.mmap | None = None
        self._failed = False
        self.remove()

    def take(self, first: int, candidates: Iterable[Candidate]) -> None:
        """Note rows that were appended behind each other.

        Args:
            first: number of the row from which the candidates count.
            candidates: in order of arrival.
        """
        newest: dict[str, Candidate] = {}
        for each in candidates:
            known = newest.get(each.symbol)
            if known is None or each.time >= known.time:
                newest[each.symbol] = each
        for symbol, each in newest.items():
            if each.time >= self._times.get(symbol, each.time):
                self._times[symbol] = each.time
                self._put(symbol, first + each.number, each.packed)

    def remove(self) -> None:
        """Delete the file: its stream has ended."""
        self._file.unlink(missing_ok=True)

    def _put(self, symbol: str, number: int, packed: bytes) -> None:
        place = self._places.get(symbol)
        if place is None:
            place = self._add(symbol)
        if self._data is None:
            return
        self._data[place : place + self._size] = self._entry(number, packed)

    def _entry(self, number: int, packed: bytes) -> bytes:
        length = len(packed) if _HEAD.size + len(packed) <= self._size else -1
        body = packed if length >= 0 else b""
        check = crc32(body, crc32(_KEY.pack(length, number)))
        return (_HEAD.pack(check, length, number) + body).ljust(self._size, b"\0")

    def _add(self, symbol: str) -> int:
        """Give a symbol its entry; the number of entries says later that it is there."""
        count = len(self._places)
        if count == self._room and not self._failed:
            self._grow()
        place = len(self._header) + _COUNT.size + count * self._size
        self._places[symbol] = place
        if self._data is not None:
            _COUNT.pack_into(self._data, len(self._header), count + 1)
        return place

    def _grow(self) -> None:
        """Put a file of twice the size in the place of the present one; without space, do without."""
        room = max(_ROOM, 2 * self._room)
        old = self._header if self._data is None else self._data[:]
        temporary = self._file.with_name(f".tmp-{os.urandom(16).hex()}")
        try:
            temporary.write_bytes(old.ljust(len(self._header) + _COUNT.size + room * self._size, b"\0"))
            with temporary.open("rb+") as handle:
                self._data = mmap.mmap(handle.fileno(), 0)
            temporary.replace(self._file)
        except OSError:
            self._data, self._failed = None, True
            for file in (temporary, self._file):
                with suppress(OSError):
                    file.unlink(missing_ok=True)
        self._room = room


def latest_rows(store: Store, table_path: str, symbol: str) -> list[LatestRow] | None:
    """Return the last row of a symbol in the tail of each living writer that streamed one.

    In a warm process it costs microseconds, however many rows the tail has. Take the version afterwards, and
    leave out rows up to its watermarks.

    Returns:
        None where only the tail itself can tell: a writer died and left rows, or a row is too long.
    """
    folder = tail_folder(store, table_path)
    found = []
    for writer in writers_in(folder):
        reader = _reader(f"{folder}/{writer}/{NAME}")
        if reader is None:
            if segments_in(folder, writer):
                return None
            continue
        row = reader.row(symbol)
        if row is _TOO_LONG:
            return None
        if row is not None:
            found.append(LatestRow(writer, *row))
    return found


class _Reader:
    """A file that is mapped, and the places of the symbols that were seen in it."""

    def __init__(self, file: str) -> None:
        self._data = memoryview(map_file(file))
        self._header, self._start = read_header(self._data, file)
        self._rows = self._header.rows
        schema = self._header.schema
        self._symbol = schema.names.index(str(schema.symbol))
        self._size = _entry_bytes(self._header)
        self._places: dict[str, int] = {}
        self._seen = 0

    def row(self, symbol: str) -> tuple[int, dict[str, Any]] | None:
        """Return number and values of the last row of a symbol; None where there is none."""
        place = self._places.get(symbol)
        if place is None:
            self._look_for_symbols()
            place = self._places.get(symbol)
            if place is None:
                return None if self._seen == self._count() else _TOO_LONG
        entry = self._entry(place)
        if entry is None:
            return _TOO_LONG
        return entry[0], dict(zip(self._rows.names, entry[1], strict=True))

    def _look_for_symbols(self) -> None:
        for number in range(self._seen, self._count()):
            place = self._start + _COUNT.size + number * self._size
            entry = self._entry(place)
            if entry is None:  # too long, or not there yet
                return
            self._places[entry[1][self._symbol]] = place
            self._seen = number + 1

    def _count(self) -> int:
        count: int = _COUNT.unpack_from(self._data, self._start)[0]
        return count

    def _entry(self, place: int) -> tuple[int, list[Any]] | None:
        for _ in range(_LOOKS):
            entry = bytes(self._data[place : place + self._size])
            check, length, number = _HEAD.unpack_from(entry)
            body = entry[_HEAD.size : _HEAD.size + max(0, length)]
            if crc32(body, crc32(entry[4 : _HEAD.size])) == check and number:
                return None if length < 0 else (number, self._rows.unpack_row(body))
        return None


def _entry_bytes(header: SegmentHeader) -> int:
    return -(-(_HEAD.size + header.rows.row_bytes + _TEXT_BYTES) // 64) * 64


_TOO_LONG: tuple[int, dict[str, Any]] = (-1, {})
_readers: dict[str, tuple[tuple[int, int], _Reader]] = {}


def _reader(file: str) -> _Reader | None:
    """Return the reader of a file, the one of before where it is still the same file."""
    try:
        found = os.stat(file)  # noqa: PTH116 - a microsecond, where Path.stat takes three
    except FileNotFoundError:
        _readers.pop(file, None)
        return None
    mark = found.st_dev, found.st_ino
    known = _readers.get(file)
    if known is not None and known[0] == mark:
        return known[1]
    try:
        reader = _Reader(file)
    except FileNotFoundError:
        return None
    _readers[file] = mark, reader
    return reader
