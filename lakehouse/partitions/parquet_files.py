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
from lakehouse.partitions.arrays import distinct, take_rows, times_of
from lakehouse.partitions.encoding import OWN_ROW_GROUP, encode
from lakehouse.partitions.layout import (
    LARGEST_GOOD_FILE_IN_BYTES,
    DatePeriod,
    Layout,
    bucket_of,
    folder_of,
    partition_values,
    period_starts,
    row_width,
)
from lakehouse.partitions.segments import Directory, RunStatistics, describe_segments
from lakehouse.partitions.sorting import Symbols, rows_of, run_starts
from lakehouse.partitions.state import DataFile
from lakehouse.partitions.threads import abreast, workers
from lakehouse.schema import SEQUENCE, TableSchema, stored_schema
from lakehouse.times import NS_PER_DAY

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
    times, symbols = times_of(rows, schema), _symbols(rows, schema)
    starts = run_starts(symbols.codes)
    periods = None
    if times is not None and layout.date != "none":
        starts, periods = _cut_at_periods(starts, times, layout.date)
    groups = None
    if schema.symbol and layout.symbol == "identity":
        groups = symbols.codes[starts]
    elif schema.symbol and layout.buckets:
        table = np.array([bucket_of(name, layout.buckets) for name in symbols.names], np.int32)
        groups = table[symbols.codes[starts]]
    keys = [key for key in (groups, periods) if key is not None]
    if not keys or all(np.all(key == key[0]) for key in keys):
        yield _values(layout, schema, symbols, periods, starts, 0), rows
        return
    for run, part in _split(rows, schema, symbols, starts, keys):
        yield _values(layout, schema, symbols, periods, starts, run), part


def _cut_at_periods(
    starts: npt.NDArray[np.int64], times: npt.NDArray[np.int64], period: DatePeriod
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cut the runs of symbols, in which times rise, where a period begins; return also their periods."""
    borders = _borders(int(times.min()), int(times.max()), period)
    if len(starts) * max(_LONG_RUN, len(borders)) > len(times):
        periods = period_starts(times, period)
        changed = np.zeros(len(times), np.bool_)
        changed[starts] = True
        changed[1:] |= periods[1:] != periods[:-1]
        starts = np.flatnonzero(changed)
        return starts, periods[starts]
    stops = np.append(starts[1:], len(times)).tolist()
    cuts = [
        start + np.searchsorted(times[start:stop], borders)
        for start, stop in zip(starts.tolist(), stops, strict=True)
    ]
    cut = np.concatenate([*cuts, starts])
    starts = distinct(cut[cut < len(times)])
    return starts, period_starts(times[starts], period)


def _borders(first: int, last: int, period: DatePeriod) -> npt.NDArray[np.int64]:
    """Return the times after the first, up to the last, at which a period begins."""
    days = np.arange(first // NS_PER_DAY + 1, last // NS_PER_DAY + 1)
    borders: npt.NDArray[np.int64] = days[period_starts(days * NS_PER_DAY, period) == days] * NS_PER_DAY
    return borders


def _split(
    rows: pa.Table,
    schema: TableSchema,
    symbols: Symbols,
    starts: npt.NDArray[np.int64],
    keys: list[npt.NDArray[Any]],
) -> Iterator[tuple[int, pa.Table]]:
    """Yield for each combination of the keys of runs its first run and its rows, in their order."""
    order = np.lexsort(keys[::-1])
    groups = run_starts(*(key[order] for key in keys))
    stops = np.append(starts[1:], rows.num_rows)
    long_runs = len(starts) * _LONG_RUN < rows.num_rows
    for low, high in zip(groups, [*groups[1:], len(order)], strict=True):
        runs = order[low:high]
        if long_runs:
            spans = zip(starts[runs].tolist(), stops[runs].tolist(), strict=True)
            part = pa.concat_tables([rows.slice(start, stop - start) for start, stop in spans])
        else:
            part = take_rows(rows, rows_of(starts[runs], stops[runs]))
        if schema.symbol:
            codes = np.repeat(symbols.codes[starts[runs]], stops[runs] - starts[runs])
            place = rows.schema.get_field_index(schema.symbol)
            part = part.set_column(place, schema.symbol, Symbols(codes, symbols.names).array())
        yield int(runs[0]), part


def _values(
    layout: Layout,
    schema: TableSchema,
    symbols: Symbols,
    periods: npt.NDArray[np.int64] | None,
    starts: npt.NDArray[np.int64],
    run: int,
) -> Partition:
    symbol = symbols.names[symbols.codes[starts[run]]] if schema.symbol else None
    return partition_values(layout, schema, symbol, None if periods is None else int(periods[run]))


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
    return WrittenFile(file, _statistics(rows, partition, segments.result()))


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
