"""Candles and trades of an exchange as a source: one chunk a symbol and day, month or year."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.ingest.sources.base import Chunk, Source
from lakehouse.ingest.sources.exchanges.candles import NEWEST_ONLY, fetch_candles, fetch_newest
from lakehouse.ingest.sources.exchanges.client import Client
from lakehouse.ingest.sources.exchanges.frames import Frame, cells
from lakehouse.ingest.sources.exchanges.trades import check_known, fetch_trades
from lakehouse.ingest.sources.policy import Policy
from lakehouse.ingest.sources.recipe import Recipe, TimeRule
from lakehouse.ingest.sources.tables import fit_table, identity
from lakehouse.schema import TableSchema
from lakehouse.times import MIN_NS, NS_PER_SECOND, Interval

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract

TRADES = "trades"

_TRADES_FRAME = Frame(NS_PER_SECOND, NS_PER_SECOND)


class ExchangeSource(Source):
    """Candles (OHLCV) or trades of Binance, Coinbase, Kraken, or another exchange that ccxt knows.

    A candle carries the time of its opening, and its volume is in the base currency; exchanges leave out
    candles without trades, and none is made up here. What is not over yet is never stored: the end is cut to
    the last candle that is closed, and the last whole second for trades. A product without a key gets only
    whole days (months for hours, years for days), for it could not tell what it holds already.

    What an exchange will answer is not known before: the id of a chunk is that of the question. Requests go
    out one after the other, at the pace that ccxt knows for the exchange, in each process by itself.

    Examples:
        >>> ExchangeSource("kraken", "1h")
        ExchangeSource('kraken 1h')
    """

    def __init__(
        self,
        exchange: str,
        timeframe: str = "1m",
        *,
        config: Mapping[str, Any] | None = None,
        settle_seconds: float = 10.0,
        policy: Policy | None = None,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        """Take the name; nothing is asked yet.

        Args:
            exchange: as ccxt calls it, such as 'binance'.
            timeframe: length of the candles, such as '1m', '1h' or '1d'; or 'trades'.
            config: for the ccxt exchange: keys, proxies, options. No message and no record shows it.
            settle_seconds: how long after its end a candle, or a second of trades, is taken for final.
            policy: further limits and retries; None for five attempts.
            now: gives UTC nanoseconds.

        Raises:
            ArgumentError: the time frame is none, or how the exchange pages its trades is not known.
        """
        self._frame = _TRADES_FRAME if timeframe == TRADES else Frame.parse(timeframe)
        if timeframe == TRADES:
            check_known(exchange)
        self._exchange, self._timeframe = exchange, timeframe
        self._config = dict(config or {})
        self._settle_ns = int(settle_seconds * NS_PER_SECOND)
        self._policy = policy or Policy()
        self._now = now
        self._made: Client | None = None
        self.name = f"{exchange} {timeframe}"

    def __repr__(self) -> str:
        """Show what it is, without keys."""
        return f"ExchangeSource({self.name!r})"

    def __getstate__(self) -> dict[str, Any]:
        """Travel without the connection."""
        return {**self.__dict__, "_made": None}

    def symbols(self) -> tuple[str, ...]:
        """See `Source.symbols`: all markets, spelt as `BTC/USDT`.

        Raises:
            MissingExtraError: ccxt is not installed.
            NotFoundError: ccxt knows no such exchange.
            SourceError: the exchange can not be asked.
        """
        return self._client().symbols()

    def contract(self) -> Contract:
        """See `Source.contract`: the key is symbol and time for candles, symbol and trade id for trades."""
        from lakehouse.catalog.infer import infer_contract

        names = ["price", "size"] if self._timeframe == TRADES else ["open", "high", "low", "close", "volume"]
        texts = ["trade_id", "side"] if self._timeframe == TRADES else []
        fields = [("symbol", pa.string()), ("time", pa.timestamp("ns", "UTC"))]
        fields += [*((name, pa.string()) for name in texts), *((name, pa.float64()) for name in names)]
        found = infer_contract("exchange.rows", pa.schema(fields))
        key = ("symbol", "trade_id" if self._timeframe == TRADES else "time")
        columns = tuple(
            dataclasses.replace(column, nullable=column.nullable and column.name not in key)
            for column in found.schema.columns
        )
        return dataclasses.replace(found, schema=TableSchema(columns, "symbol", "time", key))

    def chunks(
        self, schema: TableSchema, symbols: Sequence[str] | None, interval: Interval
    ) -> tuple[Chunk, ...]:
        """See `Source.chunks`; nothing is asked, unless `symbols` is None and means all markets.

        Raises:
            ArgumentError: there is no start, or the contract has no time.
            SourceError: the exchange can not be asked.
        """
        if interval.start == MIN_NS or schema.time is None:
            raise ArgumentError(
                f"The history of {self.name} needs a first instant, and a contract with a time.",
                hint='Give a start, such as start="2024-01-01".',
            )
        wanted = self.symbols() if symbols is None else sorted(set(symbols))
        closed = self._frame.closed_before(self._now() - self._settle_ns)
        asked = Interval(interval.start, max(min(interval.end, closed), interval.start))
        size = "day" if self._timeframe == TRADES else self._frame.cell
        return tuple(
            self._chunk(symbol, cell, span)
            for symbol in wanted
            for cell, span in cells(asked, size)
            if schema.key or span.end == min(cell.end, interval.end)
        )

    def read(self, chunk: Chunk, schema: TableSchema) -> pa.Table:
        """See `Source.read`; columns that the contract does not have are left out."""
        symbol = str(chunk.symbol)
        if self._timeframe == TRADES:
            table = fetch_trades(self._client(), self._exchange, symbol, chunk.interval)
        else:
            fetch = fetch_newest if self._exchange in NEWEST_ONLY else fetch_candles
            table = fetch(self._client(), symbol, self._timeframe, chunk.interval)
        where = pa.array([self._exchange] * table.num_rows, pa.string())
        unit = "ns" if self._timeframe == TRADES else "ms"
        recipe = Recipe(time=TimeRule(column=("time",), format=unit), extra="ignore")
        return fit_table(
            table.append_column("exchange", where),
            schema,
            chunk,
            label=f"{self.name} {symbol}",
            recipe=recipe,
            symbol=symbol,
        )

    def _chunk(self, symbol: str, cell: Interval, span: Interval) -> Chunk:
        question = ["exchange/1", self._exchange, self._timeframe, symbol]
        return Chunk(
            identity(question, [span.start, span.end]),
            symbol,
            span,
            (f"{self.name} {symbol}",),
            0,
            content=identity(question, [cell.start, cell.end]),
        )

    def _client(self) -> Client:
        if self._made is None:
            self._made = Client(self._exchange, self._config, self._policy)
        return self._made


def open_exchange(location: str, /, **options: Any) -> ExchangeSource:
    """Open `exchange:binance/1m`, or `exchange:kraken/trades`; see `ExchangeSource`.

    Examples:
        >>> open_exchange("binance/1h")
        ExchangeSource('binance 1h')
    """
    exchange, _, timeframe = location.partition("/")
    return ExchangeSource(exchange, timeframe or "1m", **options)
