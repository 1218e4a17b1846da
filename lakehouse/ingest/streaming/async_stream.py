"""The asyncio form of a stream: many tasks write, and one thread makes their rows durable together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from lakehouse.errors import SchemaError, StorageError
from lakehouse.ingest.streaming.values import holds_columns

_MOST_WAITING = 10_000
"""writes that wait for the disk; further ones wait for their turn"""
_LARGEST_GROUP = 1_000
"""writes that are acknowledged together"""


class Journal(Protocol):
    """What takes the rows: a `Stream`."""

    def add(self, rows: Any) -> int:
        """Take rows, and return their position at once."""

    def settle(self, position: int) -> None:
        """Return when all rows up to a position are as durable as the stream promises."""

    def flush(self) -> None:
        """Return when all rows that were taken are on the disk."""

    def seal(self) -> Any:
        """Make all rows that were taken a version."""

    def close(self) -> Any:
        """Take no more rows, and seal those that came."""


@dataclass(slots=True)
class _Write:
    """Rows of one task, on their way."""

    rows: Any
    """as `Stream.write` takes them"""
    answer: asyncio.Future[int]
    """of the task that waits, which may be cancelled meanwhile"""
    position: int = 0
    """once they were taken"""
    error: Exception | None = None
    """why they were not"""

    @property
    def mappings(self) -> Sequence[Any]:
        """The rows, where they are mappings of single values; else nothing."""
        rows = [self.rows] if isinstance(self.rows, dict) else self.rows
        if isinstance(rows, list) and all(isinstance(row, dict) and not holds_columns(row) for row in rows):
            return rows
        return ()


class AsyncStream:
    """Live rows of one product, for the tasks of one event loop; what `async with lake.stream(…)` gives.

    Rows are taken in the order in which `write` was called. The event loop never waits for the disk.
    """

    def __init__(self, stream: Journal) -> None:
        """Take a stream that nobody else closes, inside a running event loop."""
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._room = asyncio.Semaphore(_MOST_WAITING)
        self._queue = SimpleQueue[_Write | None]()
        self._thread = threading.Thread(target=self._work, name="lakehouse-async-stream", daemon=True)
        self._thread.start()

    async def write(self, rows: Any) -> int:
        """Write a row, or many; it returns when they are as durable as the stream promises.

        A task that is cancelled in here does not take its rows back: they were on their way, and will be
        written, as where an acknowledgement is lost.

        Args:
            rows: as for `Stream.write`; not to be changed before this returns.

        Returns:
            The position: number of the last row that this stream's writer wrote, rising.

        Raises:
            SchemaError: as for `Stream.write`.
            StorageError: as for `Stream.write`.
        """
        await self._room.acquire()
        if self._closed:
            self._room.release()
            raise StorageError("The stream is closed.", hint="Open another one: lake.stream(name).")
        write = _Write(rows, self._loop.create_future())
        self._queue.put(write)
        return await write.answer

    async def flush(self) -> None:
        """Return when all rows that were taken are on the disk.

        Raises:
            StorageError: the disk refused.
        """
        await asyncio.to_thread(self._stream.flush)

    async def seal(self) -> Any:
        """Make all rows that were taken a version, now; see `Stream.seal`.

        Raises:
            StorageError: the disk refused.
            ConflictError: other writers won every attempt; the rows stay in the tail.
        """
        return await asyncio.to_thread(self._stream.seal)

    async def close(self) -> None:
        """Write what is on its way, and close the stream; a task that is cancelled in here waits for it too.

        Raises:
            StorageError: the disk refused; the rows that were acknowledged stay in the tail.
            ConflictError: other writers won every attempt; the rows stay in the tail.
        """
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await _to_the_end(asyncio.ensure_future(asyncio.to_thread(self._close)))

    def _close(self) -> None:
        self._thread.join()
        self._stream.close()

    def _work(self) -> None:
        ended = False
        while not ended:
            group, ended = self._next_group()
            for writes in _runs(group):
                self._add(writes)
            self._settle([write for write in group if write.error is None])
            with suppress(RuntimeError):  # the event loop is closed, and with it every task
                self._loop.call_soon_threadsafe(self._answer, group)

    def _add(self, writes: list[_Write]) -> None:
        """Give rows to the stream at once, or one write after the other where they are not all good."""
        try:
            rows: Any = writes[0].rows
            if len(writes) > 1:
                rows = [row for write in writes for row in write.mappings]
            after = self._stream.add(rows)
            for write in reversed(writes):
                write.position = after
                after -= len(write.mappings)
        except Exception as error:  # the tasks that wrote the rows are told
            if len(writes) > 1 and isinstance(error, SchemaError):  # none of them was taken
                for write in writes:
                    self._add([write])
                return
            for write in writes:
                write.error = error

    def _next_group(self) -> tuple[list[_Write], bool]:
        """Return what waits, after the first has come, and whether nothing follows."""
        group: list[_Write] = []
        while len(group) < _LARGEST_GROUP:
            try:
                write = self._queue.get(block=not group)
            except Empty:
                break
            if write is None:
                return group, True
            group.append(write)
        return group, False

    def _settle(self, taken: list[_Write]) -> None:
        if not taken:
            return
        try:
            self._stream.settle(taken[-1].position)
        except Exception as error:  # nobody knows which of the rows survive: all tasks are told
            for write in taken:
                write.error = error

    def _answer(self, group: list[_Write]) -> None:
        for write in group:
            self._room.release()
            if write.answer.cancelled():
                continue
            if write.error is None:
                write.answer.set_result(write.position)
            else:
                write.answer.set_exception(write.error)


def _runs(group: list[_Write]) -> Iterator[list[_Write]]:
    """Yield writes that follow each other and can be taken at once."""
    run: list[_Write] = []
    for write in group:
        if write.mappings:
            run.append(write)
            continue
        if run:
            yield run
        run = []
        yield [write]
    if run:
        yield run


async def _to_the_end(work: asyncio.Future[None]) -> None:
    """Wait for work that has to be done, and pass on a cancellation only then."""
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError as error:
            if work.cancelled():
                raise
            cancelled = error
        except Exception:
            break  # raised below
    work.result()
    if cancelled is not None:
        raise cancelled
