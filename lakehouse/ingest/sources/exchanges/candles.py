"""All candles of an interval, page by page."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa

from lakehouse.errors import SourceError
from lakehouse.ingest.sources.exchanges.client import Client
from lakehouse.ingest.sources.exchanges.frames import Frame
from lakehouse.times import Interval, to_iso

NEWEST_ONLY = (
    *("bithumb", "bitrue", "bitteam", "bittrade", "extended", "gemini", "kraken", "modetrade", "nado"),
    *("p2b", "woofipro"),
)
"""Exchanges that give some of their newest candles, whatever start they are asked for (ccxt 4.5)."""

_NS_PER_MS = 1_000_000
_PAGE = 500
_NAMES = ("time", "open", "high", "low", "close", "volume")


def fetch_candles(client: Client, symbol: str, timeframe: str, interval: Interval) -> pa.Table:
    """Return candles that open in the interval, oldest first: time in int64 ms, the rest float64.

    A page never has to be full: the next one starts behind the last candle of this one, or behind the whole
    window if it was empty. So neither a gap in trading nor a limit that is lower than promised loses one.

    Raises:
        SourceError: the exchange can not be asked, or gives two candles of one time.
    """
    size = client.limit(symbol, "fetchOHLCV", _PAGE)
    shortest = Frame.parse(timeframe).shortest_ns // _NS_PER_MS
    first, end = -(-interval.start // _NS_PER_MS), -(-interval.end // _NS_PER_MS)
    ask = partial(_page, client, symbol, timeframe)
    found: dict[int, list[Any]] = {}
    while first < end:
        window = min(first + size * shortest, end)
        inside = _window(ask, first, window, shortest)
        for candle in inside:
            if found.setdefault(candle[0], candle) != candle:
                moment = to_iso(candle[0] * _NS_PER_MS)
                raise SourceError(f"{symbol}: two different candles of {moment}.", temporary=True)
        first = max(candle[0] for candle in inside) + shortest if inside else window
    return _table([found[time] for time in sorted(found)])


def _window(ask: Callable[[int, int], list[list[Any]]], first: int, end: int, step: int) -> list[list[Any]]:
    """Return the candles of a window, of the last ones perhaps none.

    Where a page starts late, nothing was traded before, or the exchange gives the newest of what was asked
    for: so the part before it is asked for again.
    """
    found: list[list[Any]] = []
    while first < end:
        page = ask(first, -(-(end - first) // step))
        inside = [candle for candle in page if first <= candle[0] < end]
        if not inside:
            break
        found += inside
        end = min(candle[0] for candle in inside)
    return found


def fetch_newest(client: Client, symbol: str, timeframe: str, interval: Interval) -> pa.Table:
    """Do the same where the exchange has only one page, if that reaches back far enough.

    Raises:
        SourceError: the exchange can not be asked, or the interval starts before its oldest candle.
    """
    page = sorted(_page(client, symbol, timeframe, None, None))
    if not page or page[0][0] * _NS_PER_MS > interval.start:
        since = f", since {to_iso(page[0][0] * _NS_PER_MS)}" if page else ""
        raise SourceError(
            f"{client.exchange} gives only its newest {len(page)} candles of {timeframe}{since}; "
            f"{to_iso(interval.start)} is before.",
            hint="Ask for a later start or longer candles, or load its trades, if those are known here.",
        )
    span = range(-(-interval.start // _NS_PER_MS), -(-interval.end // _NS_PER_MS))
    return _table([candle for candle in page if candle[0] in span])


def _page(
    client: Client, symbol: str, timeframe: str, first: int | None, size: int | None
) -> list[list[Any]]:
    page = client.rows(lambda exchange: exchange.fetch_ohlcv(symbol, timeframe, first, size))
    if not all(isinstance(candle, list) and isinstance(candle[0], int) for candle in page):
        raise SourceError(f"The answer for {symbol} {timeframe} holds no candles.", temporary=True)
    return page


def _table(candles: list[list[Any]]) -> pa.Table:
    kinds = (pa.int64(), *[pa.float64()] * 5)
    columns = [[candle[place] for candle in candles] for place in range(len(_NAMES))]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.Table.from_arrays(arrays, names=list(_NAMES))
