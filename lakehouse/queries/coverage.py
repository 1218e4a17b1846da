"""What a product holds: its symbols, and where their days have gaps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.partitions.arrays import Integers, dictionary_array, int64_array, text_array, times_of
from lakehouse.partitions.reading import decode
from lakehouse.partitions.selection import select_pieces
from lakehouse.partitions.sorting import Symbols, run_starts
from lakehouse.partitions.state import TableState
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
    found: dict[str, tuple[int, int, int]] = {}
    for selection in select_pieces(state, None, Interval()):
        footer = selection.footer
        starts = run_starts(footer.code)
        rows = np.add.reduceat(footer.rows, starts).tolist()
        firsts, lasts = (
            np.minimum.reduceat(footer.first, starts).tolist(),
            np.maximum.reduceat(footer.last, starts).tolist(),
        )
        for symbol, count, first, last in zip(footer.symbols, rows, firsts, lasts, strict=True):
            old = found.get(symbol, (first, last, 0))
            found[symbol] = min(old[0], first), max(old[1], last), old[2] + count
    names = sorted(found)
    columns = [text_array(names)]
    if state.schema.time is not None:
        columns += [
            int64_array(np.array([found[name][side] for name in names], np.int64)).view(_INSTANT)
            for side in (0, 1)
        ]
    columns.append(int64_array(np.array([found[name][2] for name in names], np.int64)))
    labels = ["symbol", "first", "last", "rows"] if state.schema.time is not None else ["symbol", "rows"]
    return Result(pa.Table.from_arrays(columns, labels), symbol="symbol")


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
