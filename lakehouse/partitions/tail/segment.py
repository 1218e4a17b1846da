"""Segments: files of fixed size, whose header says whose rows they hold and in which columns."""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa

from lakehouse.cached import cached_property
from lakehouse.errors import IntegrityError, LakehouseError
from lakehouse.partitions.tail.frames import (
    BATCH,
    REFUSED_BATCH,
    ROWS,
    Damage,
    Frame,
    all_frames,
    live_frames,
)
from lakehouse.partitions.tail.packing import Booleans, RowFormat, Rows
from lakehouse.schema import Column, TableSchema
from lakehouse.store import durable

FORMAT = 1
PAGE_BYTES = 4096

_MAGIC = b"laketail"
_HEAD = struct.Struct("<8sIII")


@dataclass(frozen=True)
class SegmentHeader:
    """What a segment says of itself."""

    lake: str
    """id of the lake"""
    product: str
    """`domain.product`"""
    writer: str
    """id of the writer"""
    contract_version: str
    """the contract against which the rows were checked"""
    salt: int
    """with which the checksum of every frame begins"""
    schema: TableSchema
    """columns of the rows"""

    @cached_property
    def rows(self) -> RowFormat:
        """The form of packed rows."""
        return RowFormat(self.schema)

    def encode(self) -> bytes:
        """Return the header, padded to whole pages."""
        schema = self.schema
        columns = [[column.name, column.type, column.nullable] for column in schema.columns]
        document = {
            "format": FORMAT,
            "lake": self.lake,
            "product": self.product,
            "writer": self.writer,
            "contract": self.contract_version,
            "salt": self.salt,
            "columns": columns,
            "roles": {"symbol": schema.symbol, "time": schema.time, "key": schema.key},
        }
        text = json.dumps(document).encode()
        size = -(-(_HEAD.size + len(text)) // PAGE_BYTES) * PAGE_BYTES
        head = _HEAD.pack(_MAGIC, size, len(text), crc32(text))
        return (head + text).ljust(size, b"\0")


class Segment:
    """A segment that is mapped into memory: it stays readable after it was deleted."""

    def __init__(self, file: str) -> None:
        """Map a file.

        Raises:
            FileNotFoundError: it is gone, since its rows were sealed.
            IntegrityError: its header is damaged.
        """
        self.file = file
        self.data = memoryview(map_file(file))
        self.header, self.start = read_header(self.data, file)

    def live(self, offset: int) -> Iterator[Frame]:
        """Yield the frames from an offset on, up to where the writer is."""
        return live_frames(self.data, offset, salt=self.header.salt)

    def whole(self) -> Iterator[Frame | Damage]:
        """Yield all frames of a segment that nobody writes any more, and the damage between them."""
        return all_frames(self.data, self.start, salt=self.header.salt)

    def decode(self, frames: list[Frame]) -> Iterator[Rows]:
        """Yield the rows of frames that follow each other; those of neighbours of packed rows as one."""
        packed: list[Frame] = []
        for frame in frames:
            follows = not packed or packed[-1].first + packed[-1].rows == frame.first
            if packed and not (frame.kind == ROWS and follows):
                yield self._packed(packed)
                packed = []
            if frame.kind == ROWS:
                packed.append(frame)
            else:
                yield self._batch(frame)
        if packed:
            yield self._packed(packed)

    def _packed(self, frames: list[Frame]) -> Rows:
        payloads = [(frame.payload, frame.rows) for frame in frames]
        return self.header.rows.unpack(payloads, frames[0].first)

    def _batch(self, frame: Frame) -> Rows:
        if frame.kind not in (BATCH, REFUSED_BATCH):
            raise IntegrityError(
                f"{self.file} has a frame of the unknown kind {frame.kind} at byte {frame.offset}.",
                hint="A newer quant-lakehouse may have written it: upgrade.",
            )
        schema = self.header.rows.arrow
        if frame.kind == BATCH:
            return Rows(frame.first, _read_batch(frame.payload, schema))
        batch = _read_batch(frame.payload, schema.append(pa.field("_refused", pa.bool_())))
        refused = _booleans(batch.column(len(schema)))
        return Rows(frame.first, pa.RecordBatch.from_arrays(batch.columns[:-1], schema=schema), refused)


def read_header(data: memoryview, file: str) -> tuple[SegmentHeader, int]:
    """Return the header, and where the first frame begins.

    Raises:
        IntegrityError: it is no header.
        LakehouseError: a newer version of the lakehouse wrote it.
    """
    try:
        magic, size, length, check = _HEAD.unpack_from(data)
        text = bytes(data[_HEAD.size : _HEAD.size + length])
    except struct.error:
        magic, size, text, check = b"", 0, b"", 1
    if magic != _MAGIC or crc32(text) != check:
        raise _damaged(file)
    document = json.loads(text)
    if document["format"] != FORMAT:
        raise LakehouseError(
            f"The segment {file} has format {document['format']}; this version reads format {FORMAT}.",
            hint="A newer quant-lakehouse wrote it: upgrade.",
        )
    return _header(document), size


def _damaged(file: str) -> IntegrityError:
    return IntegrityError(
        f"The header of the segment {file} is damaged.",
        hint="`lake seal` puts it aside; what else the tail holds is read without it.",
    )


def create_segment(folder: Path, temporary: Path, name: str, header: bytes) -> Path:
    """Give a file of zeros its header and its name, durably."""
    with temporary.open("rb+") as handle:
        handle.write(header)
    durable.sync(temporary)
    target = folder / name
    temporary.rename(target)
    durable.sync_folder(folder)
    return target


def allocate(file: Path, size: int) -> None:
    """Write a file of zeros: a later write to it needs neither space nor a change of the file's blocks.

    Raises:
        OSError: the disk is full; nothing stays.
    """
    try:
        with file.open("xb") as handle:
            for start in range(0, size, 1 << 20):
                handle.write(bytes(min(1 << 20, size - start)))
        durable.sync(file)
    except OSError:
        file.unlink(missing_ok=True)
        raise


def map_file(file: str) -> mmap.mmap:
    """Map a file to be read.

    Raises:
        FileNotFoundError: there is none.
        IntegrityError: it is empty, which no file of a tail ever was.
    """
    handle = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        if not os.fstat(handle).st_size:
            raise _damaged(file)
        return mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(handle)


def _read_batch(payload: memoryview, schema: pa.Schema) -> pa.RecordBatch:
    return pa.ipc.read_record_batch(pa.py_buffer(payload), schema)


def _booleans(column: pa.Array) -> Booleans:
    bits = np.unpackbits(np.frombuffer(column.buffers()[1], np.uint8), bitorder="little")
    return bits[column.offset : column.offset + len(column)].astype(np.bool_)


def _header(document: dict[str, Any]) -> SegmentHeader:
    columns = tuple(Column(*each) for each in document["columns"])
    roles = document["roles"]
    schema = TableSchema(columns, roles["symbol"], roles["time"], tuple(roles["key"]))
    return SegmentHeader(
        lake=document["lake"],
        product=document["product"],
        writer=document["writer"],
        contract_version=document["contract"],
        salt=document["salt"],
        schema=schema,
    )
