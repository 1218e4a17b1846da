"""Rows in memory as kernels read them: sorted once by (symbol, time)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.cached import cached_property
from lakehouse.errors import ArgumentError
from lakehouse.partitions.arrays import int64_array, integers, take_rows
from lakehouse.partitions.sorting import Symbols, sort_order
from lakehouse.queries.buckets import Pieces
from lakehouse.queries.gathering import Wanted
from lakehouse.queries.inputs import Input
from lakehouse.queries.numbers import numbers_of
from lakehouse.queries.result import Result
from lakehouse.queries.rows import Integers, Rows, frozen
from lakehouse.times import MAX_NS, NS_PER_DAY

_PIECE = 1 << 17
_LAST_DAY = MAX_NS // NS_PER_DAY


@dataclass(frozen=True)
class FrameInput(Input):
    """Sorted rows of a table."""

    table: pa.Table
    """sorted by (symbol, time); equal times in the order in which they came"""
    symbols: tuple[str, ...]
    """sorted"""
    offsets: Integers
    """(n_symbols + 1,) first row of each"""
    times: Integers
    """(n_rows,) UTC nanoseconds"""
    symbol: str | None
    """see `Input`"""
    time: str
    """see `Input`"""

    @classmethod
    def of(cls, rows: Any) -> FrameInput:
        """Sort a frame of any library.

        Raises:
            ArgumentError: it hands out no Arrow stream; two columns have one name; it has no column of times,
                or no telling which; a symbol or a time is null, a symbol is no text, or a time out of range.
        """
        table = _to_table(rows)
        symbol, time = _roles(rows, table)
        if symbol is not None and not pa.types.is_string(kind := table.schema.field(symbol).type):
            raise ArgumentError(f"Column {symbol!r} is {kind}; symbols are texts.")
        found = Symbols.of(None if symbol is None else _without_nulls(table, symbol), table.num_rows)
        times = _nanoseconds(_without_nulls(table, time))
        order = sort_order(found.codes, times)
        if order is not None:
            table, times = take_rows(table, order), times[order]
        counts = np.bincount(found.codes, minlength=len(found.names)).astype(np.int64)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        return cls(table, found.names, frozen(offsets), frozen(times), symbol, time)

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """See `Input.names`."""
        return tuple(self.table.column_names)

    @property
    def schema(self) -> pa.Schema:
        """See `Input.schema`: texts are strings, and times without a zone are UTC."""
        return self.table.schema

    @cached_property
    def pieces(self) -> Pieces:
        """See `Input.pieces`."""
        edges = [
            np.arange(low, high, _PIECE)
            for low, high in zip(self.offsets[:-1], self.offsets[1:], strict=True)
        ]
        start = np.concatenate([np.zeros(0, np.int64), *edges])
        stop = np.append(start[1:], len(self.times))[: len(start)]
        code = np.repeat(np.arange(len(edges)), [len(each) for each in edges])
        first, last = self.times[start], self.times[stop - 1]
        return Pieces(self.symbols, code, stop - start, first, last, np.arange(len(start)))

    def load(self, wanted: Wanted) -> Rows:
        """See `Input.load`."""
        return self._load([self._span(symbol, wanted) for symbol in wanted.symbols], wanted)

    def ends(self, symbols: Sequence[str], instant: int, wanted: Wanted, *, last: bool) -> Rows:
        """See `Input.ends`."""
        spans = []
        for symbol in symbols:
            low, high = self._rows_of(symbol)
            row = low + int(np.searchsorted(self.times[low:high], instant)) - (1 if last else 0)
            spans.append((row, row + 1) if low <= row < high else (low, low))
        return self._load(spans, replace(wanted, symbols=tuple(symbols)))

    def _load(self, spans: list[tuple[int, int]], wanted: Wanted) -> Rows:
        kept = [(low, high) for low, high in spans if low < high]
        counts = np.array([high - low for low, high in spans], np.int64)
        rows = slice(kept[0][0], kept[-1][1]) if kept else slice(0, 0)
        table, times = self.table.slice(rows.start, rows.stop - rows.start), self.times[rows]
        if len(times) != counts.sum():
            picked = np.concatenate([np.arange(low, high) for low, high in kept])
            needed = list(dict.fromkeys((*wanted.columns, *wanted.carried)))
            table, times = self.table.select(needed).take(int64_array(picked)), self.times[picked]
        return Rows(
            wanted.symbols,
            frozen(np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])),
            frozen(times),
            {name: numbers_of(table.column(name)) for name in wanted.columns},
            {name: table.column(name) for name in wanted.carried},
        )

    def part(self, symbols: Sequence[str]) -> FrameInput:
        """See `Input.part`."""
        spans = [self._rows_of(symbol) for symbol in symbols]
        picked = np.concatenate([np.zeros(0, np.int64), *(np.arange(low, high) for low, high in spans)])
        counts = np.array([high - low for low, high in spans], np.int64)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        table = self.table.take(int64_array(picked))
        return FrameInput(table, tuple(symbols), offsets, self.times[picked], self.symbol, self.time)

    def _rows_of(self, symbol: str) -> tuple[int, int]:
        place = bisect_left(self.symbols, symbol)
        if self.symbols[place : place + 1] != (symbol,):
            return 0, 0
        return int(self.offsets[place]), int(self.offsets[place + 1])

    def _span(self, symbol: str, wanted: Wanted) -> tuple[int, int]:
        low, high = self._rows_of(symbol)
        if wanted.interval.unbounded:
            return low, high
        edges = np.searchsorted(self.times[low:high], [wanted.interval.start, wanted.interval.end])
        return low + int(edges[0]), low + int(edges[1])


def _to_table(rows: Any) -> pa.Table:
    if hasattr(rows, "collect") and not hasattr(rows, "__arrow_c_stream__"):  # a polars LazyFrame
        rows = rows.collect()
    if not hasattr(rows, "__arrow_c_stream__"):
        raise ArgumentError(
            f"Can not read rows from {type(rows).__name__}.",
            hint="Give a product, a scan, a result, or a frame of polars, pandas or pyarrow.",
        )
    table = pa.table(rows)
    names = table.column_names
    if twice := [name for name in names if names.count(name) > 1]:
        raise ArgumentError(f"The rows have several columns {twice[0]!r}.", hint="Give each its own name.")
    plain = pa.schema([pa.field(field.name, _plain(field.type)) for field in table.schema])
    if table.schema.equals(plain):
        return table
    return pa.Table.from_arrays([_decoded(column) for column in table.columns], names).cast(plain)


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return categories as texts; pyarrow 26 does not unpack a dictionary of string views, as of polars."""
    if not pa.types.is_dictionary(column.type):
        return column
    kind = _plain(column.type)
    chunks = [
        pa.DictionaryArray.from_arrays(chunk.indices, chunk.dictionary.cast(kind)).cast(kind)
        for chunk in column.chunks
    ]
    return pa.chunked_array(chunks, kind)


def _roles(rows: Any, table: pa.Table) -> tuple[str | None, str]:
    """Return the columns that hold the symbol and the time."""
    if isinstance(rows, Result) and rows.time is not None:
        return rows.symbol, rows.time
    symbol = "symbol" if "symbol" in table.column_names else None
    timed = [
        field.name
        for field in table.schema
        if pa.types.is_timestamp(field.type) or pa.types.is_date(field.type)
    ]
    if "time" in timed:
        return symbol, "time"
    if len(timed) != 1:
        raise ArgumentError(
            f"The rows need one column of times, or one called 'time'; columns of times: {timed or 'none'}."
        )
    return symbol, timed[0]


def _without_nulls(table: pa.Table, name: str) -> pa.ChunkedArray:
    column = table.column(name)
    if column.null_count:
        raise ArgumentError(f"Column {name!r} has {column.null_count} nulls; every row needs one.")
    return column


def _nanoseconds(column: pa.ChunkedArray) -> Integers:
    """Return times as UTC nanoseconds.

    Raises:
        ArgumentError: one is outside their range.
    """
    kind, message = column.type, "A time is outside 1677-09-21 to 2262-04-11, the range of nanoseconds."
    if pa.types.is_date32(kind):
        days = integers(column).astype(np.int64)
        if len(days) and not -_LAST_DAY <= days.min() <= days.max() <= _LAST_DAY:
            raise ArgumentError(message)
        return days * NS_PER_DAY
    try:
        return integers(column.cast(pa.timestamp("ns", kind.tz)))
    except pa.ArrowInvalid as error:
        raise ArgumentError(message) from error


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp(kind.unit, "UTC")
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return pa.date32() if pa.types.is_date64(kind) else kind
