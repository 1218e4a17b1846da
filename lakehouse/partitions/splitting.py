"""Split the rows of a write by partition, and bring those of each into their order, in one copy.

Rows come symbol by symbol, the symbols in any order, as frames have them, or sorted by time within each. So
what is moved is runs of rows, which are cut where a period begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.partitions.arrays import Integers, distinct, take_rows, ticks_of
from lakehouse.partitions.layout import DatePeriod, Layout, bucket_of, partition_values, period_starts
from lakehouse.partitions.sorting import Symbols, rows_of, run_starts
from lakehouse.partitions.threads import side_by_side
from lakehouse.schema import TableSchema
from lakehouse.times import NS_PER_DAY

Partition = tuple[tuple[str, str | None], ...]

_LONG_RUN = 256
_PICKED_RUN = 64
"""rows; shorter runs are picked row by row"""


def split(rows: pa.Table, schema: TableSchema, layout: Layout) -> Iterator[tuple[Partition, pa.Table]]:
    """Split rows by partition, and sort the runs of symbols in each."""
    if rows.num_rows == 0:
        return
    times, symbols = ticks_of(rows, schema), symbols_of(rows, schema)
    starts = run_starts(symbols.codes)
    periods = None
    if times is not None and layout.date != "none":
        starts, periods = _cut_at_periods(starts, *times, layout.date)
    groups = None
    if schema.symbol and layout.symbol == "identity":
        groups = symbols.codes[starts]
    elif schema.symbol and layout.buckets:
        table = np.array([bucket_of(name, layout.buckets) for name in symbols.names], np.int32)
        groups = table[symbols.codes[starts]]
    keys = [key for key in (groups, periods) if key is not None]
    codes = symbols.codes[starts]
    if all(np.all(key == key[0]) for key in keys) and np.all(codes[1:] >= codes[:-1]):
        yield _values(layout, schema, symbols, periods, starts, 0), rows
        return
    for run, part in _split(rows, schema, symbols, starts, keys):
        yield _values(layout, schema, symbols, periods, starts, run), part


def _cut_at_periods(
    starts: Integers, ticks: npt.NDArray[Any], unit: int, period: DatePeriod
) -> tuple[Integers, Integers]:
    """Cut the runs of symbols, in which times rise, where a period begins; return also their periods."""
    borders = _borders(int(ticks.min()) * unit, int(ticks.max()) * unit, period)
    if len(starts) * max(_LONG_RUN, len(borders)) > len(ticks):
        periods = period_starts(ticks * np.int64(unit), period)
        changed = np.zeros(len(ticks), np.bool_)
        changed[starts] = True
        changed[1:] |= periods[1:] != periods[:-1]
        starts = np.flatnonzero(changed)
        return starts, periods[starts]
    borders = (borders // unit).astype(ticks.dtype)  # days begin with a tick of any unit
    cut = np.concatenate([_search(ticks, starts, borders), starts])
    starts = distinct(cut[cut < len(ticks)])
    return starts, period_starts(ticks[starts] * np.int64(unit), period)


def _search(ticks: npt.NDArray[Any], starts: Integers, borders: npt.NDArray[Any]) -> Integers:
    """Return the first row of each run whose tick is not before each border, or the end of the run.

    All binary searches go side by side: one by one, the calls cost more than the steps.

    Examples:
        >>> _search(np.array([1, 4, 9, 0, 5]), np.array([0, 3]), np.array([4, 6])).tolist()
        [1, 2, 4, 5]
    """
    wanted = np.tile(borders, len(starts))
    low = np.repeat(starts, len(borders))
    high = np.repeat(np.append(starts[1:], len(ticks)), len(borders))
    while (left := low < high).any():
        middle = (low + high) >> 1
        before = left & (ticks[np.minimum(middle, len(ticks) - 1)] < wanted)
        high = np.where(left & ~before, middle, high)
        low = np.where(before, middle + 1, low)
    return low


def _borders(first: int, last: int, period: DatePeriod) -> Integers:
    """Return the times after the first, up to the last, at which a period begins."""
    days = np.arange(first // NS_PER_DAY + 1, last // NS_PER_DAY + 1)
    borders: Integers = days[period_starts(days * NS_PER_DAY, period) == days] * NS_PER_DAY
    return borders


def _split(
    rows: pa.Table,
    schema: TableSchema,
    symbols: Symbols,
    starts: Integers,
    keys: list[npt.NDArray[Any]],
) -> Iterator[tuple[int, pa.Table]]:
    """Yield for each combination of the keys of runs its first run and its rows, by symbol.

    The rows of a frame are copied once, on their way into the table of a file.
    """
    keys = keys or [np.zeros(len(starts), np.int64)]
    order = np.lexsort([symbols.codes[starts], *keys[::-1]])
    groups = run_starts(*(key[order] for key in keys))
    stops = np.append(starts[1:], rows.num_rows)
    if len(starts) * _PICKED_RUN > rows.num_rows:
        rows = _joined(rows)
    for low, high in zip(groups, [*groups[1:], len(order)], strict=True):
        runs = order[low:high]
        yield int(runs[0]), _moved(rows, schema.symbol, symbols, starts[runs], stops[runs])


def _moved(
    rows: pa.Table, symbol: str | None, symbols: Symbols, starts: Integers, stops: Integers
) -> pa.Table:
    """Return runs of rows, one after another; the column of symbols is made of the runs, in one chunk."""
    if len(starts) * _PICKED_RUN > int((stops - starts).sum()):
        part = take_rows(rows, rows_of(starts, stops))
    else:
        part = slices_of(rows, starts, stops)
    if symbol is None:
        return part
    codes = np.repeat(symbols.codes[starts], stops - starts)
    place = rows.schema.get_field_index(symbol)
    return part.set_column(place, symbol, Symbols(codes, symbols.names).array())


def slices_of(rows: pa.Table, starts: Integers, stops: Integers) -> pa.Table:
    """Return runs of rows as slices, of all columns at once: what joins them lets go of the GIL."""
    batches = rows.to_batches()
    spans = _cut_at_chunks(starts, stops, [len(batch) for batch in batches])
    slices = [
        batches[number].slice(start, length)
        for number, start, length in zip(*(part.tolist() for part in spans), strict=True)
    ]
    return pa.Table.from_batches(slices, rows.schema)


def _cut_at_chunks(
    starts: Integers, stops: Integers, chunks: Sequence[int]
) -> tuple[Integers, Integers, Integers]:
    """Cut runs of rows where a chunk ends; return the chunk of each piece, its first row there, its length.

    Examples:
        >>> [part.tolist() for part in _cut_at_chunks(np.array([4, 0]), np.array([8, 2]), [5, 5])]
        [[0, 1, 0], [4, 0, 0], [1, 3, 2]]
    """
    lengths = np.array(chunks, np.int64)
    ends = np.cumsum(lengths)
    first = np.searchsorted(ends, starts, side="right")
    pieces = np.searchsorted(ends, stops - 1, side="right") - first + 1
    number = rows_of(first, first + pieces)
    begins = (ends - lengths)[number]
    low = np.maximum(np.repeat(starts, pieces), begins)
    high = np.minimum(np.repeat(stops, pieces), ends[number])
    return number, low - begins, high - low


def _joined(rows: pa.Table) -> pa.Table:
    """Put each column into one chunk: from several ones, each picking of rows would do that again."""
    columns = side_by_side(
        lambda column: column if column.num_chunks == 1 else column.combine_chunks(), rows.columns
    )
    return pa.Table.from_arrays(columns, schema=rows.schema)


def _values(
    layout: Layout,
    schema: TableSchema,
    symbols: Symbols,
    periods: Integers | None,
    starts: Integers,
    run: int,
) -> Partition:
    symbol = symbols.names[symbols.codes[starts[run]]] if schema.symbol else None
    return partition_values(layout, schema, symbol, None if periods is None else int(periods[run]))


def symbols_of(rows: pa.Table, schema: TableSchema) -> Symbols:
    """Return the symbol of every row."""
    return Symbols.of(rows.column(schema.symbol) if schema.symbol else None, rows.num_rows)
