"""Order books of Kraken (WebSocket API, version 1): snapshots and changes, and their checksums."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from lakehouse.errors import SourceError
from lakehouse.ingest.collectors.book import Book, Level, Side
from lakehouse.ingest.collectors.feed import Row, Taken

_SIDES: dict[str, Side] = {"a": "ask", "as": "ask", "b": "bid", "bs": "bid"}
_SNAPSHOT = ("as", "bs")
_CHECKED_LEVELS = 10
_NANOSECOND_DIGITS = 9


class KrakenBooks:
    """The books of some pairs, as rows of the starter contract `market_data.order_book`.

    A snapshot is a `clear` and its levels as `snapshot`, all at the newest time in it; a change is `add`,
    `change` or `delete` at the time of the exchange, `delete` also of a level that is pushed beyond the
    depth, of which the exchange says nothing more. Where a checksum does not agree, the book is cleared and
    asked for anew, and its changes are left out until it is there.
    """

    def __init__(self, pairs: Sequence[str], *, depth: int = 1000) -> None:
        """Take pairs such as "XBT/USD", and the depth of their books: 10, 25, 100, 500 or 1000 levels."""
        self._pairs, self._depth = tuple(pairs), depth
        self._books: dict[str, Book] = {}

    def book(self, pair: str) -> Book | None:
        """Return the book of a pair as it stands; None before its snapshot."""
        return self._books.get(pair)

    def begin(self) -> list[str]:
        """See `Feed.begin`."""
        self._books.clear()
        return [self._request("subscribe", self._pairs)]

    def take(self, text: str, receive_ns: int) -> Taken:
        """See `Feed.take`."""
        message = _parse(text)
        if isinstance(message, dict):
            return _check_event(message)
        *parts, _, pair = message[1:]
        changes = list(chain.from_iterable(part.items() for part in parts))
        rows = list(self._rows(pair, [each for each in changes if each[0] in _SIDES], receive_ns))
        told = [int(value) for key, value in changes if key == "c"]
        if pair not in self._books or not told:
            return Taken(rows)
        if checksum_of(self._books[pair]) == told[-1]:
            return Taken(rows, checked=1)
        del self._books[pair]
        requests = [self._request(event, [pair]) for event in ("unsubscribe", "subscribe")]
        return Taken([*rows, _row(pair, rows[-1]["time"], "clear", receive_ns)], requests, failed=1)

    def _rows(self, pair: str, changes: list[tuple[str, list[Any]]], receive_ns: int) -> Iterator[Row]:
        if any(key in _SNAPSHOT for key, _ in changes):
            self._books[pair] = Book(self._depth)
            times = [_nanoseconds(level[2]) for _, levels in changes for level in levels]
            newest = max(times, default=receive_ns)
            yield _row(pair, newest, "clear", receive_ns)
            for key, (price, size, *_) in _levels(changes):
                self._books[pair].set(_SIDES[key], price, size)
                yield _row(pair, newest, "snapshot", receive_ns, _SIDES[key], price, size)
        elif pair in self._books:
            for key, (price, size, time, *_) in _levels(changes):
                side, when = _SIDES[key], _nanoseconds(time)
                action = self._books[pair].set(side, price, size)
                yield _row(pair, when, action, receive_ns, side, price, size)
                for gone, _ in self._books[pair].cut(side):
                    yield _row(pair, when, "delete", receive_ns, side, gone, "0")

    def _request(self, event: str, pairs: Sequence[str]) -> str:
        subscription = {"name": "book", "depth": self._depth}
        return json.dumps({"event": event, "pair": list(pairs), "subscription": subscription})


def checksum_of(book: Book) -> int:
    """Return the CRC-32 of the digits of the ten best asks and bids, as Kraken documents it."""
    levels: Iterable[Level] = chain(book.best("ask", _CHECKED_LEVELS), book.best("bid", _CHECKED_LEVELS))
    digits = (text.replace(".", "").lstrip("0") for level in levels for text in level)
    return zlib.crc32("".join(digits).encode())


def _parse(text: str) -> Any:
    try:
        message = json.loads(text)
    except ValueError as error:
        raise SourceError(f"Kraken sent what is no JSON: {text[:80]!r}.") from error
    if isinstance(message, dict) or (isinstance(message, list) and len(message) >= 4):
        return message
    raise SourceError(f"Kraken sent what is neither an event nor a change of a book: {text[:80]!r}.")


def _check_event(event: dict[str, Any]) -> Taken:
    if event.get("status") == "error":
        what, why = event.get("pair", "a request"), event.get("errorMessage", "no reason given")
        raise SourceError(f"Kraken refuses {what}: {why}.")
    return Taken()


def _levels(changes: list[tuple[str, list[Any]]]) -> Iterator[tuple[str, list[str]]]:
    return ((key, level) for key, levels in changes for level in levels)


def _nanoseconds(seconds: str) -> int:
    """Read seconds since 1970 with a fraction, exactly."""
    whole, _, fraction = seconds.partition(".")
    return int(whole + fraction[:_NANOSECOND_DIGITS].ljust(_NANOSECOND_DIGITS, "0"))


def _row(
    pair: str,
    time_ns: int,
    action: str,
    receive_ns: int,
    side: Side | None = None,
    price: str | None = None,
    size: str | None = None,
) -> Row:
    return {
        "symbol": pair,
        "time": time_ns,
        "action": action,
        "side": side,
        "price": None if price is None else float(price),
        "size": None if size is None else float(size),
        "level": None,
        "order_id": None,
        "update_id": None,
        "receive_time": receive_ns,
    }
