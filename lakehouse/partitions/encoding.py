"""Encode sorted rows as one Parquet file: where row groups are cut, and how each column is written.

A symbol with many rows has row groups of its own, so that reading it decodes nothing else; smaller ones are
packed together, so that a file has about a thousand row groups at most, and its footer stays small.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakehouse.partitions import encoding_trial, footer_checksum
from lakehouse.partitions.arrays import int64_array, integers
from lakehouse.partitions.segments import DIRECTORY_KEY, Directory, encode_directory
from lakehouse.schema import TableSchema

LARGEST_ROW_GROUP = 65_536
OWN_ROW_GROUP = 16_384
"""rows with which a symbol has row groups of its own in any file"""
_SMALLEST_ROW_GROUP = 1_024
_ROW_GROUPS = 1_024
_FEW_TEXTS = 32
_BUFFER = 1 << 20
_PACKED = 8
"""a row group of small symbols has up to so many times the rows that a symbol needs for its own"""


def encode(
    target: Path,
    rows: pa.Table,
    schema: TableSchema,
    starts: npt.NDArray[np.int64],
    segments: Future[Directory],
) -> None:
    """Write one Parquet file; the directory of symbols may still be in the making."""
    groups = list(row_groups(starts, rows.num_rows))
    texts = _texts(rows)
    start, length = groups[len(groups) // 2]  # a dictionary does not reach over the border of a row group
    choices = encoding_trial.choose(
        _group(rows, texts, schema.symbol, start, min(length, encoding_trial.SAMPLE_ROWS)),
        group_rows=length,
        times=[schema.time] if schema.time else [],
    )
    # Without a buffer each page of each small row group would be several calls of the operating system.
    with (
        pa.BufferedOutputStream(pa.OSFile(str(target), "wb"), _BUFFER) as sink,
        pq.ParquetWriter(sink, rows.schema, **_settings(choices)) as writer,
    ):
        for start, length in groups:
            group = _group(rows, texts, schema.symbol, start, length)
            writer.write_table(group, row_group_size=length)
        text = encode_directory(segments.result())
        writer.add_key_value_metadata(
            {DIRECTORY_KEY.decode(): text, footer_checksum.KEY.decode(): footer_checksum.BLANK.decode()}
        )
    footer_checksum.seal(target)


def own_row_group(rows: int) -> int:
    """Return with how many rows a symbol has row groups of its own, in a file of this many rows.

    The more rows a file has the larger they are, up to `OWN_ROW_GROUP`: what many symbols of a minute bar
    product need is not what ticks need.

    Examples:
        >>> own_row_group(50_000), own_row_group(4_000_000), own_row_group(10**9)
        (1024, 3906, 16384)
    """
    return min(OWN_ROW_GROUP, max(_SMALLEST_ROW_GROUP, rows // _ROW_GROUPS))


def row_groups(starts: npt.NDArray[np.int64], rows: int) -> Iterator[tuple[int, int]]:
    """Yield (first row, length) of each row group: large symbols alone, small ones packed.

    Examples:
        >>> list(row_groups(np.array([0, 10, 20, 40_020]), 40_030))
        [(0, 20), (20, 40000), (40020, 10)]
    """
    pack, own = 0, own_row_group(rows)
    packed = min(2 * OWN_ROW_GROUP, _PACKED * own)
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), rows], strict=True):
        alone = stop - start >= own
        if (alone or stop - pack > packed) and start > pack:
            yield pack, start - pack
            pack = start
        if alone:
            parts = -(-(stop - start) // LARGEST_ROW_GROUP)
            cuts = [start + (stop - start) * part // parts for part in range(parts + 1)]
            yield from ((first, last - first) for first, last in pairwise(cuts))
            pack = stop
    if rows > pack:
        yield pack, rows - pack


def _texts(rows: pa.Table) -> dict[int, pa.DictionaryArray]:
    """Return the columns of encoded text by their places, each as one array."""
    return {
        place: pa.concat_arrays(rows.column(place).unify_dictionaries().chunks)
        for place, field in enumerate(rows.schema)
        if pa.types.is_dictionary(field.type) and rows.num_rows
    }


def _group(
    rows: pa.Table, texts: Mapping[int, pa.DictionaryArray], symbol: str | None, start: int, length: int
) -> pa.Table:
    """Return a row group with its own dictionaries of text: each is stored in its group as a whole."""
    group = rows.slice(start, length)
    for place, column in texts.items():
        field = rows.schema.field(place)
        if field.name == symbol:
            group = group.set_column(place, field, _cut_sorted(column.slice(start, length)))
        elif len(column.dictionary) > _FEW_TEXTS:
            group = group.set_column(place, field, _cut(column.slice(start, length)))
    return group


def _cut_sorted(column: pa.DictionaryArray) -> pa.Array:
    """Cut the dictionary of sorted symbols, whose codes rise, to those from the first row to the last."""
    codes = integers(column.indices)
    first, last = int(codes[0]), int(codes[-1])
    names = column.dictionary.slice(first, last - first + 1)
    data = pa.py_buffer(codes - codes[0])
    return pa.DictionaryArray.from_arrays(
        pa.Array.from_buffers(column.indices.type, len(codes), [None, data]),
        names,
        safe=False,  # every code lies between those of the first and the last row
    )


def _cut(column: pa.DictionaryArray) -> pa.Array:
    if column.null_count:
        codes = column.indices.unique().drop_null()
    else:
        seen = np.zeros(len(column.dictionary), np.bool_)
        seen[integers(column.indices)] = True
        codes = int64_array(np.flatnonzero(seen))
    if len(codes) == len(column.dictionary):
        return column
    indices = pc.index_in(column.indices, codes.cast(column.indices.type), skip_nulls=True)
    return pa.DictionaryArray.from_arrays(indices, column.dictionary.take(codes))


def _settings(choices: Mapping[str, encoding_trial.Choice]) -> dict[str, Any]:
    """Return the options of the Parquet writer."""
    return {
        "compression": {name: choice.codec for name, choice in choices.items()},
        "compression_level": {name: 1 for name, choice in choices.items() if choice.codec == "zstd"} or None,
        "use_dictionary": [name for name, choice in choices.items() if choice.encoding == "dictionary"],
        "column_encoding": {
            name: choice.encoding for name, choice in choices.items() if choice.encoding != "dictionary"
        },
        "store_schema": False,
        "write_page_checksum": True,
    }
