"""Apply a function of the user to the rows of each partition, side by side, and stream what it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import chain
from operator import call
from typing import Any

import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.partitions.arrays import empty_table
from lakehouse.partitions.footers import footer_of
from lakehouse.partitions.reading import decode
from lakehouse.partitions.selection import Selection
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.partitions.threads import flow, in_worker
from lakehouse.queries.result import Result
from lakehouse.store import open_store
from lakehouse.times import Interval


class Stream:
    """Tables that are made while they are read; each reading makes them anew."""

    def __init__(
        self, tables: Callable[[], Iterator[pa.Table]], *, symbol: str | None, time: str | None
    ) -> None:
        """Take how to make the tables.

        Args:
            tables: makes them, in order.
            symbol: the column that holds the symbol, if the tables have it.
            time: the column that orders the rows, likewise.
        """
        self._tables, self._symbol, self._time = tables, symbol, time

    def __iter__(self) -> Iterator[pa.Table]:
        """Yield what the function made of each partition; a partition of which it made None is left out."""
        return self._tables()

    def read(self) -> Result:
        """Return all tables as one.

        Raises:
            ArgumentError: they do not have the same columns and types.
        """
        tables = list(self._tables())
        table = _joined(tables) if tables else pa.Table.from_arrays([], names=[])
        return Result(table, symbol=self._symbol, time=self._time)

    def to_reader(self) -> pa.RecordBatchReader:
        """Stream the tables; the schema is that of the first one, so that one is made at once."""
        tables = self._tables()
        first = next(tables, None)
        schema = pa.schema([]) if first is None else first.schema
        made = chain([] if first is None else [first], tables)
        batches = (batch for table in made for batch in _checked(table, schema).to_batches())
        return pa.RecordBatchReader.from_batches(schema, batches)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Stream to polars, DuckDB, pandas, pyarrow and their kin."""
        return self.to_reader().__arrow_c_stream__(requested_schema)


@dataclass(frozen=True)
class _Task:
    """One partition, as it can be sent to another process: without a footer, a stored row or a connection."""

    state: TableState
    interval: Interval
    columns: tuple[str, ...]
    function: Callable[[pa.Table], Any]
    url: str = ""
    pieces: tuple[tuple[DataFile, Any], ...] = ()
    unsealed: tuple[Selection, ...] = ()

    def __call__(self, selections: Sequence[Selection] | None = None) -> pa.Table | None:
        state = self.state
        if selections is None:
            state = replace(state, store=open_store(self.url))
            selections = [
                Selection(file, footer_of(state.store, file, state.schema.time), pieces)
                for file, pieces in self.pieces
            ]
            selections += self.unsealed
        return _to_table(self.function(decode(state, selections, self.interval, self.columns)))

    def sent(self, selections: Sequence[Selection]) -> _Task:
        pieces = tuple((each.file, each.pieces) for each in selections if each.stored)
        unsealed = tuple(each for each in selections if not each.stored)
        state = replace(self.state, store=None, files=(), tail=None)  # type: ignore[arg-type]
        return replace(self, state=state, url=self.state.store.url, pieces=pieces, unsealed=unsealed)


def map_partitions(
    state: TableState,
    partitions: Sequence[Sequence[Selection]],
    interval: Interval,
    columns: tuple[str, ...],
    function: Callable[[pa.Table], Any],
    executor: Executor | None,
) -> Stream:
    """Return the stream of what a function makes of partitions; see `Scan.map_partitions`."""
    task = _Task(state, interval, columns, function)

    def tables() -> Iterator[pa.Table]:
        if executor is not None:
            made = flow(call, [task.sent(selections) for selections in partitions], executor=executor)
        elif in_worker():
            made = map(task, partitions)
        else:
            made = flow(task, partitions)
        return (table for table in made if table is not None)

    return Stream(tables, symbol=state.schema.symbol, time=state.schema.time)


def _to_table(made: Any) -> pa.Table | None:
    if made is None or isinstance(made, pa.Table):
        return made
    if hasattr(made, "collect") and not hasattr(made, "__arrow_c_stream__"):  # a polars LazyFrame
        made = made.collect()
    if isinstance(made, pa.RecordBatch):
        return pa.Table.from_batches([made])
    if not hasattr(made, "__arrow_c_stream__"):
        raise ArgumentError(
            f"The function returned {type(made).__name__}.",
            hint="Return a frame of polars, pandas or pyarrow, or None.",
        )
    return pa.table(made)


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables([_checked(table, tables[0].schema) for table in tables])


def _checked(table: pa.Table, schema: pa.Schema) -> pa.Table:
    if table.schema.equals(schema):
        return table
    if table.schema.names == schema.names and table.num_rows == 0:
        return empty_table(schema)
    raise ArgumentError(
        f"The function made different columns of two partitions: {_described(schema)}, then "
        f"{_described(table.schema)}."
    )


def _described(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)
