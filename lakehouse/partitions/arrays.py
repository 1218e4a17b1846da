"""Between numpy and Arrow without a copy, and without pandas.

`pa.array` on a list, `Array.to_numpy` and `Schema.empty_table` import pandas where it is installed: costing
a cold read more than a second (pyarrow 26). What reads need goes through buffers instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.partitions.threads import workers
from lakehouse.schema import TableSchema
from lakehouse.times import NS_PER_DAY

Integers = npt.NDArray[np.int64]

_WORTH_THREADS = 100_000


def integers(array: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """View a null-free column of integers, times or dates as a numpy array."""
    if isinstance(array, pa.ChunkedArray):
        chunks = [integers(chunk) for chunk in array.chunks]
        return chunks[0] if len(chunks) == 1 else np.concatenate([*chunks, np.zeros(0, _dtype(array.type))])
    dtype = _dtype(array.type)
    data = array.buffers()[1]
    if data is None:
        return np.zeros(0, dtype)
    return np.frombuffer(data, dtype, len(array), array.offset * dtype.itemsize)


def valid_rows(array: pa.Array) -> Integers:
    """Return the rows that are not null, rising; `drop_null` and its kin load pyarrow.compute."""
    bits = array.buffers()[0]
    if bits is None:
        return np.arange(len(array))
    flags = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
    found: Integers = np.flatnonzero(flags[array.offset : array.offset + len(array)])
    return found


def distinct(values: npt.NDArray[Any]) -> Integers:
    """Return the distinct integers of an array, rising; `np.unique` loads numpy's masked arrays."""
    ordered = np.sort(np.asarray(values, np.int64))
    kept = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=kept[1:])
    found: Integers = ordered[kept]
    return found


def int64_array(values: npt.NDArray[Any]) -> pa.Array:
    """Return integers as an Arrow array, for row numbers and counts."""
    data = np.ascontiguousarray(values, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(data), [None, pa.py_buffer(data)])


def text_array(texts: Sequence[str]) -> pa.Array:
    """Return texts as an Arrow array of strings."""
    joined = "".join(texts)
    lengths = map(len, texts) if joined.isascii() else (len(text.encode("utf-8")) for text in texts)
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum(np.fromiter(lengths, np.int32, len(texts)), out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(joined.encode("utf-8"))]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers)


def nullable_array(values: Sequence[str | None] | Sequence[int | None], kind: pa.DataType) -> pa.Array:
    """Return texts or 64-bit integers, some of them None, as an Arrow array of type string or int64."""
    validity, filled = None, list[Any](values)
    if None in filled:
        validity = pa.py_buffer(np.packbits([value is not None for value in values], bitorder="little"))
        below_null = "" if pa.types.is_string(kind) else 0
        filled = [below_null if value is None else value for value in values]
    plain = text_array(filled) if pa.types.is_string(kind) else int64_array(np.array(filled, np.int64))
    return pa.Array.from_buffers(kind, len(plain), [validity, *plain.buffers()[1:]])


def dictionary_array(codes: npt.NDArray[np.int32], texts: Sequence[str]) -> pa.Array:
    """Return texts by their codes, as a dictionary<int32, string> array."""
    data = np.ascontiguousarray(codes, np.int32)
    indices = pa.Array.from_buffers(pa.int32(), len(data), [None, pa.py_buffer(data)])
    return pa.DictionaryArray.from_arrays(indices, text_array(texts))


def take_rows(table: pa.Table, rows: npt.NDArray[Any]) -> pa.Table:
    """Return some rows of a table, its columns gathered side by side; columns of nulls cost nothing."""
    indices = int64_array(rows)

    def gather(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
        return pa.nulls(len(rows), column.type) if column.null_count == len(column) else column.take(indices)

    if table.num_rows < _WORTH_THREADS:
        return table.take(indices)
    return pa.Table.from_arrays(list(workers().map(gather, table.columns)), schema=table.schema)


def empty_table(schema: pa.Schema) -> pa.Table:
    """Return a table of a schema without rows."""
    return pa.Table.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def times_of(rows: pa.Table, schema: TableSchema) -> npt.NDArray[np.int64] | None:
    """Return the time column as UTC nanoseconds."""
    found = ticks_of(rows, schema)
    if found is None:
        return None
    ticks, unit = found
    return ticks if unit == 1 else ticks * np.int64(unit)


def ticks_of(rows: pa.Table, schema: TableSchema) -> tuple[npt.NDArray[Any], int] | None:
    """View the time column as it is stored, and the nanoseconds of one tick: enough to order rows, uncopied.

    Returns:
        (n_rows,) int64, or int32 for dates; None for a table without times.
    """
    if schema.time is None:
        return None
    column = rows.column(schema.time)
    if pa.types.is_date32(column.type):
        return integers(column), NS_PER_DAY
    us = pa.types.is_timestamp(column.type) and column.type.unit == "us"
    return integers(column), 1000 if us else 1


def _dtype(kind: pa.DataType) -> np.dtype[Any]:
    if pa.types.is_date32(kind):
        return np.dtype(np.int32)
    return np.dtype(np.int64) if pa.types.is_timestamp(kind) else np.dtype(str(kind))
