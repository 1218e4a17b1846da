"""Rows as plain numpy arrays, for kernels: no text is made, and no Arrow table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.partitions.arrays import integers
from lakehouse.partitions.gathering import gather_values
from lakehouse.partitions.reading import Decoded, find_rows
from lakehouse.partitions.selection import Selection
from lakehouse.partitions.sorting import run_starts
from lakehouse.partitions.state import TableState
from lakehouse.schema import SEQUENCE
from lakehouse.times import NS_PER_DAY, Interval

Integers = npt.NDArray[np.int64]


class NumericRows(NamedTuple):
    """Rows of some symbols in the total order; every array is read-only."""

    symbols: tuple[str, ...]
    """those that have rows, sorted; ('',) in a table without symbols"""
    offsets: Integers
    """(n_symbols + 1,) rows of symbols[i] are offsets[i]:offsets[i+1]"""
    times: Integers
    """(n_rows,) UTC nanoseconds, of a date its midnight; zeros in a table without a time"""
    columns: Mapping[str, npt.NDArray[Any]]
    """(n_rows,) each; a null is NaN, and integers and booleans with nulls are float64; times other than the
    time column are nanoseconds too, a null the smallest int64"""


def decode_columns(
    state: TableState, selections: Sequence[Selection], interval: Interval, columns: Sequence[str]
) -> NumericRows:
    """Decode columns of numbers, booleans and times of chosen pieces, cut to the interval.

    Rows that lie together in one row group, or in neighbours that the column cache holds, are not copied.
    A time column is int64 nanoseconds in UTC.

    Raises:
        ArgumentError: a column holds text.
        IntegrityError: a file is missing or altered.
    """
    for name in columns:
        if name != SEQUENCE and state.schema[name].type == "string":
            raise ArgumentError(f"Column {name!r} of {state.name} holds text, and kernels take numbers.")
    time = state.schema.time
    found = find_rows(state, selections, interval, tuple({*columns, *([time] if time else [])}))
    symbols, offsets = _segments(found)
    whole = {column.name for column in state.schema.columns if _is_whole(column.type)}
    values = {name: _values(found, name, whole=name in whole) for name in columns if name != time}
    times = _values(found, time, whole=False) if time else np.zeros(int(offsets[-1]), np.int64)
    return NumericRows(symbols, offsets, times, values | {name: times for name in columns if name == time})


def _segments(found: Decoded) -> tuple[tuple[str, ...], Integers]:
    """Return the symbols that have rows, and where the rows of each begin."""
    starts = run_starts(found.spans.rank)
    names = tuple(found.symbols[rank] for rank in found.spans.rank[starts].tolist())
    before = np.cumsum(found.spans.length) - found.spans.length
    return names, np.append(before[starts], int(found.spans.length.sum()))


def _values(found: Decoded, name: str, *, whole: bool) -> npt.NDArray[Any]:
    """Return one column; one of whole numbers or booleans becomes floats where a null is among them."""
    used = set(found.places.block.tolist())
    arrays = [array if at in used else array.slice(0, 0) for at, array in enumerate(found.columns[name])]
    floats = whole and any(array.null_count for array in arrays)
    values = [_numpy(array, floats=floats) for array in arrays]
    return gather_values(values or [np.zeros(0, np.int64)], found.places)


def _numpy(array: pa.Array, *, floats: bool) -> npt.NDArray[Any]:
    """View or convert one array: nulls become NaN or NaT, times and dates nanoseconds."""
    kind = array.type
    values = _stored_values(array)
    if pa.types.is_date32(kind):
        values = values.astype(np.int64) * NS_PER_DAY
    elif pa.types.is_timestamp(kind) and kind.unit == "us":
        values = values * 1000
    if floats:
        values = values.astype(np.float64)
    if array.null_count:
        values = values.copy()
        no_value = np.nan if values.dtype.kind == "f" else np.iinfo(np.int64).min
        values[~_bits(array, array.buffers()[0])] = no_value
    return values


def _stored_values(array: pa.Array) -> npt.NDArray[Any]:
    kind = array.type
    if pa.types.is_boolean(kind):
        return _bits(array, array.buffers()[1])
    if pa.types.is_floating(kind):
        dtype = np.dtype(np.float32 if pa.types.is_float32(kind) else np.float64)
        return np.frombuffer(array.buffers()[1] or b"", dtype, len(array), array.offset * dtype.itemsize)
    return integers(array)


def _bits(array: pa.Array, data: pa.Buffer) -> npt.NDArray[np.bool_]:
    """Return one boolean a row from a bitmap of the array."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=array.offset + len(array), bitorder="little")
    return bits[array.offset :].view(np.bool_)


def _is_whole(kind: str) -> bool:
    return kind == "bool" or kind.startswith("int")
