"""From a WebSocket into a stream; so many messages and no more wait for their rows to be durable."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol

from lakehouse.errors import MissingExtraError
from lakehouse.ingest.collectors.feed import Feed, Taken

_MOST_WAITING = 1_024
"""messages whose rows are not acknowledged yet"""


class Sink(Protocol):
    """The asyncio form of a stream."""

    def write(self, rows: Any, /) -> Awaitable[int]:
        """Write a mapping, or several, and return when they are as durable as asked for."""


@dataclass(slots=True)
class Collected:
    """What a collector has done."""

    messages: int = 0
    """that came"""
    rows: int = 0
    """that were written, and acknowledged by the stream"""
    checked: int = 0
    """checksums that agreed"""
    failed: int = 0
    """checksums that did not: each book was asked for anew"""
    connections: int = 0
    """that were made"""


async def collect(url: str, feed: Feed, stream: Sink, *, reconnect: bool = True) -> Collected:
    """Subscribe, keep the books, check them, and write their rows, until cancelled.

    Rows are written in the order of the messages. A connection that breaks is made anew, with new snapshots,
    after a pause that grows.

    Args:
        url: `wss://…`.
        feed: the protocol of the exchange, such as `KrakenBooks`.
        stream: as `async with lake.stream(…)` gives it.
        reconnect: False returns when the exchange closes the connection.

    Returns:
        The counts.

    Raises:
        SourceError: the exchange refuses a subscription, or sends what it does not document.
        MissingExtraError: `websockets` is not installed.
    """
    try:
        from websockets.asyncio.client import connect
        from websockets.exceptions import ConnectionClosed
    except ImportError as error:
        raise MissingExtraError.of("websockets", "collectors") from error
    writer = _InOrder(stream, Collected())
    try:
        async for connection in connect(url, max_size=None):
            writer.counts.connections += 1
            try:
                for message in feed.begin():
                    await connection.send(message)
                async for text in connection:
                    taken = feed.take(str(text), time.time_ns())
                    await writer.put(taken)
                    for reply in taken.replies:
                        await connection.send(reply)
            except ConnectionClosed:
                pass
            if not reconnect:
                break
    finally:
        await writer.drain()
    return writer.counts


class _InOrder:
    """Rows on their way into a stream; so many that writes share their durability, and bounded."""

    def __init__(self, stream: Sink, counts: Collected) -> None:
        self._stream, self.counts = stream, counts
        self._waiting: deque[tuple[asyncio.Future[int], int]] = deque()

    async def put(self, taken: Taken) -> None:
        """Begin to write what a message brought; wait where too much waits."""
        self.counts.messages += 1
        self.counts.checked += taken.checked
        self.counts.failed += taken.failed
        if taken.rows:
            write = asyncio.ensure_future(self._stream.write(taken.rows))
            self._waiting.append((write, len(taken.rows)))
        while self._waiting and (len(self._waiting) > _MOST_WAITING or self._waiting[0][0].done()):
            await self._first()

    async def drain(self) -> None:
        """Wait until every row is acknowledged."""
        while self._waiting:
            await self._first()

    async def _first(self) -> None:
        write, rows = self._waiting.popleft()
        await write
        self.counts.rows += rows
