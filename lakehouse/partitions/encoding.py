"""Encode sorted rows as one Parquet file: where row groups are cut, and how each column is encoded.

Symbols of at least 16k rows have row groups of their own; smaller ones are packed together.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakehouse.partitions import footer_checksum
from lakehouse.partitions.segments import DIRECTORY_KEY, Directory, encode_directory
from lakehouse.schema import TableSchema

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LARGEST_ROW_GROUP = 131_072
OWN_ROW_GROUP = 16_384
_SAMPLE = 8_192


def encode(
    target: Path,
    rows: pa.Table,
    schema: TableSchema,
    starts: npt.NDArray[np.int64],
    segments: Future[Directory],
) -> None:
    """Write one Parquet file; the directory of symbols may still be in the making."""
    delta = [name for name in (schema.time,) if name and not pa.types.is_date(rows.schema.field(name).type)]
    plain = [name for name in rows.column_names if name not in delta and not _repeats(rows.column(name))]
    dictionary = [name for name in rows.column_names if name not in delta and name not in plain]
    with pq.ParquetWriter(
        target,
        rows.schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=dictionary,
        column_encoding=dict.fromkeys(delta, "DELTA_BINARY_PACKED"),
        store_schema=False,
        write_page_checksum=True,
    ) as writer:
        for start, length in row_groups(starts, rows.num_rows):
            writer.write_table(rows.slice(start, length), row_group_size=length)
        text = encode_directory(segments.result())
        writer.add_key_value_metadata(
            {DIRECTORY_KEY.decode(): text, footer_checksum.KEY.decode(): footer_checksum.BLANK.decode()}
        )
    footer_checksum.seal(target)


def row_groups(starts: npt.NDArray[np.int64], rows: int) -> Iterator[tuple[int, int]]:
    """Yield (first row, length) of each row group: large symbols alone, small ones packed.

    Examples:
        >>> list(row_groups(np.array([0, 10, 20, 40_020]), 40_030))
        [(0, 20), (20, 40000), (40020, 10)]
    """
    pack = 0
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), rows], strict=True):
        alone = stop - start >= OWN_ROW_GROUP
        if (alone or stop - pack > 2 * OWN_ROW_GROUP) and start > pack:
            yield pack, start - pack
            pack = start
        if alone:
            parts = -(-(stop - start) // LARGEST_ROW_GROUP)
            cuts = [start + (stop - start) * part // parts for part in range(parts + 1)]
            yield from ((first, last - first) for first, last in pairwise(cuts))
            pack = stop
    if rows > pack:
        yield pack, rows - pack


def _repeats(column: pa.ChunkedArray) -> bool:
    """Guess from a sample whether a dictionary pays: at most every second value is new."""
    if pa.types.is_dictionary(column.type):
        return True
    if pa.types.is_boolean(column.type):
        return False
    sample = column.slice(len(column) // 3, _SAMPLE)
    return len(sample) < 32 or 2 * len(pc.unique(sample)) <= len(sample)
