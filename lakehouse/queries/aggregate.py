"""Aggregates from what footers and the index know; only what they can not tell is decoded.

Null and NaN are no values: they are left out of `count`, `min` and `max`, and where nothing else is there the
answer is null. A run (the rows of one symbol in one file) whose times all lie in the interval is answered by
the statistics of the directory, exactly, since a data file never changes; the runs at the edges of the
interval, and those of files of earlier releases, are decoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.partitions.arrays import Integers, distinct, int64_array, text_array, times_of
from lakehouse.partitions.index.answers import Runs
from lakehouse.partitions.reading import decode
from lakehouse.partitions.segments import RunStatistics, ends_of, statistics_of
from lakehouse.partitions.selection import Selection, answer_runs
from lakehouse.partitions.sorting import Symbols, run_starts
from lakehouse.partitions.state import TableState
from lakehouse.queries.known_symbols import check_symbols
from lakehouse.queries.result import Result
from lakehouse.schema import UNIT_NS, TableSchema, arrow_type
from lakehouse.times import Interval

ROWS = "*"
"""stands for the rows themselves"""

_STATISTICS = ("count", "min", "max")
_OF_TIME = ("first", "last")
_COUNTED = (*_STATISTICS, *_OF_TIME)


class Wanted(NamedTuple):
    """One column of the answer."""

    column: str
    """a column of the product, or `ROWS`"""
    statistic: str
    """count, min or max"""
    name: str
    """in the answer"""


def wanted_of(schema: TableSchema, what: Mapping[str, str | Sequence[str]]) -> tuple[Wanted, ...]:
    """Return the columns of the answer.

    Raises:
        ArgumentError: nothing is asked for; a column is not one of numbers, dates or times; or the statistic
            is none of ours.
    """
    found = []
    for column, asked in what.items():
        for statistic in (asked,) if isinstance(asked, str) else asked:
            _check(schema, column, statistic)
            kind = {"first": "min", "last": "max"}.get(statistic, statistic)
            name = "rows" if column == ROWS else f"{column}_{statistic}"
            found.append(Wanted(column, kind, name))
    if not found:
        raise ArgumentError("Nothing to aggregate.", hint="Write {'price': 'max'} or {'*': 'count'}.")
    return tuple(found)


def aggregate(
    state: TableState,
    symbols: Sequence[str] | None,
    interval: Interval,
    wanted: Sequence[Wanted],
    *,
    by_symbol: bool,
) -> Result:
    """Return one row a symbol, sorted, or one row in all.

    Raises:
        NotFoundError: a symbol that was asked for has no row in this version.
        IntegrityError: a file is missing or altered.
    """
    named = dict.fromkeys(each.column for each in wanted if each.column not in (ROWS, state.schema.time))
    kinds = {name: _kind(state.schema, name) for name in named}
    bounds = Interval() if state.schema.time is None else interval
    runs, rest = answer_runs(state, symbols, bounds, kinds)
    runs = [each for each in runs if len(each.codes)]
    runs += [part for selection in rest for part in _runs_of(state, selection, bounds, list(named))]
    used = [each.names[code] for each in runs for code in distinct(each.codes).tolist()]
    labels = sorted(set(used))
    check_symbols(state, symbols, rest, found=labels)
    codes = _codes(runs, labels) * by_symbol
    order = np.argsort(codes, kind="stable")
    starts = run_starts(codes[order])
    columns = [_answer(state.schema, runs, each, order, starts) for each in wanted]
    if not by_symbol:
        return Result(_whole(columns, wanted, state.schema))
    label = state.schema.symbol or "symbol"
    arrays = [text_array(labels), *columns]
    return Result(pa.Table.from_arrays(arrays, [label, *(each.name for each in wanted)]), symbol=label)


def _runs_of(state: TableState, selection: Selection, interval: Interval, names: Sequence[str]) -> list[Runs]:
    """Return the runs of one file: those inside the interval from its directory, the others decoded."""
    footer, pieces = selection.footer, selection.pieces
    starts = run_starts(footer.code)
    first, last = np.minimum.reduceat(footer.first, starts), np.maximum.reduceat(footer.last, starts)
    asked = np.zeros(len(starts), np.bool_)
    asked[footer.code[pieces]] = True
    inside = asked & ((first >= interval.start) & (last < interval.end) | interval.unbounded)
    statistics = {name: _known(state.schema, selection, name) for name in names}
    known = {name: each for name, each in statistics.items() if each is not None}
    if len(known) < len(statistics):
        inside[:] = False
    found = []
    codes = np.flatnonzero(inside)
    if len(codes):
        columns = {
            name: RunStatistics(each.low[codes], each.high[codes], each.missing[codes])
            for name, each in known.items()
        }
        found.append(Runs(footer.symbols, codes, footer.counts[codes], first[codes], last[codes], columns))
    rest = pieces[~inside[footer.code[pieces]]]
    if len(rest):
        found += _decoded(state, Selection(selection.file, footer, rest), interval, names)
    return found


def _known(schema: TableSchema, selection: Selection, name: str) -> RunStatistics | None:
    """Return the statistics of one column of a file; None where it has to be decoded."""
    counts = selection.footer.counts
    kind = _kind(schema, name)
    if name not in selection.file.columns:  # of a later contract version: null throughout
        nothing = np.zeros(len(counts), kind)
        return RunStatistics(nothing, nothing, counts)
    found = selection.footer.statistics.get(name)
    return found if found is not None and found.low.dtype == kind else None


def _decoded(state: TableState, selection: Selection, interval: Interval, names: Sequence[str]) -> list[Runs]:
    schema = state.schema
    needed = [name for name in dict.fromkeys([schema.symbol, schema.time, *names]) if name]
    table = decode(state, [selection], interval, needed)
    if not table.num_rows:
        return []
    symbols = Symbols.of(table.column(schema.symbol) if schema.symbol else None, table.num_rows)
    starts = run_starts(symbols.codes)
    times = times_of(table, schema)
    nothing = np.zeros(len(starts), np.int64)
    kinds = {name: _kind(schema, name) for name in names}
    columns = {name: statistics_of(table.column(name), starts) for name in names}
    return [
        Runs(
            symbols.names,
            symbols.codes[starts].astype(np.int64),
            np.diff(np.append(starts, table.num_rows)),
            nothing if times is None else np.minimum.reduceat(times, starts),
            nothing if times is None else np.maximum.reduceat(times, starts),
            {
                name: RunStatistics(each.low.astype(kinds[name]), each.high.astype(kinds[name]), each.missing)
                for name, each in columns.items()
            },
        )
    ]


def _answer(
    schema: TableSchema, runs: Sequence[Runs], wanted: Wanted, order: Integers, starts: Integers
) -> pa.Array:
    """Return one column of the answer, a value a symbol."""
    rows = _joined([each.rows for each in runs])[order]
    if wanted.column == ROWS:
        return int64_array(_reduced(np.add, rows, starts))
    if wanted.column == schema.time:
        values = _joined([each.first if wanted.statistic == "min" else each.last for each in runs])[order]
        missing = np.zeros_like(rows)
        values = _stored(schema, wanted.column, values)
    else:
        parts = [each.columns[wanted.column] for each in runs]
        side = [each.low if wanted.statistic == "min" else each.high for each in parts]
        values = _joined(side, _kind(schema, wanted.column))[order]
        missing = _joined([each.missing for each in parts])[order]
    present = rows - missing
    counts = _reduced(np.add, present, starts)
    if wanted.statistic == "count":
        return int64_array(counts)
    low = wanted.statistic == "min"
    least, most = ends_of(values.dtype)
    kept = np.where(present > 0, values, most if low else least)
    best = _reduced(np.minimum if low else np.maximum, kept, starts)
    return _array(schema, wanted.column, best, counts > 0)


def _reduced(function: np.ufunc, values: npt.NDArray[Any], starts: Integers) -> npt.NDArray[Any]:
    reduced: npt.NDArray[Any] = function.reduceat(values, starts) if len(starts) else values[:0]
    return reduced


def _array(
    schema: TableSchema, column: str, values: npt.NDArray[Any], valid: npt.NDArray[np.bool_]
) -> pa.Array:
    """Return values as readers get them; null where there is none."""
    kind = arrow_type(schema[column].type)
    wide = values.astype(_numpy_type(kind))
    validity = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(kind, len(wide), [validity, pa.py_buffer(np.ascontiguousarray(wide))])


def _whole(columns: Sequence[pa.Array], wanted: Sequence[Wanted], schema: TableSchema) -> pa.Table:
    """Return the one row of a question about everything: also where there is no row."""
    filled = []
    for array, each in zip(columns, wanted, strict=True):
        counted = each.column == ROWS or each.statistic == "count"
        empty = int64_array(np.zeros(1, np.int64)) if counted else pa.nulls(1, array.type)
        filled.append(array if len(array) else empty)
    return pa.Table.from_arrays(filled, [each.name for each in wanted])


def _codes(runs: Sequence[Runs], labels: Sequence[str]) -> Integers:
    """Return the position of each run's symbol among the labels."""
    places = {label: place for place, label in enumerate(labels)}
    tables = [np.array([places.get(name, 0) for name in each.names], np.int64) for each in runs]
    return _joined([table[each.codes] for table, each in zip(tables, runs, strict=True)])


def _joined(arrays: Sequence[npt.NDArray[Any]], dtype: Any = np.int64) -> npt.NDArray[Any]:
    return np.concatenate(arrays).astype(dtype, copy=False) if arrays else np.zeros(0, dtype)


def _stored(schema: TableSchema, column: str, nanoseconds: Integers) -> Integers:
    """Return times in the unit of their column."""
    unit = UNIT_NS.get(schema[column].type, 1)
    return nanoseconds // unit


def _kind(schema: TableSchema, column: str) -> np.dtype[Any]:
    return np.dtype(np.float64 if schema[column].type.startswith("float") else np.int64)


def _numpy_type(kind: pa.DataType) -> str:
    if pa.types.is_date32(kind):
        return "int32"
    names = {"float": "float32", "double": "float64"}
    return "int64" if pa.types.is_timestamp(kind) else names.get(str(kind), str(kind))


def _check(schema: TableSchema, column: str, statistic: str) -> None:
    known: tuple[str, ...] = ("count",)
    if column != ROWS:
        if column not in schema.names:
            raise ArgumentError(
                f"There is no column {column!r}.", hint=f"The columns are {', '.join(schema.names)}."
            )
        if schema[column].type in ("bool", "string"):
            raise ArgumentError(
                f"{column!r} is of type {schema[column].type}: only numbers, dates and times have an order.",
                hint="Count the rows with {'*': 'count'}.",
            )
        known = _COUNTED if column == schema.time else _STATISTICS
    if statistic not in known:
        raise ArgumentError(
            f"Unknown statistic {statistic!r} of {column!r}.", hint=f"Choose from {', '.join(known)}."
        )
