"""The market at an instant: the last row of every symbol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.queries.analytics.amounts import names_of
from lakehouse.queries.buckets import Bucket
from lakehouse.queries.computation import Computation
from lakehouse.queries.gathering import Wanted
from lakehouse.queries.inputs import Input
from lakehouse.queries.operations import spread
from lakehouse.queries.rows import Block, time_array, to_table
from lakehouse.queries.sources import input_of
from lakehouse.times import MAX_NS, Interval, to_nanoseconds


def market_snapshot(
    rows: Any, time: Any, *, columns: Sequence[str] | None = None, executor: Executor | None = None
) -> Computation:
    """Return the last row of each symbol at or before an instant.

    Of each symbol the one row group is decoded that holds the row. A symbol without such a row is left out.
    A row counts from its own time on, a bar from its start and a daily one from midnight: the close in it was
    not known then.

    Args:
        rows: of any product; of a scan those of its interval count.
        time: the instant; without a zone it is UTC.
        columns: that are wanted beside symbol and time; None for all.
        executor: whose tasks do the work; None for threads.

    Raises:
        NotFoundError: a column is not there.
        ArgumentError: the time can not be read.

    Examples:
        >>> import polars as pl
        >>> from datetime import datetime
        >>> times = [datetime(2024, 1, 2, 9, 30, second) for second in (0, 20, 40)]
        >>> trades = pl.DataFrame({"time": times, "price": [10.0, 12.0, 11.0], "size": [100, 200, 100]})
        >>> market_snapshot(trades, "2024-01-02 09:30:30").read().to_polars()["price"].to_list()
        [12.0]
    """
    source, instant = input_of(rows), to_nanoseconds(time)
    if instant >= MAX_NS - 1:
        raise ArgumentError("The instant is the last one that there is; ask for the latest rows.")
    roles = (source.symbol, source.time)
    chosen = source.names if columns is None else names_of(columns)
    for name in chosen:
        source.check(name)
    kept = tuple(name for name in chosen if name not in roles)
    schema = pa.schema([source.schema.field(name) for name in (*filter(None, roles), *kept)])
    task = _Snapshot(source, instant, kept, schema)

    def tables() -> Iterator[pa.Table]:
        return spread(task, source.near(instant + 1), executor=executor)

    return Computation("market_snapshot", schema, tables, symbol=source.symbol, time=source.time)


@dataclass(frozen=True)
class _Snapshot:
    source: Input
    instant: int
    kept: tuple[str, ...]
    schema: pa.Schema

    def narrowed(self, symbols: tuple[str, ...]) -> _Snapshot:
        return _Snapshot(self.source.part(symbols), self.instant, self.kept, self.schema)

    def __call__(self, bucket: Bucket) -> pa.Table:
        wanted = Wanted(bucket.symbols, Interval(), (), self.kept)
        rows = self.source.ends(bucket.symbols, self.instant + 1, wanted, last=True)
        time = time_array(rows.times, self.schema.field(self.source.time).type)
        blocks = [Block(np.diff(rows.offsets), (time, *rows.carried.values()))]
        return to_table(blocks, bucket.symbols, self.source.symbol, self.schema)
