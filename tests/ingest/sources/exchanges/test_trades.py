"""Trades of exchanges: every one, once, whatever the pages; and their candles agree with them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources.exchanges import ExchangeSource
from lakehouse.times import Interval
from tests.ingest.sources.exchanges.conftest import Venue

START, END = "2019-10-11", "2019-10-14"


def rows(venue: Venue, exchange: str, symbol: str, *span: str) -> pl.DataFrame:
    source = ExchangeSource(exchange, "trades", config=venue.config())
    like = source.contract().schema
    chunks = source.chunks(like, [symbol], Interval.of(*span))
    return pl.concat([pl.DataFrame(source.read(chunk, like)) for chunk in chunks])


def known(venue: Venue) -> list[tuple[Any, ...]]:
    found = venue.answer.trades  # type: ignore[attr-defined]
    return [(row[0] * 1_000_000, row[1], row[3], row[4], row[5]) for row in found]


def table(found: pl.DataFrame) -> list[tuple[Any, ...]]:
    return found.select(pl.col("time").cast(pl.Int64), "trade_id", "side", "price", "size").rows()


@pytest.mark.parametrize(("exchange", "most"), [("binance", 150), ("coinbase", 150), ("coinbase", 1000)])
def test_every_trade_arrives_once_and_in_order(
    exchange: str, most: int, request: pytest.FixtureRequest
) -> None:
    venue = request.getfixturevalue(f"{exchange}_venue")
    venue.answer.most_trades = most
    assert table(rows(venue, exchange, "XRP/ETH", START, END)) == known(venue)


@pytest.mark.parametrize("most", [1000, 90])
def test_recorded_trades_of_kraken_keep_every_digit_of_their_time(kraken_venue: Venue, most: int) -> None:
    kraken_venue.answer.most_trades = most  # type: ignore[attr-defined]
    recorded = kraken_venue.answer.trades["result"]["XBTUSDT"]  # type: ignore[attr-defined]
    found = rows(kraken_venue, "kraken", "BTC/USDT", "2025-11-10", "2025-11-12")
    sides = {"b": "buy", "s": "sell"}
    assert table(found) == [
        (int(Decimal(str(row[2])) * 10**9), str(row[6]), sides[row[3]], float(row[0]), float(row[1]))
        for row in recorded
    ]


def test_an_interval_cuts_trades_at_its_ends(binance_venue: Venue) -> None:
    found = rows(binance_venue, "binance", "XRP/ETH", "2019-10-12T03:00", "2019-10-12T09:00")
    start, end = Interval.of("2019-10-12T03:00").start, Interval.of("2019-10-12T09:00").start
    assert table(found) == [row for row in known(binance_venue) if start <= row[0] < end]


def test_trades_that_a_page_hides_are_an_error(coinbase_venue: Venue) -> None:
    trades = [[1570752011000 + place % 7, str(place), None, "buy", 1.0, 1.0, 1.0] for place in range(1500)]
    coinbase_venue.answer.trades = trades  # type: ignore[attr-defined]
    with pytest.raises(SourceError, match="1000 trades at one moment fill a page"):
        rows(coinbase_venue, "coinbase", "XRP/ETH", START, END)


def test_an_exchange_whose_pages_nobody_knows_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"(?s)How bybit pages its trades.*Candles: every exchange"):
        ExchangeSource("bybit", "trades")
