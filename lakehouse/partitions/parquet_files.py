"""Write sorted rows as Parquet: row groups cut at symbol borders, a directory of symbols in the footer.

Where row groups are cut, `encoding` says. The footer holds, under the key `lakehouse.directory`, one entry a
symbol: rows, first and last time, content digest, ranges of the columns; so one symbol is found in a file
without decoding it.
"""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.partitions import digest as digests
from lakehouse.partitions.arrays import times_of
from lakehouse.partitions.encoding import OWN_ROW_GROUP, encode
from lakehouse.partitions.layout import (
    LARGEST_GOOD_FILE_IN_BYTES,
    Layout,
    folder_of,
    row_width,
)
from lakehouse.partitions.segments import Directory, RunStatistics, describe_segments
from lakehouse.partitions.sorting import Symbols, run_starts
from lakehouse.partitions.splitting import Partition, split, symbols_of
from lakehouse.partitions.state import DataFile
from lakehouse.partitions.threads import FILES_AT_ONCE, abreast, workers
from lakehouse.schema import SEQUENCE, TableSchema, stored_schema

if TYPE_CHECKING:
    from lakehouse.store import Store

_LONGEST_STATISTIC = 64
_FILES_AT_THE_DISK = 2
"""that wait for it while as many as there may be are encoded"""


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A published data file and its Delta statistics."""

    file: DataFile
    """the facts"""
    statistics: Mapping[str, Any]
    """for any Delta reader"""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the files of one write go."""

    store: Store
    """the lake"""
    table_path: str
    """folder of the table"""
    writer: str
    """for the names of the files"""
    encoding: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(FILES_AT_ONCE))
    """held by each file that is encoded; those that wait for the disk hold none"""


def write_data_files(
    store: Store, table_path: str, schema: TableSchema, layout: Layout, rows: pa.Table, *, writer: str
) -> list[WrittenFile]:
    """Publish rows as data files, one or more a partition.

    Args:
        store: the lake.
        table_path: folder of the table, relative to the root.
        schema: of the table.
        layout: of the table.
        rows: in the stored schema, those of each symbol sorted by (time, sequence), the symbols in any order
            and in several runs; the symbol may be a dictionary column.
        writer: who writes, for the names of the files: what nobody committed is found by it.
    """
    largest, place = most_rows(schema), _Place(store, table_path, writer)
    written: list[WrittenFile] = []
    pieces = (
        (partition, part.slice(start, largest))
        for partition, part in split(rows, schema, layout)
        for start in range(0, part.num_rows, largest)
    )

    def write(piece: tuple[Partition, pa.Table]) -> WrittenFile:
        file = _write(place, schema, *piece)
        written.append(file)
        return file

    try:
        return abreast(write, pieces, most=FILES_AT_ONCE + _FILES_AT_THE_DISK)
    except BaseException:
        discard(store, written)
        raise


def most_rows(schema: TableSchema) -> int:
    """Return the most rows of one data file."""
    return max(OWN_ROW_GROUP, int(LARGEST_GOOD_FILE_IN_BYTES / row_width(schema)))


def discard(store: Store, written: list[WrittenFile]) -> None:
    """Delete files that no commit has named."""
    for each in written:
        store.delete(each.file.path)


def _write(place: _Place, schema: TableSchema, partition: Partition, rows: pa.Table) -> WrittenFile:
    symbols = symbols_of(rows, schema)
    rows = _in_file_schema(rows.combine_chunks(), schema, symbols)
    times = times_of(rows, schema)
    starts = run_starts(symbols.codes)
    skip = [name for name in (schema.time, SEQUENCE) if name]
    segments = workers().submit(
        describe_segments, rows, symbols, times, starts, skip=skip
    )  # the digest, while the columns are encoded
    path = f"{place.table_path}/{folder_of(partition)}part-{place.writer}-{uuid.uuid4().hex[:12]}.parquet"
    with place.store.stage(path) as temporary, place.encoding:
        encode(temporary, rows, schema, starts, segments)
        size, sha256 = temporary.stat().st_size, _sha256(temporary)
    file = DataFile(
        path=path,
        size=size,
        rows=rows.num_rows,
        sha256=sha256,
        digest=digests.add(*segments.result().digests),
        partition=partition,
        min_symbol=symbols.names[symbols.codes[0]] if schema.symbol else None,
        max_symbol=symbols.names[symbols.codes[-1]] if schema.symbol else None,
        min_time=None if times is None else int(times.min()),
        max_time=None if times is None else int(times.max()),
        columns=tuple(name for name in schema.names if name in rows.column_names),
    )
    return WrittenFile(file, _statistics(rows, partition, segments.result()))


def _in_file_schema(rows: pa.Table, schema: TableSchema, symbols: Symbols) -> pa.Table:
    """Give every file of a table the same fields; text keeps its encoding.

    A column that has no null in this file is declared so: a fifth of the time of decoding is for nulls that
    might come. What may be null in the table, its log says.
    """
    fields, columns = [], []
    for stored in stored_schema(schema):
        column = symbols.array() if stored.name == schema.symbol else rows.column(stored.name)
        kind = column.type if pa.types.is_dictionary(column.type) else stored.type
        fields.append(pa.field(stored.name, kind, nullable=stored.nullable and column.null_count > 0))
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _statistics(rows: pa.Table, partition: Partition, directory: Directory) -> dict[str, Any]:
    """Return Delta statistics: exact ranges, left out where JSON or readers would bend them."""
    smallest, largest = {}, {}
    outside = {name for name, _ in partition}
    for name in rows.column_names:
        column = rows.column(name)
        if (
            name == SEQUENCE
            or name in outside
            or pa.types.is_boolean(column.type)
            or len(column) == column.null_count
        ):
            continue
        found = _range(column, directory.statistics.get(name))
        if found is not None and all(map(_fits_json, found)):
            smallest[name], largest[name] = found
    nulls = {name: rows.column(name).null_count for name in rows.column_names if name not in outside}
    return {"numRecords": rows.num_rows, "minValues": smallest, "maxValues": largest, "nullCount": nulls}


def _range(column: pa.ChunkedArray, runs: RunStatistics | None) -> tuple[Any, Any] | None:
    """Return the smallest and the largest value of a column that has any; None where one is NaN."""
    if runs is not None and pa.types.is_floating(column.type):  # the directory has found them already
        bounds = float(runs.low.min()), float(runs.high.max())
        return bounds if int(runs.missing.sum()) == column.null_count else None
    values = column.combine_chunks().dictionary if pa.types.is_dictionary(column.type) else column
    low, high = (_plain(value, column.type) for value in pc.min_max(values).values())
    return low, high


def _plain(value: pa.Scalar, kind: pa.DataType) -> Any:
    if pa.types.is_timestamp(kind):
        return str(np.datetime64(value.value, "us")) + "Z"
    return str(value.as_py()) if pa.types.is_date(kind) else value.as_py()


def _fits_json(value: Any) -> bool:
    return (
        len(value) <= _LONGEST_STATISTIC
        if isinstance(value, str)
        else not isinstance(value, float) or math.isfinite(value)
    )


def _sha256(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
