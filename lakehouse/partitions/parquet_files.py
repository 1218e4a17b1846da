"""Write sorted rows as Parquet: row groups cut at symbol borders, a directory of symbols in the footer.

Where row groups are cut, `encoding` says. The footer holds, under the key `lakehouse.directory`, one entry a
symbol: rows, first and last time, content digest, ranges of the columns; so one symbol is found in a file
without decoding it.
"""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.partitions import digest as digests
from lakehouse.partitions.arrays import int64_array, times_of
from lakehouse.partitions.encoding import OWN_ROW_GROUP, encode
from lakehouse.partitions.layout import (
    LARGEST_GOOD_FILE_IN_BYTES,
    Layout,
    bucket_of,
    folder_of,
    partition_values,
    period_starts,
    row_width,
)
from lakehouse.partitions.segments import describe_segments
from lakehouse.partitions.sorting import Symbols, run_starts
from lakehouse.partitions.state import DataFile
from lakehouse.partitions.threads import abreast, workers
from lakehouse.schema import SEQUENCE, TableSchema, stored_schema

if TYPE_CHECKING:
    from lakehouse.store import Store

Partition = tuple[tuple[str, str | None], ...]

_LONG_RUN = 256
_LONGEST_STATISTIC = 64


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A published data file and its Delta statistics."""

    file: DataFile
    """the facts"""
    statistics: Mapping[str, Any]
    """for any Delta reader"""


def write_data_files(
    store: Store, table_path: str, schema: TableSchema, layout: Layout, rows: pa.Table, *, writer: str
) -> list[WrittenFile]:
    """Publish rows as data files, one or more a partition.

    Args:
        store: the lake.
        table_path: folder of the table, relative to the root.
        schema: of the table.
        layout: of the table.
        rows: in the stored schema, sorted by (symbol, time, sequence); the symbol may be a dictionary column.
        writer: who writes, for the names of the files: what nobody committed is found by it.
    """
    largest = most_rows(schema)
    written: list[WrittenFile] = []
    pieces = (
        (partition, part.slice(start, largest))
        for partition, part in _partitions(rows, schema, layout)
        for start in range(0, part.num_rows, largest)
    )

    def write(piece: tuple[Partition, pa.Table]) -> WrittenFile:
        file = _write(store, table_path, schema, *piece, writer)
        written.append(file)
        return file

    try:
        return abreast(write, pieces)
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


def _partitions(rows: pa.Table, schema: TableSchema, layout: Layout) -> Iterator[tuple[Partition, pa.Table]]:
    """Split sorted rows by partition; the order within each stays."""
    if rows.num_rows == 0:
        return
    times = times_of(rows, schema)
    periods = None if times is None or layout.date == "none" else period_starts(times, layout.date)
    symbols = _symbols(rows, schema)
    groups = None
    if schema.symbol and layout.symbol == "identity":
        groups = symbols.codes
    elif schema.symbol and layout.buckets:
        table = np.array([bucket_of(name, layout.buckets) for name in symbols.names], np.int32)
        groups = table[symbols.codes]
    keys = [key for key in (groups, periods) if key is not None]
    if not keys or all(np.all(key == key[0]) for key in keys):
        yield _values(layout, schema, symbols, periods, 0), rows
        return
    for first, part in _split(rows, keys):
        yield _values(layout, schema, symbols, periods, first), part


def _split(rows: pa.Table, keys: list[npt.NDArray[Any]]) -> Iterator[tuple[int, pa.Table]]:
    """Yield for each combination of keys its first row and its rows, in their order."""
    starts = run_starts(*keys)
    order = np.lexsort([key[starts] for key in keys[::-1]])
    groups = run_starts(*(key[starts][order] for key in keys))
    stops = np.append(starts[1:], rows.num_rows)
    long_runs = len(starts) * _LONG_RUN < rows.num_rows
    for low, high in zip(groups, [*groups[1:], len(order)], strict=True):
        runs = order[low:high]
        spans = list(zip(starts[runs].tolist(), stops[runs].tolist(), strict=True))
        if long_runs:
            part = pa.concat_tables([rows.slice(start, stop - start) for start, stop in spans])
        else:
            part = rows.take(int64_array(np.concatenate([np.arange(start, stop) for start, stop in spans])))
        yield spans[0][0], part


def _values(
    layout: Layout, schema: TableSchema, symbols: Symbols, periods: npt.NDArray[np.int64] | None, row: int
) -> Partition:
    symbol = symbols.names[symbols.codes[row]] if schema.symbol else None
    return partition_values(layout, schema, symbol, None if periods is None else int(periods[row]))


def _symbols(rows: pa.Table, schema: TableSchema) -> Symbols:
    return Symbols.of(rows.column(schema.symbol) if schema.symbol else None, rows.num_rows)


def _write(
    store: Store,
    table_path: str,
    schema: TableSchema,
    partition: Partition,
    rows: pa.Table,
    writer: str,
) -> WrittenFile:
    symbols = _symbols(rows, schema)
    rows = _in_file_schema(rows.combine_chunks(), schema, symbols)
    times = times_of(rows, schema)
    starts = run_starts(symbols.codes)
    skip = [name for name in (schema.time, SEQUENCE) if name]
    segments = workers().submit(
        describe_segments, rows, symbols, times, starts, skip=skip
    )  # the digest, while the columns are encoded
    path = f"{table_path}/{folder_of(partition)}part-{writer}-{uuid.uuid4().hex[:12]}.parquet"
    with store.stage(path) as temporary:
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
    return WrittenFile(file, _statistics(rows, partition))


def _in_file_schema(rows: pa.Table, schema: TableSchema, symbols: Symbols) -> pa.Table:
    """Give every file of a table the same fields; text keeps its encoding.

    A column that has no null in this file is declared so: a fifth of the time of decoding is for nulls that
    might come. What may be null in the table, its log says.
    """
    fields, columns = [], []
    for field in stored_schema(schema):
        column = symbols.array() if field.name == schema.symbol else rows.column(field.name)
        kind = column.type if pa.types.is_dictionary(column.type) else field.type
        fields.append(pa.field(field.name, kind, nullable=field.nullable and column.null_count > 0))
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _statistics(rows: pa.Table, partition: Partition) -> dict[str, Any]:
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
        if pa.types.is_floating(column.type) and pc.any(pc.is_nan(column)).as_py():
            continue
        values = column.combine_chunks().dictionary if pa.types.is_dictionary(column.type) else column
        low, high = (_plain(value, column.type) for value in pc.min_max(values).values())
        if _fits_json(low) and _fits_json(high):
            smallest[name], largest[name] = low, high
    nulls = {name: rows.column(name).null_count for name in rows.column_names if name not in outside}
    return {"numRecords": rows.num_rows, "minValues": smallest, "maxValues": largest, "nullCount": nulls}


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
