"""Columns of Arrow as arrays of numpy, without a copy where there is no null."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.partitions.arrays import integers
from lakehouse.queries.rows import frozen


def numbers_of(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[Any]:
    """Return a column as numbers; null is NaN, and makes integers and booleans float64."""
    return frozen(_numbers(column))


def stored_numbers(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[Any]:
    """View a column without nulls as the numbers in which it is stored: times in their own unit."""
    whole = pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)
    return frozen(integers(column) if whole else _numbers(column))


def is_plain(column: pa.ChunkedArray | pa.Array) -> bool:
    """Say whether a column is of numbers or times, without a null."""
    kind = column.type
    return pa.types.is_primitive(kind) and not pa.types.is_boolean(kind) and not column.null_count


def _numbers(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[Any]:
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        chunks = [chunk.cast(pa.timestamp("ns")).view(pa.int64()) for chunk in chunks]
    arrays = [_chunk_numbers(chunk, nulls=column.null_count > 0) for chunk in chunks]
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays) if arrays else np.zeros(0, np.float64)


def _chunk_numbers(chunk: pa.Array, *, nulls: bool) -> npt.NDArray[Any]:
    kind = chunk.type
    if pa.types.is_boolean(kind):
        values = _bits(chunk.buffers()[1], chunk.offset, len(chunk))
    elif pa.types.is_null(kind) or pa.types.is_decimal(kind):
        return _chunk_numbers(chunk.cast(pa.float64()), nulls=nulls)
    else:
        values = _view(chunk.buffers()[1], _numeric(kind), len(chunk), chunk.offset)
    if not nulls:
        return values
    filled = values.astype(values.dtype if values.dtype.kind == "f" else np.float64)
    if chunk.null_count:
        filled[~_bits(chunk.buffers()[0], chunk.offset, len(chunk))] = np.nan
    return filled


def _view(data: pa.Buffer | None, dtype: np.dtype[Any], count: int, offset: int) -> npt.NDArray[Any]:
    if data is None:
        return np.zeros(count, dtype)
    return np.frombuffer(data, dtype, count, offset * dtype.itemsize)


def _bits(data: pa.Buffer | None, offset: int, count: int) -> npt.NDArray[np.bool_]:
    if data is None:
        return np.ones(count, np.bool_)
    packed = np.frombuffer(data, np.uint8)
    return np.unpackbits(packed, count=offset + count, bitorder="little")[offset:].astype(np.bool_)


def _numeric(kind: pa.DataType) -> np.dtype[Any]:
    return np.dtype(
        {"double": "float64", "float": "float32", "halffloat": "float16"}.get(str(kind), str(kind))
    )
