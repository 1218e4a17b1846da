"""Rows as bytes: one mapping at a time on the way in, many at once on the way out.

    row     = flags (1 byte: 1 = to be quarantined), nulls (1 bit a column), values of fixed width
    payload = n rows, then the texts of row 1, of row 2, …; a value of text is its length in bytes

Numbers are little-endian; dates are days and times counts of the column's unit since 1970, UTC.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.cached import cached_property
from lakehouse.partitions.sorting import rows_of
from lakehouse.schema import TableSchema, stored_type

_CODES = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "float32": "f",
    "float64": "d",
    "string": "I",
    "date": "i",
    "timestamp[us]": "q",
    "timestamp[ns]": "q",
}
REFUSED = 1
"""flag of a row that breaks a rule, for sealing to quarantine; readers do not see it"""

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a tail, in order of arrival."""

    first: int
    """number of the first row"""
    batch: pa.RecordBatch
    """columns of the schema under which they were written, in stored types"""
    refused: Booleans | None = None
    """(n_rows,) rows that break a rule; None for none"""

    @property
    def last(self) -> int:
        """Number of the last row."""
        rows: int = self.batch.num_rows
        return self.first + rows - 1


class RowFormat:
    """The packed form of the rows of one schema; safe to share between threads."""

    def __init__(self, schema: TableSchema) -> None:
        self.names = schema.names
        self._types = [column.type for column in schema.columns]
        self._texts = [place for place, kind in enumerate(self._types) if kind == "string"]
        self._null_bytes = -(-len(self._types) // 8)
        self._no_nulls = bytes(self._null_bytes)
        codes = "".join(_CODES[kind] for kind in self._types)
        self._fixed = struct.Struct(f"<B{self._null_bytes}s{codes}")

    @property
    def row_bytes(self) -> int:
        """Size of the part of fixed width."""
        size: int = self._fixed.size
        return size

    def pack(self, values: list[Any], *, refused: bool = False) -> tuple[bytes, bytes]:
        """Return a row's part of fixed width, and its texts.

        Args:
            values: in the order of the columns: str, bool, int or float that fit; None for null. The list is
                used up.
            refused: whether it breaks a rule.
        """
        nulls, texts = self._no_nulls, b""
        if None in values:
            nulls = self._without_nulls(values)
        for place in self._texts:
            text = values[place].encode()
            values[place] = len(text)
            texts += text
        return self._fixed.pack(REFUSED if refused else 0, nulls, *values), texts

    def _without_nulls(self, values: list[Any]) -> bytes:
        """Put a zero or an empty text in the place of each null, and return the bits."""
        bits = 0
        for place, value in enumerate(values):
            if value is None:
                bits |= 1 << place
                values[place] = "" if self._types[place] == "string" else 0
        return bits.to_bytes(self._null_bytes, "little")

    def unpack_row(self, packed: bytes) -> list[Any]:
        """Return the values of one row, as `pack` took them."""
        _, nulls, *values = self._fixed.unpack_from(packed)
        start = self._fixed.size
        for place in self._texts:
            stop = start + values[place]
            values[place] = packed[start:stop].decode()
            start = stop
        if nulls != self._no_nulls:
            bits = int.from_bytes(nulls, "little")
            return [None if bits >> place & 1 else value for place, value in enumerate(values)]
        return values

    def unpack(self, payloads: Sequence[tuple[memoryview, int]], first: int) -> Rows:
        """Return the rows of some payloads, in one batch.

        Args:
            payloads: of frames that follow each other, each with its number of rows.
            first: number of the first row.
        """
        cuts = [rows * self.row_bytes for _, rows in payloads]
        heads = b"".join([payload[:cut] for (payload, _), cut in zip(payloads, cuts, strict=True)])
        texts = b"".join([payload[cut:] for (payload, _), cut in zip(payloads, cuts, strict=True)])
        fixed = np.frombuffer(heads, self._dtype)
        nulls = np.unpackbits(fixed["nulls"], axis=1, bitorder="little").astype(np.bool_)
        columns = [self._column(fixed, nulls[:, place], place, texts) for place in range(len(self._types))]
        refused = (fixed["flags"] & REFUSED).astype(np.bool_)
        return Rows(first, self.batch_of(columns), refused if refused.any() else None)

    def batch_of(self, columns: Iterable[pa.Array]) -> pa.RecordBatch:
        """Return a batch of the schema's columns."""
        return pa.RecordBatch.from_arrays(list(columns), schema=self.arrow)

    @cached_property
    def arrow(self) -> pa.Schema:
        """The Arrow schema of a batch; nulls are allowed in every column, for rows to be quarantined."""
        return pa.schema(
            [pa.field(name, stored_type(kind)) for name, kind in zip(self.names, self._types, strict=True)]
        )

    @cached_property
    def _dtype(self) -> np.dtype[Any]:
        words: list[Any] = [("flags", "u1"), ("nulls", "u1", (self._null_bytes,))]
        return np.dtype(words + [(f"c{n}", f"<{_CODES[kind]}") for n, kind in enumerate(self._types)])

    def _column(self, fixed: npt.NDArray[Any], nulls: Booleans, place: int, texts: bytes) -> pa.Array:
        rows, kind = len(fixed), stored_type(self._types[place])
        valid = pa.py_buffer(np.packbits(~nulls, bitorder="little")) if nulls.any() else None
        if self._types[place] == "string":
            offsets, data = self._text(fixed, place, np.frombuffer(texts, np.uint8))
            return pa.Array.from_buffers(kind, rows, [valid, pa.py_buffer(offsets), pa.py_buffer(data)])
        values = np.ascontiguousarray(fixed[f"c{place}"])
        if self._types[place] == "bool":
            values = np.packbits(values.astype(np.bool_), bitorder="little")
        return pa.Array.from_buffers(kind, rows, [valid, pa.py_buffer(values)])

    def _text(
        self, fixed: npt.NDArray[Any], place: int, texts: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
        """Return the offsets and bytes of one column of text, out of the texts of all rows."""
        lengths = np.stack([fixed[f"c{each}"].astype(np.int64) for each in self._texts])
        own = lengths[self._texts.index(place)]
        offsets = np.zeros(len(fixed) + 1, np.int32)
        offsets[1:] = np.cumsum(own)
        if len(self._texts) == 1:
            return offsets, texts
        ends = np.cumsum(lengths.T.ravel()).reshape(len(fixed), -1)[:, self._texts.index(place)]
        return offsets, texts[rows_of(ends - own, ends)]
