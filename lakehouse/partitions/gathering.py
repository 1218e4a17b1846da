"""Put decoded columns together: the spans of their rows in order, with as few copies as pay."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.partitions.arrays import distinct
from lakehouse.partitions.spans import Integers, Spans

_LONG_SPAN = 2_048
_LONG_RUN = 16_384
_SHORT_SPAN = 16
_ROWS_AT_ONCE = 1 << 20
_TEXT_AT_ONCE = 1 << 24
_REPEATED = 1 << 16


def gather(arrays: Sequence[pa.Array], kind: pa.DataType, spans: Spans) -> pa.ChunkedArray:
    """Return the rows of spans of one column.

    Long spans stay where they are, as chunks; shorter ones are copied one behind the other; where spans of
    numbers are a few rows each, rows are picked one by one.

    Args:
        arrays: the column in each block.
        kind: the type of the column.
        spans: in order.
    """
    if not len(spans):
        return pa.chunked_array([], kind)
    rows = int(spans.length.sum())
    if len(spans) == 1 or rows >= _LONG_SPAN * len(spans):
        return pa.chunked_array(_slices(arrays, spans), kind)
    if _is_plain(arrays, kind, spans):
        short = rows < _SHORT_SPAN * len(spans)
        return _picked(arrays, kind, spans) if short else _copied(arrays, kind, spans)
    slices = _slices(arrays, spans)
    borders = np.flatnonzero(np.diff(np.cumsum(spans.length) // _ROWS_AT_ONCE)) + 1
    cuts = [0, *borders.tolist(), len(slices)]
    chunks = [pa.concat_arrays(slices[low:high]) for low, high in pairwise(cuts)]
    return pa.chunked_array(chunks, kind)


def symbol_text(symbols: Sequence[str], ranks: Sequence[int], lengths: Sequence[int]) -> pa.ChunkedArray:
    """Return the symbol column of runs of rows as plain strings.

    A long run is one short array again and again, so it costs next to nothing.

    Examples:
        >>> symbol_text(["A", "B"], [0, 1], [1, 2]).to_pylist()
        ['A', 'B', 'B']
    """
    chunks: list[pa.Array] = []
    short: list[tuple[int, int]] = []
    waiting = 0
    for rank, length in zip(ranks, lengths, strict=True):
        if length < _LONG_RUN:
            short.append((rank, length))
            waiting += length * (1 + len(symbols[rank]))
            if waiting < _TEXT_AT_ONCE:
                continue
        if short:
            chunks.append(_text_of_runs(symbols, short))
            short, waiting = [], 0
        if length >= _LONG_RUN:
            again = repeated(symbols[rank])
            chunks += [again] * (length // len(again))
            if length % len(again):
                chunks.append(again.slice(0, length % len(again)))
    if short:
        chunks.append(_text_of_runs(symbols, short))
    return pa.chunked_array(chunks, pa.string())


@lru_cache(maxsize=64)
def repeated(symbol: str) -> pa.Array:
    """Return 65,536 times the same text, or a long one less often."""
    return _text_of_runs([symbol], [(0, max(1, min(_REPEATED, _TEXT_AT_ONCE // (1 + len(symbol)))))])


def row_numbers(starts: Integers, lengths: Integers) -> Integers:
    """Return the row numbers of spans, one after the other; none is empty."""
    shift = starts - (np.cumsum(lengths) - lengths)
    rows: Integers = np.arange(int(lengths.sum())) + np.repeat(shift, lengths)
    return rows


def _text_of_runs(symbols: Sequence[str], runs: Sequence[tuple[int, int]]) -> pa.Array:
    texts = [(symbols[rank].encode(), length) for rank, length in runs]
    lengths = np.array([length for _, length in texts], np.int64)
    rows = int(lengths.sum())
    offsets = _new(rows + 1, "i4")
    offsets[0] = 0
    np.cumsum(np.repeat(np.array([len(text) for text, _ in texts], np.int32), lengths), out=offsets[1:])
    data = b"".join([text * length for text, length in texts])
    return pa.Array.from_buffers(pa.string(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _slices(arrays: Sequence[pa.Array], spans: Spans) -> list[pa.Array]:
    return [
        arrays[block].slice(start, length)
        for block, start, length in zip(
            spans.block.tolist(), spans.start.tolist(), spans.length.tolist(), strict=True
        )
    ]


def _is_plain(arrays: Sequence[pa.Array], kind: pa.DataType, spans: Spans) -> bool:
    """Say whether a column is numbers without nulls, which numpy can pick."""
    fixed = pa.types.is_primitive(kind) and not pa.types.is_boolean(kind)
    return fixed and not any(arrays[block].null_count for block in distinct(spans.block).tolist())


def _copied(arrays: Sequence[pa.Array], kind: pa.DataType, spans: Spans) -> pa.ChunkedArray:
    """Copy spans behind each other in numpy, where a slice costs a third of one of Arrow."""
    blocks = {block: _values(arrays[block], kind) for block in distinct(spans.block).tolist()}
    starts, stops = spans.start.tolist(), (spans.start + spans.length).tolist()
    places = zip(spans.block.tolist(), starts, stops, strict=True)
    copied = _new(int(spans.length.sum()), f"i{kind.bit_width // 8}")
    np.concatenate([blocks[block][low:high] for block, low, high in places], out=copied)
    return _column(copied, kind)


def _picked(arrays: Sequence[pa.Array], kind: pa.DataType, spans: Spans) -> pa.ChunkedArray:
    """Pick single rows in numpy: `Array.take` loads pyarrow.compute."""
    picked = _new(int(spans.length.sum()), f"i{kind.bit_width // 8}")
    begins = np.cumsum(spans.length) - spans.length
    for block in distinct(spans.block).tolist():
        mine = spans.block == block
        length = spans.length[mine]
        rows = row_numbers(spans.start[mine], length)
        picked[row_numbers(begins[mine], length)] = _values(arrays[block], kind)[rows]
    return _column(picked, kind)


def _values(array: pa.Array, kind: pa.DataType) -> npt.NDArray[Any]:
    """View numbers as integers of their width."""
    width = kind.bit_width // 8
    return np.frombuffer(array.buffers()[1], f"i{width}", len(array), array.offset * width)


def _new(length: int, dtype: str) -> npt.NDArray[Any]:
    """Return room in Arrow's memory, which is used again: the system zeroes that of numpy, page by page."""
    return np.frombuffer(pa.allocate_buffer(length * np.dtype(dtype).itemsize), dtype, length)


def _column(values: npt.NDArray[Any], kind: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])], kind)
