"""Order books from snapshots and changes."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.queries.analytics.amounts import origin_of, span_of
from lakehouse.queries.analytics.book_rows import Books, Events, Written, events_of, merged
from lakehouse.queries.computation import Computation, compute
from lakehouse.queries.gathering import Wanted
from lakehouse.queries.inputs import Input
from lakehouse.queries.operations import Operation
from lakehouse.queries.rows import Block, Rows, Values, time_array
from lakehouse.queries.sources import input_of
from lakehouse.times import MAX_NS, MIN_NS, Interval


def order_book(
    snapshots: Any,
    changes: Any,
    depth: int = 10,
    *,
    side: str = "side",
    price: str = "price",
    size: str = "size",
    sequence: str | None = None,
    every: str | timedelta | int | None = None,
    keep: int | None = None,
    check: bool = False,
    executor: Executor | None = None,
) -> Computation:
    """Return the best levels of the order book of each symbol after each of its changes.

    A row of `changes` sets the size that rests at a price on one side; size 0 removes the price. Rows of one
    symbol and time are one change. The rows of `snapshots` of one symbol and time are a whole book, which
    replaces the one before; at equal times a snapshot comes first. Changes before the first snapshot of a
    symbol are left out, as its book is not known yet; without snapshots a book begins empty. Symbols without
    a change have no rows. A row with a null price or size is left out; a snapshot of one such row is an empty
    book.

    Args:
        snapshots: whole books: a scan, a product, or a frame; None for none.
        changes: what changed.
        depth: levels a side of the result, 1 or more.
        side: column of texts: "bid", "buy" or "b", and "ask", "sell", "a" or "s", in any case.
        price: column of prices.
        size: column of sizes, 0 or above: the new size at the price, not its change.
        sequence: column of the numbers of the feed, in both: a change is left out if its number is not above
            that of the snapshot before it.
        every: give the last book of each cell of time in which it changed, at the time of its last change;
            None for the book after each change.
        keep: levels a side that the feed maintains: it says nothing when a level falls out of them. None for
            all.
        check: raise if a book is crossed: if its best bid is at or above its best ask.
        executor: whose tasks do the work; None for threads.

    Returns:
        symbol, time, and for each level, from 1: bid_price_1, bid_size_1, ask_price_1, ask_size_1; NaN where
        the book has fewer levels.

    Raises:
        NotFoundError: a column is not there.
        ArgumentError: a column is of a wrong type, an argument out of its range, a side unknown, or a size
            negative; with `check`, a book is crossed.

    Examples:
        >>> import polars as pl
        >>> from datetime import datetime, UTC
        >>> time = [datetime(2024, 1, 2, 9, minute, tzinfo=UTC) for minute in (30, 30, 31)]
        >>> levels = {"side": ["bid", "ask", "bid"], "price": [99.0, 101.0, 100.0], "size": [5.0, 4.0, 2.0]}
        >>> book = order_book(None, pl.DataFrame({"time": time, **levels}), depth=1).read()
        >>> book.to_arrow()["bid_price_1"].to_pylist(), book.to_arrow()["ask_price_1"].to_pylist()
        ([99.0, 100.0], [101.0, 101.0])
    """
    _check_count(depth, "depth")
    if keep is not None:
        _check_count(keep, "keep")
    source = input_of(changes)
    span = 0 if every is None else span_of(every)
    numbers = (price, size) if sequence is None else (price, size, sequence)
    operation = _OrderBook(
        numbers, side, None if snapshots is None else input_of(snapshots), source.time,
        source.time_type, int(depth), span, keep or 0, check,
    )  # fmt: skip
    return compute("order_book", operation, source, executor=executor)


def _check_count(value: int, name: str) -> None:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ArgumentError(f"The argument {name!r} must be a whole number, 1 or more; got {value!r}.")


@dataclass
class _State:
    """The books of some symbols."""

    symbols: tuple[str, ...]
    books: Books
    upto: int
    """the time from which on snapshots are still to be read"""


@dataclass(frozen=True)
class _OrderBook(Operation):
    """The best levels of books."""

    columns: tuple[str, ...]
    side: str
    snapshots: Input | None
    time: str
    time_type: pa.DataType
    depth: int
    every: int
    keep: int
    check: bool

    def carries(self) -> tuple[str, ...]:
        return (self.side,)

    def fields(self, source: Input) -> list[pa.Field]:
        for each in (source, *self.others()):
            each.check_number(*self.columns)
            each.check(self.side)
            kind = each.schema.field(self.side).type
            if not pa.types.is_string(kind):
                raise ArgumentError(
                    f"Column {self.side!r} is {kind}; sides are texts, such as 'bid' and 'ask'."
                )
        names = [
            f"{half}_{what}_{level}"
            for level in range(1, self.depth + 1)
            for half in ("bid", "ask")
            for what in ("price", "size")
        ]
        time = pa.field(self.time, self.time_type, nullable=False)
        return [time, *(pa.field(name, pa.float64()) for name in names)]

    def weight(self) -> int:
        return self.depth

    def others(self) -> tuple[Input, ...]:
        return () if self.snapshots is None else (self.snapshots,)

    def narrowed(self, symbols: tuple[str, ...]) -> _OrderBook:
        return self if self.snapshots is None else replace(self, snapshots=self.snapshots.part(symbols))

    def start(self, symbols: tuple[str, ...]) -> _State:
        books = Books(len(symbols), self.depth, self.keep, known=self.snapshots is None)
        return _State(symbols, books, MIN_NS)

    def step(self, rows: Rows, state: _State) -> Block | None:
        if not len(rows):
            return None
        changes = self._events(rows)
        upto = int(rows.times.max()) + 1
        return self._block(state, self._apply(merged(self._read_snapshots(state, upto), changes), state))

    def finish(self, state: _State) -> Block | None:
        rest = self._apply(self._read_snapshots(state, MAX_NS), state)
        return self._block(state, [*rest, *state.books.flush()])

    def _read_snapshots(self, state: _State, upto: int) -> Events:
        if self.snapshots is None:
            return Events.none(len(state.symbols))
        interval, state.upto = Interval(state.upto, upto), upto
        rows = self.snapshots.load(Wanted(state.symbols, interval, self.columns, self.carries()))
        return self._events(rows, whole=True)

    def _events(self, rows: Rows, *, whole: bool = False) -> Events:
        return events_of(rows, self.columns, self.side, whole=whole)

    def _apply(self, events: Events, state: _State) -> list[Written]:
        origin = origin_of(self.every) if self.every else 0
        cells = (events.times - origin) // self.every if self.every else events.times
        return state.books.apply(events, cells)

    def _block(self, state: _State, found: list[Written]) -> Block:
        if self.check and (crossed := state.books.crossed()):
            name, time = state.symbols[crossed[0]], np.datetime64(crossed[1], "ns")
            raise ArgumentError(
                f"The book of {name!r} is crossed at {time} UTC: its best bid is at or above its best ask.",
                hint="Look for changes that are lost or out of order; check=False gives the book as it is.",
            )
        found = sorted(found, key=lambda written: written[0])
        counts = np.zeros(len(state.symbols), np.int64)
        for symbol, times, _ in found:
            counts[symbol] += len(times)
        times = np.concatenate([np.zeros(0, np.int64), *(times for _, times, _ in found)])
        columns: list[Values] = [time_array(times, self.time_type)]
        for level in range(self.depth):
            for what in range(4):
                parts = [levels[:, what, level] for _, _, levels in found]
                columns.append(np.concatenate([np.zeros(0), *parts]))
        return Block(counts, tuple(columns))
