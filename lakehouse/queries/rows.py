"""What a kernel gets and gives: arrays of some symbols, one after the other, each in order of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.partitions.arrays import int64_array, text_array
from lakehouse.times import NS_PER_DAY

Integers = npt.NDArray[np.int64]
Column: TypeAlias = pa.Array | pa.ChunkedArray
Values: TypeAlias = npt.NDArray[Any] | Column

NANOSECONDS = pa.timestamp("ns", "UTC")


@dataclass(frozen=True, slots=True)
class Runs:
    """Rows that follow each other, and are of one symbol and one cell of time."""

    offsets: Integers
    """(n_runs + 1,) the rows of a run are offsets[i]:offsets[i+1]"""
    codes: Integers
    """(n_runs,) which symbol"""
    times: Integers
    """(n_runs,) UTC nanoseconds, of some instant of the cell"""


@dataclass(frozen=True, slots=True)
class Rows:
    """Decoded rows of some symbols in the order (symbol, time, arrival); every array is read-only."""

    symbols: tuple[str, ...]
    """sorted; ('',) without a symbol column; one without rows here has an empty range"""
    offsets: Integers
    """(n_symbols + 1,) the rows of symbols[i] are offsets[i]:offsets[i+1]"""
    times: Integers
    """(n_rows,) UTC nanoseconds; dates as their midnight"""
    columns: Mapping[str, npt.NDArray[Any]]
    """(n_rows,) each; null is NaN in floats; integers and booleans with nulls are float64"""
    carried: Mapping[str, Column] = field(default_factory=dict)
    """columns of any type that are passed on as they are"""
    runs: Runs | None = None
    """instead of times, which are empty then, where the operation needs only cells of time"""

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.offsets[-1])


def combined(parts: Sequence[Rows], symbols: tuple[str, ...]) -> Rows:
    """Put rows of several loads together: of a symbol those of the first part come first.

    Args:
        parts: one or more; each has the same columns, and some of the symbols.
        symbols: of the result, sorted.
    """
    if len(parts) == 1 and parts[0].symbols == symbols:
        return parts[0]
    rank = {symbol: code for code, symbol in enumerate(symbols)}
    codes = [
        np.repeat(np.array([rank[symbol] for symbol in part.symbols], np.int64), np.diff(part.offsets))
        for part in parts
    ]
    code = np.concatenate(codes)
    order = np.argsort(code, kind="stable")
    counts = np.bincount(code, minlength=len(symbols))
    return Rows(
        symbols,
        frozen(np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])),
        frozen(np.concatenate([part.times for part in parts])[order]),
        {
            name: frozen(np.concatenate([part.columns[name] for part in parts])[order])
            for name in parts[0].columns
        },
        {
            name: pa.chunked_array(
                [chunk for part in parts for chunk in chunks_of(part.carried[name])], column.type
            ).take(int64_array(order))
            for name, column in parts[0].carried.items()
        },
    )


def frozen(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only view: for numba one that may be written is of another type."""
    view = values.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that a kernel made, without their symbols, which are those of the rows that it was given."""

    counts: Integers
    """(n_symbols,) number of rows of each symbol"""
    columns: tuple[Values, ...]
    """(n_rows,) each, rows in the order of the symbols, columns in that of the operation's fields"""

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.counts.sum())


def to_table(
    blocks: Sequence[Block], symbols: Sequence[str], symbol: str | None, schema: pa.Schema
) -> pa.Table:
    """Return blocks of the same symbols as one table in the order of the symbols, and within of the blocks.

    Args:
        blocks: one after the other in time.
        symbols: of all blocks.
        symbol: name of the symbol column, the first one; None for none.
        schema: of the table.
    """
    counts = np.zeros(len(symbols), np.int64)
    for block in blocks:
        counts += block.counts
    named = 0 if symbol is None else 1
    columns = [symbol_array(symbols, counts)][:named]
    for place in range(len(schema) - named):
        parts = [block.columns[place] for block in blocks]
        columns.append(_in_order(parts, [block.counts for block in blocks], schema.types[place + named]))
    return pa.Table.from_arrays(columns, schema=schema)


def symbol_array(symbols: Sequence[str], counts: Integers) -> pa.Array:
    """Return each symbol as often as its count says, as strings.

    Examples:
        >>> symbol_array(["A", "日経"], np.array([2, 1])).to_pylist()
        ['A', 'A', '日経']
    """
    texts = [symbol.encode() for symbol in symbols]
    widths = np.array([len(text) for text in texts], np.int64)
    if int(widths @ counts) < 2**31:
        offsets = np.zeros(int(counts.sum()) + 1, np.int32)
        np.cumsum(np.repeat(widths.astype(np.int32), counts), out=offsets[1:])
        joined = b"".join(text * count for text, count in zip(texts, counts.tolist(), strict=True))
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(joined)]
        return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)
    codes = pa.array(np.repeat(np.arange(len(texts), dtype=np.int32), counts))
    return text_array(list(symbols)).take(codes)


def time_array(times: Integers, kind: pa.DataType) -> pa.Array:
    """Return UTC nanoseconds as a column of times or dates; they are whole units of the type."""
    if pa.types.is_date32(kind):
        return to_arrow((times // NS_PER_DAY).astype(np.int32), kind)
    unit = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}[kind.unit]
    return to_arrow(times if unit == 1 else times // unit, kind)


def to_arrow(values: Values, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """Return values as an Arrow column of a type; numpy arrays of its width are taken as they are."""
    if not isinstance(values, np.ndarray):
        return values if values.type == kind else values.cast(kind)
    if pa.types.is_boolean(kind):
        bits = pa.py_buffer(np.packbits(np.asarray(values, np.bool_), bitorder="little"))
        return pa.Array.from_buffers(kind, len(values), [None, bits])
    wanted = np.dtype(np.int64) if pa.types.is_timestamp(kind) else _dtype(kind)
    data = np.ascontiguousarray(values, wanted)
    return pa.Array.from_buffers(kind, len(data), [None, pa.py_buffer(data)])


def masked_array(values: npt.NDArray[Any], valid: npt.NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    """Return numbers as an Arrow column, null where they are not valid."""
    plain = to_arrow(values, kind)
    if valid.all():
        return plain
    bits = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(kind, len(plain), [bits, plain.buffers()[1]])


def _dtype(kind: pa.DataType) -> np.dtype[Any]:
    return np.dtype(
        {"date32[day]": "int32", "double": "float64", "float": "float32"}.get(str(kind), str(kind))
    )


def _in_order(parts: list[Values], counts: list[Integers], kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if not parts:
        return pa.nulls(0, kind)
    if len(parts) == 1:
        return to_arrow(parts[0], kind)
    if len(counts[0]) == 1:
        spans = [(part, slice(None)) for part in range(len(parts))]
    else:
        spans = list(_spans(counts))
    if all(isinstance(part, np.ndarray) for part in parts):
        return to_arrow(np.concatenate([parts[part][rows] for part, rows in spans]), kind)
    arrays = [to_arrow(part, kind) for part in parts]
    return pa.chunked_array(
        [chunk for part, rows in spans for chunk in chunks_of(arrays[part][rows])], kind
    ).combine_chunks()


def _spans(counts: list[Integers]) -> Iterator[tuple[int, slice]]:
    """Yield part and rows, so that the rows of a symbol follow each other through all parts."""
    offsets = [np.concatenate([np.zeros(1, np.int64), np.cumsum(count)]).tolist() for count in counts]
    for symbol in range(len(counts[0])):
        for part, offset in enumerate(offsets):
            if offset[symbol] < offset[symbol + 1]:
                yield part, slice(offset[symbol], offset[symbol + 1])


def chunks_of(array: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    """Return the chunks of a column."""
    return list(array.chunks) if isinstance(array, pa.ChunkedArray) else [array]
