"""All trades of an interval, page by page; the way of each exchange must be known, to miss none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa

from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources.exchanges.client import Client
from lakehouse.times import NS_PER_SECOND, Interval, to_nanoseconds

Trade = Mapping[str, Any]
Page = list[Trade]

_PAGE = 1000
_NS_PER_MS = 1_000_000
_HOUR_MS = 3_600_000
_NAMES = ("time", "trade_id", "price", "size", "side")


def fetch_trades(client: Client, exchange: str, symbol: str, interval: Interval) -> pa.Table:
    """Return the trades of the interval by time, then by id: time in int64 ns, price and size float64.

    Pages overlap, and a trade is told by its id. Times of Kraken and Coinbase keep every digit
    that is sent, others are in ms. Binance gives aggregates: fills of one order at one price are one trade.

    Raises:
        ArgumentError: nobody here knows how the exchange pages.
        SourceError: the exchange can not be asked, a trade has no id, or more share a moment than fit a page.
    """
    check_known(exchange)
    pages, time_of = _WAYS[exchange]
    found: dict[str, tuple[int, Trade]] = {}
    for page in pages(client, symbol, interval):
        for trade in page:
            if trade["id"] is None:
                raise SourceError(
                    f"{exchange} gives trades of {symbol} without ids: pages could not be joined."
                )
            found[trade["id"]] = time_of(trade), trade
    inside = [row for row in found.values() if interval.start <= row[0] < interval.end]
    return _table(sorted(inside, key=lambda row: (row[0], len(row[1]["id"]), row[1]["id"])))


def check_known(exchange: str) -> None:
    """Refuse an exchange of whose trades some could be missed.

    Raises:
        ArgumentError: with the choices.
    """
    if exchange not in _WAYS:
        raise ArgumentError(
            f"How {exchange} pages its trades is not known here, so that gaps could not be excluded.",
            hint=f"Trades: {', '.join(_WAYS)}. Candles: every exchange that ccxt knows.",
        )


def _binance(client: Client, symbol: str, interval: Interval) -> Iterator[Page]:
    """Find a trade by hours, go back by ids until before the start, then follow the ids to the end."""
    anchor = _first_binance(client, symbol, interval)
    while anchor:  # an answer by time may have left out its oldest trades
        anchor = max(anchor - _PAGE, 0)
        page = _from_id(client, symbol, anchor)
        if not page or int(page[0]["id"]) > anchor or _milliseconds(page[0]) < interval.start:
            break
    while anchor is not None and (page := _from_id(client, symbol, anchor)):
        yield page
        anchor = int(page[-1]["id"]) + 1
        if _milliseconds(page[-1]) >= interval.end:
            return


def _first_binance(client: Client, symbol: str, interval: Interval) -> int | None:
    moment, end = interval.start // _NS_PER_MS, -(-interval.end // _NS_PER_MS)
    while moment < end:
        until = min(moment + _HOUR_MS, end) - 1
        page = _ask(client, symbol, moment, {"until": until})
        if page:
            return int(page[0]["id"])
        moment = until + 1
    return None


def _from_id(client: Client, symbol: str, first: int) -> Page:
    return _ask(client, symbol, None, {"fromId": first})


def _kraken(client: Client, symbol: str, interval: Interval) -> Iterator[Page]:
    """Go on from the time of the last trade, a microsecond early: Kraken shows times rounded to 100 ns."""
    moment, seen = interval.start - 1000, ""
    while True:
        page = _ask(client, symbol, None, {"since": str(moment)})
        if not page or page[-1]["id"] == seen:
            return
        yield page
        seen, last = page[-1]["id"], _exact_seconds(page[-1])
        if last >= interval.end:
            return
        if last - 1000 <= moment:
            raise _hidden(symbol, page)
        moment = last - 1000


def _coinbase(client: Client, symbol: str, interval: Interval) -> Iterator[Page]:
    """Go back from the end: an answer holds the newest trades of its interval, which has whole seconds."""
    start, end = interval.start // NS_PER_SECOND, -(-interval.end // NS_PER_SECOND)
    lowest: int | None = None
    while end > start and (page := _ask(client, symbol, start * 1000, {"until": end * 1000})):
        yield page
        ids = [int(trade["id"]) for trade in page]
        if lowest is not None and max(ids) < lowest - 1:
            raise _hidden(symbol, page)
        lowest = min(ids)
        further = min(_iso(trade) for trade in page) // NS_PER_SECOND + 1
        if further >= end and len(page) >= _PAGE:
            raise _hidden(symbol, page)
        end = min(further, end - 1)  # a second that is asked for again goes: ids tell whether all was seen


def _hidden(symbol: str, page: Page) -> SourceError:
    return SourceError(f"{symbol}: {len(page)} trades at one moment fill a page, and hide what is next.")


def _ask(client: Client, symbol: str, since_ms: int | None, more: dict[str, Any]) -> Page:
    page = client.rows(lambda exchange: exchange.fetch_trades(symbol, since_ms, _PAGE, more))
    if not all(isinstance(trade, dict) and trade.get("timestamp") for trade in page):
        raise SourceError(f"The answer for trades of {symbol} holds none.", temporary=True)
    return page


def _milliseconds(trade: Trade) -> int:
    return int(trade["timestamp"]) * _NS_PER_MS


def _exact_seconds(trade: Trade) -> int:
    return int(Decimal(str(trade["info"][2])) * NS_PER_SECOND)


def _iso(trade: Trade) -> int:
    return to_nanoseconds(trade["info"]["time"])


_WAYS: Mapping[str, tuple[Callable[[Client, str, Interval], Iterator[Page]], Callable[[Trade], int]]] = {
    "binance": (_binance, _milliseconds),
    "binanceus": (_binance, _milliseconds),
    "binanceusdm": (_binance, _milliseconds),
    "coinbase": (_coinbase, _iso),
    "kraken": (_kraken, _exact_seconds),
}


def _table(rows: list[tuple[int, Trade]]) -> pa.Table:
    kinds = (pa.int64(), pa.string(), pa.float64(), pa.float64(), pa.string())
    cells = [(time, trade["id"], trade["price"], trade["amount"], trade["side"]) for time, trade in rows]
    columns = zip(*cells, strict=True) if cells else [()] * len(_NAMES)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.Table.from_arrays(arrays, names=list(_NAMES))
