"""A stream: what a feed writes to, row by row, from as many threads as it likes."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.errors import ArgumentError, LakehouseError, StorageError
from lakehouse.ingest.streaming.async_stream import AsyncStream
from lakehouse.ingest.streaming.journal import DURABILITIES, Durability, Journal
from lakehouse.ingest.streaming.packer import RowPacker
from lakehouse.ingest.streaming.sealing import Recovery, Targets, recover, seal_writer
from lakehouse.partitions.tail.folder import WATERMARK, tail_folder
from lakehouse.partitions.tail.latest import LatestWriter
from lakehouse.partitions.tail.log import SEGMENT_BYTES, TailLog
from lakehouse.partitions.tail.segment import SegmentHeader
from lakehouse.partitions.tail.writers import clean, has_rows, take_writer

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract
    from lakehouse.partitions.commit_record import Commit
    from lakehouse.partitions.table import Table

_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How a stream keeps its rows.

    Raises:
        ArgumentError: a number is none, or not above zero, or the durability is unknown.
    """

    durability: Durability = "each"
    """`each`: a write returns when its rows are on the disk; `group`: likewise, but many threads share a
    flush; `none`: when the operating system has them, and a crash of the machine may lose them"""
    seal_rows: int = 1_000_000
    """rows after which they become a version"""
    seal_seconds: float = 900.0
    """time after which rows become a version"""
    unsealed_bytes: int = 256 << 20
    """bytes that may wait for a version; then writes wait for sealing"""
    segment_bytes: int = SEGMENT_BYTES
    """size of the files of the log"""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.durability not in DURABILITIES:
            raise ArgumentError(
                f"Unknown durability {self.durability!r}.", hint=f"Use one of {', '.join(DURABILITIES)}."
            )
        for name in ("seal_rows", "seal_seconds", "unsealed_bytes", "segment_bytes"):
            given = getattr(self, name)
            if not isinstance(given, int | float) or not given > 0:
                raise ArgumentError(f"{name} must be a number above zero, got {given!r}.")


class Stream:
    """Writes live rows of one product; safe to share between threads, and of use in one process alone.

    Leaving the `with` block seals what was written. Where the process dies before, the rows stay visible, and
    the next stream of the product, or `lake.seal`, makes them a version.
    """

    def __init__(self, target: Targets, lake: str, settings: StreamSettings) -> None:
        """Open a stream, and seal what writers left that died.

        Args:
            target: returns the product under its newest contract.
            lake: its id.
            settings: how rows are kept.

        Raises:
            StorageError: the disk refused, or has no locks.
            ConflictError: rows of a dead writer could not be sealed, since others won every attempt.
        """
        self._target, self._settings = target, settings
        self.recovered: tuple[Recovery, ...] = tuple(recover(target))
        """what was sealed of writers that died"""
        product = target()
        table, contract = product.table, product.contract
        self.name, self._place = table.name, (table.store.url, table.path)
        self._packer = RowPacker(contract)
        self._writer = take_writer(tail_folder(table.store, table.path))
        try:
            self._begin(lake, table, contract)
        except BaseException:
            self._writer.release()
            raise
        self._sealing = threading.Lock()
        self._changed = threading.Condition()
        self._refusal: LakehouseError | None = None
        self._oldest: float | None = None
        self._closed = False
        _streams[id(self)] = self
        self._keeper = threading.Thread(target=self._keep, name="lakehouse-sealing", daemon=True)
        self._keeper.start()

    def _begin(self, lake: str, table: Table, contract: Contract) -> None:
        """Begin the log behind the last row that was sealed of the writer."""
        writer = self._writer
        if has_rows(writer):  # its process died after the look for such writers
            self.recovered += (seal_writer(self._target, writer),)
        clean(writer)
        first = table.head().transactions.get(WATERMARK + writer.id, 0) + 1
        header = SegmentHeader(lake, str(table.name), writer.id, contract.version, 0, contract.schema)
        self._log = TailLog(writer.folder, header, first, self._settings.segment_bytes)
        self._latest = None if contract.schema.symbol is None else LatestWriter(writer.folder, header)
        self._journal = Journal(self._log, self._latest, self._settings.durability)

    def write(self, rows: Any) -> int:
        """Write a row, or a frame of many; it returns when they are as durable as the stream promises.

        Readers of every process see them at once. Rows that break a rule of level `quarantine` are kept for
        the quarantine of the version that seals them, and no reader sees them.

        Args:
            rows: a mapping of values is one row, where times are datetimes with a zone or nanoseconds since
                1970 as int, and columns that are left out are null; a sequence of such mappings is many;
                else a frame as for `append`.

        Returns:
            The position: number of the last row that this stream's writer wrote, rising.

        Raises:
            SchemaError: a row does not fit the contract, or breaks a rule of level `reject`; none of the rows
                was taken.
            StorageError: the disk refused, the stream is closed, or its tail is full and can not be sealed:
                some of the rows may have been taken.

        Examples:
            >>> import lakehouse, polars, tempfile
            >>> lake = lakehouse.open(tempfile.mkdtemp() + "/lake", create=True)
            >>> shape = polars.DataFrame({"symbol": ["IBM"], "price": [190.5]})
            >>> product = lake.create("market_data.ticks", like=shape)
            >>> with lake.stream("market_data.ticks") as stream:
            ...     position = stream.write({"symbol": "IBM", "price": 190.25})
            >>> product.read().to_polars()["price"].to_list()
            [190.25]
        """
        position = self.add(rows)
        self.settle(position)
        return position

    def add(self, rows: Any) -> int:
        """Take rows as `write` does, and return at once: they are acknowledged when `wait` returns.

        Raises:
            SchemaError: as `write`.
            StorageError: as `write`.
        """
        if self._journal.unsealed_bytes > self._settings.unsealed_bytes:
            self._wait_for_room()
        position = self._journal.last
        for entry in self._packer.entries(rows):
            position = self._journal.add(entry)
        if self._oldest is None:
            self._oldest = time.monotonic()
        if self._journal.unsealed_rows >= self._settings.seal_rows:
            self._wake()
        return position

    def settle(self, position: int) -> None:
        """Return when all rows up to a position are as durable as the stream promises.

        Raises:
            StorageError: as `write`.
        """
        if self._settings.durability != "none":
            self._journal.wait(position)

    def wait(self, position: int) -> None:
        """Return when all rows up to a position are on the disk.

        Raises:
            StorageError: the disk refused: nobody knows which of them survive.
        """
        self._journal.wait(position)

    @property
    def durable(self) -> int:
        """Position of the last row that is known to be on the disk."""
        return self._journal.durable

    def flush(self) -> None:
        """Return when all rows that were taken are on the disk.

        Raises:
            StorageError: the disk refused.
        """
        self._journal.flush()

    def seal(self) -> Commit | None:
        """Make all rows that were taken a version, now; None where there are none.

        Raises:
            StorageError: the disk refused.
            ConflictError: other writers won every attempt; the rows stay in the tail.
        """
        sealed = self.seal_all()
        return None if sealed is None else sealed.commit

    def writes(self, table: Table) -> bool:
        """Say whether this stream writes a table."""
        return self._place == (table.store.url, table.path)

    def seal_all(self) -> Recovery | None:
        """Seal as `seal` does, and say what was sealed; None where there was nothing.

        Raises:
            StorageError: the disk refused.
            ConflictError: other writers won every attempt; the rows stay in the tail.
        """
        self._journal.refuse_broken()  # before the lock, which a child that was forked may never get
        with self._sealing:
            begun = time.monotonic()
            closed = self._journal.cut()
            if not closed:
                return None
            found = seal_writer(self._target, self._writer, closed)
            self._journal.forget(closed)
            self._oldest = begun if self._journal.unsealed_rows else None
        with self._changed:
            self._refusal = None
            self._changed.notify_all()
        return found

    def close(self) -> Commit | None:
        """Take no more rows, and seal those that came; a second call does nothing.

        Raises:
            StorageError: the disk refused; the rows that were acknowledged stay in the tail.
            ConflictError: other writers won every attempt; the rows stay in the tail.
        """
        if self._closed:
            return None
        self._closed = True
        self._wake()
        self._keeper.join()
        try:
            self._journal.end()
            return self.seal()
        finally:
            self._log.drop_spare()
            if self._latest is not None:
                self._latest.remove()
            self._writer.release()
            _streams.pop(id(self), None)

    def __enter__(self) -> Stream:
        """Return the stream."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the stream."""
        self.close()

    async def __aenter__(self) -> AsyncStream:
        """Return the asyncio form, whose `write` is awaited and never blocks the event loop."""
        self._tasks = AsyncStream(self)
        return self._tasks

    async def __aexit__(self, *_: object) -> None:
        """Write what is on its way, and close the stream."""
        await self._tasks.close()

    def abandon(self) -> None:
        """Refuse all use in a forked child, and let go of the parent's lock there."""
        self._closed = True
        self._journal.abandon()
        self._writer.release()
        _streams.pop(id(self), None)

    def _wait_for_room(self) -> None:
        """Wait until sealing has made room.

        Raises:
            StorageError: sealing did not succeed.
        """
        self._wake()
        with self._changed:
            while self._journal.unsealed_bytes > self._settings.unsealed_bytes:
                if self._refusal is not None:
                    raise self._refusal
                self._journal.check()
                self._changed.wait(1.0)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _keep(self) -> None:
        """Seal by size and time, and take the space of the next segment, as long as the stream is open."""
        while not self._closed:
            try:
                with suppress(OSError):  # the disk is full, which the write that needs it will say
                    self._log.prepare_spare()
                if self._is_due():
                    self.seal()
                    continue
            except Exception as error:  # whatever it was: writes that wait for room must learn of it
                self._refuse(error)
            with self._changed:
                if not self._closed and (self._refusal or not self._is_due()):
                    self._changed.wait(_RETRY_SECONDS if self._refusal else self._until_due())

    def _is_due(self) -> bool:
        journal, settings = self._journal, self._settings
        if journal.unsealed_rows >= settings.seal_rows or journal.unsealed_bytes > settings.unsealed_bytes:
            return True
        if self._oldest is None:  # a row that came while others were sealed
            self._oldest = time.monotonic() if journal.unsealed_rows else None
        return self._oldest is not None and time.monotonic() - self._oldest >= settings.seal_seconds

    def _until_due(self) -> float:
        oldest = self._oldest
        rest = self._settings.seal_seconds - (0.0 if oldest is None else time.monotonic() - oldest)
        return min(max(rest, 0.001), 1.0)

    def _refuse(self, error: Exception) -> None:
        refusal = StorageError(f"The tail of {self.name} could not be sealed: {error}")
        refusal.__cause__ = error
        with self._changed:
            self._refusal = refusal
            self._changed.notify_all()


_streams: dict[int, Stream] = {}
"""the open streams of this process"""


def seal_product(target: Targets) -> list[Recovery]:
    """Seal the rows of this process's streams of a product, and what those left whose process died.

    Args:
        target: returns the product under its newest contract.

    Raises:
        StorageError: the disk refused, or has no locks.
        LakehouseError: a newer version of the lakehouse wrote a segment.
        ConflictError: other writers won every attempt; the rows stay in the tail.
    """
    table = target().table
    own = [stream for stream in list(_streams.values()) if stream.writes(table)]
    return [found for stream in own if (found := stream.seal_all()) is not None] + recover(target)


def _after_fork() -> None:
    for stream in list(_streams.values()):
        stream.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
