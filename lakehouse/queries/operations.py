"""Run an operation over the rows of every symbol: on threads, in other processes, or right here.

Symbols are split into buckets of about equal work. A task streams the rows of its symbols in order of time,
and carries a state from one slab of time to the next, so that a bar, a join or a window reaches over files
and days exactly; only a slab is in memory. Threads and a cluster run the same code.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace
from functools import partial
from operator import call
from typing import Any, Protocol

import pyarrow as pa

from lakehouse.partitions.threads import flow, in_worker, workers
from lakehouse.queries.buckets import Bucket, Pieces, cut
from lakehouse.queries.gathering import Wanted
from lakehouse.queries.inputs import Input
from lakehouse.queries.kernels import compiled
from lakehouse.queries.rows import Block, Rows, to_table
from lakehouse.times import Interval

_THREADS = max(2, os.cpu_count() or 1)
_TASKS_IN_FLIGHT = 2 * _THREADS


class Operation(ABC):
    """What is done to the rows of each symbol: a small frozen dataclass that can be sent to another process.

    The state of a bucket begins with `start`, goes through `step` slab by slab, and ends in `finish`.
    """

    columns: tuple[str, ...]
    """that `step` gets as numbers"""

    def carries(self) -> tuple[str, ...]:
        """Return the columns that `step` gets as Arrow."""
        return ()

    @abstractmethod
    def fields(self, source: Input) -> list[pa.Field]:
        """Return the columns of the result, without the symbol.

        Raises:
            NotFoundError: a column that is needed is not there.
            ArgumentError: it is of a type that does not fit.
        """

    def cells(self) -> tuple[int, int] | None:
        """Return the length and origin of cells of time (0, 0 for a single one), if `step` needs no more.

        It then takes `Rows.runs` where there are any.
        """
        return None

    def shrinks(self) -> bool:
        """Say whether the result is far smaller than the rows."""
        return False

    def is_stateless(self) -> bool:
        """Say whether slabs do not depend on each other, so that those of one symbol run side by side."""
        return False

    def weight(self) -> int:
        """Return how many times wider the rows of the result are than those read; buckets shrink by it."""
        return 1

    def others(self) -> tuple[Input, ...]:
        """Return further inputs, of which the same symbols are read."""
        return ()

    def narrowed(self, symbols: tuple[str, ...]) -> Operation:
        """Return the operation with what it needs for some symbols alone, to be sent to another process."""
        return self

    def start(self, symbols: tuple[str, ...]) -> Any:
        """Return the state before the first rows of some symbols."""
        return None

    @abstractmethod
    def step(self, rows: Rows, state: Any) -> Block | None:
        """Take the next rows of the symbols; change the state, and return the rows that are complete."""

    def finish(self, state: Any) -> Block | None:
        """Return what is left in the state."""
        return None


def schema_of(operation: Operation, source: Input) -> pa.Schema:
    """Return the schema of the result."""
    symbol = [] if source.symbol is None else [pa.field(source.symbol, pa.string(), nullable=False)]
    return pa.schema([*symbol, *operation.fields(source)])


def run(operation: Operation, source: Input, *, executor: Executor | None = None) -> Iterator[pa.Table]:
    """Yield the result in the order (symbol, time), in tables of bounded size.

    Args:
        operation: what to do.
        source: the rows.
        executor: whose tasks do the work; None for the threads of this process. A task gets the operation and
            where the files are, and gives back its share of the result.
    """
    others = operation.others()
    weighed = replace(source.pieces, rows=source.pieces.rows * operation.weight())
    pieces = [other.pieces for other in others]
    buckets = cut(weighed, pieces, threads=_THREADS, shrinks=operation.shrinks())
    compiled.prepare(sum(bucket.rows for bucket in buckets))
    schema = schema_of(operation, source)
    if executor is not None:
        return _elsewhere(operation, source, buckets, schema, executor)
    if len(buckets) < 2 or in_worker():
        return (table for bucket in buckets for table in _stream(operation, source, bucket, schema))
    return _on_threads(operation, source, buckets, schema)


class BucketTask(Protocol):
    """Work on a bucket that has no state; it can be sent to another process."""

    def __call__(self, bucket: Bucket) -> pa.Table:
        """Return the result of the symbols of a bucket."""

    def narrowed(self, symbols: tuple[str, ...]) -> BucketTask:
        """Return the task with what it needs for some symbols alone."""


def spread(task: BucketTask, pieces: Pieces, *, executor: Executor | None) -> Iterator[pa.Table]:
    """Yield the results of a task for all symbols, in their order.

    Args:
        task: what to do with a bucket.
        pieces: what it decodes.
        executor: as in `run`.
    """
    buckets = cut(pieces, threads=_THREADS)
    if executor is not None:
        calls = [partial(task.narrowed(bucket.symbols), bucket) for bucket in buckets]
        return flow(call, calls, executor=executor, ahead=_TASKS_IN_FLIGHT)
    return map(task, buckets) if in_worker() or len(buckets) < 2 else flow(task, buckets)


def _on_threads(
    operation: Operation, source: Input, buckets: list[Bucket], schema: pa.Schema
) -> Iterator[pa.Table]:
    """Do small buckets on the pool, and large ones slab by slab as the rows are asked for."""
    waiting: deque[tuple[Bucket, Future[pa.Table] | None]] = deque()
    rest = deque(buckets)
    try:
        while rest or waiting:
            while rest and len(waiting) < _TASKS_IN_FLIGHT:
                window = [rest.popleft() for _ in range(min(len(rest), _TASKS_IN_FLIGHT - len(waiting)))]
                waiting.extend(_submit(operation, source, window, schema))
            bucket, future = waiting.popleft()
            if future is None:
                yield from _stream(operation, source, bucket, schema)
            else:
                yield future.result()
    finally:
        for _, future in waiting:
            if future is not None:
                future.cancel()


def _submit(
    operation: Operation, source: Input, window: list[Bucket], schema: pa.Schema
) -> list[tuple[Bucket, Future[pa.Table] | None]]:
    """Give buckets to the pool, the largest first, so that no thread is left alone with it at the end."""
    futures: list[Future[pa.Table] | None] = [None] * len(window)
    for place in sorted(range(len(window)), key=lambda place: -window[place].rows):
        if not window[place].is_large:
            futures[place] = workers().submit(_whole, operation, source, window[place], schema)
    return list(zip(window, futures, strict=True))


def _elsewhere(
    operation: Operation, source: Input, buckets: list[Bucket], schema: pa.Schema, executor: Executor
) -> Iterator[pa.Table]:
    elements = sum(bucket.rows for bucket in buckets)
    calls = (
        partial(
            _task, operation.narrowed(bucket.symbols), source.part(bucket.symbols), bucket, schema, elements
        )
        for bucket in buckets
    )
    return flow(call, calls, executor=executor, ahead=_TASKS_IN_FLIGHT)


def _task(operation: Operation, source: Input, bucket: Bucket, schema: pa.Schema, elements: int) -> pa.Table:
    """Do a bucket in another process."""
    compiled.prepare(elements)
    return _whole(operation, source, bucket, schema)


def _whole(operation: Operation, source: Input, bucket: Bucket, schema: pa.Schema) -> pa.Table:
    """Do a bucket at once; its result is in the order of the symbols."""
    state = operation.start(bucket.symbols)
    loaded = (source.load(_wanted(operation, bucket, slab)) for slab in bucket.slabs)
    blocks = [*(operation.step(rows, state) for rows in loaded), operation.finish(state)]
    kept = [block for block in blocks if block is not None and len(block)]
    return to_table(kept, bucket.symbols, source.symbol, schema)


def _stream(operation: Operation, source: Input, bucket: Bucket, schema: pa.Schema) -> Iterator[pa.Table]:
    """Do a bucket slab by slab, if it is large and of one symbol; the next slabs are decoded meanwhile."""
    if not bucket.is_large:
        yield _whole(operation, source, bucket, schema)
        return
    if operation.is_stateless() and not in_worker():
        yield from flow(
            lambda slab: _whole(operation, source, replace(bucket, slabs=(slab,)), schema),
            bucket.slabs,
            ahead=_THREADS + 1,
        )
        return
    state = operation.start(bucket.symbols)
    for rows in _loaded(operation, source, bucket):
        block = operation.step(rows, state)
        if block is not None and len(block):
            yield to_table([block], bucket.symbols, source.symbol, schema)
    block = operation.finish(state)
    if block is not None and len(block):
        yield to_table([block], bucket.symbols, source.symbol, schema)


def _loaded(operation: Operation, source: Input, bucket: Bucket) -> Iterator[Rows]:
    wanted = [_wanted(operation, bucket, slab) for slab in bucket.slabs]
    if in_worker():
        yield from map(source.load, wanted)
        return
    yield from flow(source.load, wanted, ahead=_THREADS + 1)


def _wanted(operation: Operation, bucket: Bucket, slab: Interval) -> Wanted:
    columns, cells = (operation.columns, operation.carries()), operation.cells()
    return Wanted(bucket.symbols, slab, *columns, cells=cells)
