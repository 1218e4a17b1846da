"""What a product holds: its symbols, and where their days have gaps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.partitions.arrays import Integers, dictionary_array, times_of
from lakehouse.partitions.reading import decode
from lakehouse.partitions.selection import select_pieces
from lakehouse.partitions.sorting import Symbols, run_starts
from lakehouse.partitions.state import TableState
from lakehouse.queries.aggregate import ROWS, Wanted, aggregate
from lakehouse.queries.result import Result
from lakehouse.schema import arrow_type
from lakehouse.times import NS_PER_DAY, Interval

_INSTANT = arrow_type("timestamp[ns]")


def read_symbols(state: TableState) -> Result:
    """Return one row a symbol: symbol, first, last (UTC), rows; from footers alone, no data page is read.

    Raises:
        ArgumentError: the product has no symbols.
    """
    if state.schema.symbol is None:
        raise ArgumentError(f"{state.name} has no symbol column.")
    time = state.schema.time
    wanted = [Wanted(ROWS, "count", "rows")]
    if time is not None:
        wanted = [Wanted(time, "min", "first"), Wanted(time, "max", "last"), *wanted]
    table = aggregate(state, None, Interval(), wanted, by_symbol=True).to_arrow()
    columns = [
        _as_instant(table.column(name)) if name in ("first", "last") else table.column(name)
        for name in (each.name for each in wanted)
    ]
    labels = ["symbol", *(each.name for each in wanted)]
    return Result(pa.Table.from_arrays([table.column(0), *columns], labels), symbol="symbol")


def _as_instant(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return dates and times of any unit as instants."""
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ns"))
    return column.cast(_INSTANT)


def read_coverage(state: TableState) -> Result:
    """Return one row a gap-free run of days of a symbol, and one a gap.

    The calendar is the product itself: a day counts as missing for a symbol if any other symbol has rows on
    it, and it lies between the symbol's own first and last day. Days are UTC.

    Returns:
        symbol, start, end (dates, half open), days, rows, and `gap`: true for a run of missing days, whose
        rows are 0.

    Raises:
        ArgumentError: the product has no time column.
    """
    if state.schema.time is None:
        raise ArgumentError(f"{state.name} has no time column.")
    names = [name for name in (state.schema.symbol, state.schema.time) if name]
    table = decode(state, select_pieces(state, None, Interval()), Interval(), names)
    symbols = Symbols.of(table.column(state.schema.symbol) if state.schema.symbol else None, table.num_rows)
    times = times_of(table, state.schema)
    if times is None or not len(times):
        return _coverage_result(np.zeros((0, 5), np.int64), (), np.zeros(0, np.int64))
    days = np.floor_divide(times, NS_PER_DAY)
    first = run_starts(symbols.codes, days)  # rows are in order: one run a symbol and day
    calendar, slots = np.unique(days[first], return_inverse=True)
    rows = np.diff(first, append=len(days))
    return _coverage_result(
        _runs(symbols.codes[first].astype(np.int64), slots, rows), symbols.names, calendar
    )


def _runs(codes: Integers, slots: Integers, rows: Integers) -> npt.NDArray[np.int64]:
    """Return (code, first slot, slot after, rows, gap) for runs of present and missing calendar days.

    Args:
        codes: of the symbol of each present day, rising.
        slots: the place of the day in the calendar, rising within a symbol.
        rows: of the symbol on that day.
    """
    begins = run_starts(codes, slots - np.arange(len(slots)))  # neighbours in the calendar differ by none
    ends = np.append(begins[1:], len(slots)) - 1
    code, start, stop = codes[begins], slots[begins], slots[ends] + 1
    counts = np.add.reduceat(rows, begins)
    present = np.column_stack([code, start, stop, counts, np.zeros_like(code)])
    holes = np.flatnonzero(code[1:] == code[:-1])
    nothing = np.zeros_like(holes)
    missing = np.column_stack([code[holes], stop[holes], start[holes + 1], nothing, nothing + 1])
    found = np.concatenate([present, missing])
    return found[np.lexsort((found[:, 1], found[:, 0]))]


def _coverage_result(runs: npt.NDArray[np.int64], names: tuple[str, ...], calendar: Integers) -> Result:
    code, start, stop, rows, gap = runs.T
    dates = [
        pa.array(values.astype(np.int32)).cast(pa.date32())
        for values in (calendar[start], calendar[stop - 1] + 1)
    ]
    columns = [
        dictionary_array(code.astype(np.int32), names).cast(pa.string()),
        *dates,
        pa.array(stop - start),
        pa.array(rows),
        pa.array(gap.astype(np.bool_)),
    ]
    return Result(
        pa.Table.from_arrays(columns, ["symbol", "start", "end", "days", "rows", "gap"]), symbol="symbol"
    )
