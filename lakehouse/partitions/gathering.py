"""Put decoded columns together: the spans of their rows in order, with as few copies as pay."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
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

    Long spans stay where they are, as chunks; shorter ones are copied side by side; where spans of numbers
    are a few rows each, rows are picked one by one.

    Args:
        arrays: the column in each block.
        kind: the type of the column.
        spans: in order.
    """
    if not len(spans):
        return pa.chunked_array([], kind)
    rows = int(spans.length.sum())
    if len(spans) > 1 and rows < _SHORT_SPAN * len(spans) and _is_plain(arrays, kind, spans):
        return _picked(arrays, kind, spans)
    slices = _slices(arrays, spans)
    if len(spans) == 1 or rows >= _LONG_SPAN * len(spans):
        return pa.chunked_array(slices, kind)
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
    texts = [symbols[rank].encode() for rank, _ in runs]
    counts = np.array([length for _, length in runs], np.int64)
    widths = np.array([len(text) for text in texts], np.int32)
    offsets = np.zeros(int(counts.sum()) + 1, np.int32)
    np.cumsum(np.repeat(widths, counts), out=offsets[1:])
    joined = b"".join(text * length for text, (_, length) in zip(texts, runs, strict=True))
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(joined)]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)


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


def _picked(arrays: Sequence[pa.Array], kind: pa.DataType, spans: Spans) -> pa.ChunkedArray:
    """Pick single rows in numpy: `Array.take` loads pyarrow.compute."""
    width = kind.bit_width // 8
    picked = np.empty(int(spans.length.sum()), f"i{width}")
    begins = np.cumsum(spans.length) - spans.length
    for block in distinct(spans.block).tolist():
        mine = spans.block == block
        array, length = arrays[block], spans.length[mine]
        data = np.frombuffer(array.buffers()[1], picked.dtype, len(array), array.offset * width)
        picked[row_numbers(begins[mine], length)] = data[row_numbers(spans.start[mine], length)]
    return pa.chunked_array([pa.Array.from_buffers(kind, len(picked), [None, pa.py_buffer(picked)])], kind)
