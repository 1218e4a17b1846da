"""A session of Kraken, replayed by a local WebSocket server: books, their checksums, and what is stored."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.server import ServerConnection, serve

import lakehouse
from lakehouse.catalog.contract import Contract
from lakehouse.errors import SourceError
from lakehouse.ingest.collectors import Book, Collected, KrakenBooks, collect

if TYPE_CHECKING:
    import polars as pl

NAME = "market_data.order_book"


@pytest.fixture
def lake(tmp_path: Path) -> lakehouse.Lake:
    made = lakehouse.open(tmp_path / "lake", create=True)
    contract = (
        Path(__file__).parents[3] / "catalog" / "products" / "market_data" / "order_book" / "1.0.0.yaml"
    )
    made.apply(Contract.from_yaml(contract.read_text()))
    return made


def recorded(path: Path) -> tuple[list[str], list[str]]:
    """Return the pairs of a recorded session, and the messages of the exchange."""
    with gzip.open(path, "rt") as lines:
        parts = [line.rstrip("\n").partition(": ") for line in lines]
    sent = next(text for head, _, text in parts if "<-" in head and text)
    pairs = [str(pair) for pair in json.loads(sent)["pair"]]
    return pairs, [text for head, _, text in parts if text and "wss" not in head]


async def replayed(
    messages: Sequence[str], feed: KrakenBooks, lake: lakehouse.Lake, asked: list[str]
) -> Collected:
    """Run a collector against a server that sends recorded messages after the subscription, and hangs up."""

    async def session(connection: ServerConnection) -> None:
        asked.append(str(await connection.recv()))
        for message in messages:
            await connection.send(message)

    async with serve(session, "127.0.0.1", 0) as server, lake.stream(NAME, durability="group") as stream:
        port = server.sockets[0].getsockname()[1]
        return await collect(f"ws://127.0.0.1:{port}", feed, stream, reconnect=False)


def test_every_checksum_of_a_session_is_met_and_its_rows_rebuild_the_books(
    lake: lakehouse.Lake, shared_data: Callable[[str], Path]
) -> None:
    pairs, messages = recorded(shared_data("cryptofeed/KRAKEN.ws.50.0.gz"))
    feed, asked = KrakenBooks(pairs, depth=1000), list[str]()
    counts = asyncio.run(replayed(messages, feed, lake, asked))
    assert (counts.messages, counts.checked, counts.failed) == (len(messages), 4269, 0)
    assert json.loads(asked[0])["subscription"] == {"name": "book", "depth": 1000}
    stored = lake[NAME].read().to_polars()
    assert len(stored) == counts.rows == 11_755
    for pair in pairs:
        book = feed.book(pair)
        assert book is not None
        bids, asks = rebuilt(stored.filter(symbol=pair))
        assert sorted(bids.items(), reverse=True)[:10] == numbers(book.best("bid", 10))
        assert sorted(asks.items())[:10] == numbers(book.best("ask", 10))


def rebuilt(rows: pl.DataFrame) -> tuple[dict[float, float], dict[float, float]]:
    """Return the sizes at the prices of both sides after the rows of one pair, in the order of `read`."""
    sides: dict[str, dict[float, float]] = {"bid": {}, "ask": {}}
    for action, side, price, size in rows.select("action", "side", "price", "size").iter_rows():
        if action == "clear":
            sides = {"bid": {}, "ask": {}}
        elif action == "delete":
            sides[side].pop(price, None)
        else:
            sides[side][price] = size
    return sides["bid"], sides["ask"]


def numbers(levels: Sequence[tuple[str, str]]) -> list[tuple[float, float]]:
    return [(float(price), float(size)) for price, size in levels]


SNAPSHOT = '[1,{"as":[["101.0","1.0","5.000000001"]],"bs":[["99.0","2.0","4.5"]]},"book-10","A/B"]'


def change(checksum: int) -> str:
    return f'[1,{{"b":[["100.0","3.0","6.0"]],"c":"{checksum}"}},"book-10","A/B"]'


def test_a_book_whose_checksum_fails_is_cleared_and_asked_for_anew() -> None:
    feed = KrakenBooks(["A/B"], depth=10)
    feed.begin()
    assert [row["time"] for row in feed.take(SNAPSHOT, 7).rows] == [5_000_000_001] * 3
    taken = feed.take(change(1), 7)
    assert (taken.checked, taken.failed, feed.book("A/B")) == (0, 1, None)
    assert [row["action"] for row in taken.rows] == ["add", "clear"]
    assert [json.loads(reply)["event"] for reply in taken.replies] == ["unsubscribe", "subscribe"]
    assert feed.take(change(1), 7).rows == [], "changes of a book that is not known are left out"
    assert [row["action"] for row in feed.take(SNAPSHOT, 7).rows] == ["clear", "snapshot", "snapshot"]


def test_a_level_that_is_pushed_beyond_the_depth_is_deleted_in_the_rows_too() -> None:
    """Kraken says nothing more of it, so a book that is rebuilt from rows would keep it for ever."""
    feed = KrakenBooks(["A/B"], depth=1)
    rows = feed.take(SNAPSHOT, 7).rows + feed.take('[1,{"a":[["100.5","3.0","6.0"]]},"book-1","A/B"]', 7).rows
    told = [(row["action"], row["price"], row["time"]) for row in rows[-2:]]
    assert told == [("add", 100.5, 6_000_000_000), ("delete", 101.0, 6_000_000_000)]
    book = feed.book("A/B")
    assert book is not None
    assert book.best("ask", 9) == [("100.5", "3.0")]


def test_a_connection_that_breaks_is_made_anew_with_a_new_snapshot(lake: lakehouse.Lake) -> None:
    """The server ends the first session as a restart does, and the second one for good."""

    async def work() -> None:
        asked: list[str] = []
        second = asyncio.Event()

        async def session(connection: ServerConnection) -> None:
            asked.append(str(await connection.recv()))
            await connection.send(SNAPSHOT)
            if len(asked) > 1:
                second.set()
                await connection.wait_closed()

        async with serve(session, "127.0.0.1", 0) as server, lake.stream(NAME, durability="none") as stream:
            port = server.sockets[0].getsockname()[1]
            task = asyncio.ensure_future(collect(f"ws://127.0.0.1:{port}", KrakenBooks(["A/B"]), stream))
            await second.wait()
            while len(lake[NAME].read()) < 6:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(work())
    assert lake[NAME].read().to_polars()["action"].to_list().count("clear") == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no", "Kraken sent what is no JSON: 'no'"),
        ("[1]", "neither an event nor a change of a book"),
        (
            '{"status":"error","pair":"X/Y","errorMessage":"Currency pair not supported"}',
            "refuses X/Y: Currency",
        ),
    ],
)
def test_what_kraken_does_not_document_or_refuses_is_said(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        KrakenBooks(["A/B"]).take(text, 0)


def test_a_book_keeps_the_best_levels_and_says_what_a_change_did() -> None:
    book = Book(depth=2)
    assert [book.set("ask", price, "1") for price in ("3", "1", "2")] == ["add", "add", "add"]
    assert book.cut("ask") == [("3", "1")]
    assert book.best("ask", 9) == [("1", "1"), ("2", "1")]
    assert (book.set("ask", "1", "5.0"), book.set("ask", "2", "0.0"), book.set("ask", "8", "0")) == (
        "change",
        "delete",
        "delete",
    )
    assert book.best("ask", 9) == [("1", "5.0")]
