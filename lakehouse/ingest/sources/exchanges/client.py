"""One exchange through ccxt: one request at a time, every digit kept, its errors turned into ours."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from lakehouse.errors import MissingExtraError, NotFoundError, SourceError
from lakehouse.ingest.sources.policy import Policy

T = TypeVar("T")

_SECRETS = ("apiKey", "secret", "password", "uid", "login", "token", "privateKey", "walletAddress", "twofa")
_QUERY = re.compile(r"\?[^\s'\"]*")
_LONGEST_WAIT_S = 120.0
_SHOWN = 300


class Client:
    """Asks one exchange, from any thread; requests go out one after the other."""

    def __init__(self, exchange: str, config: Mapping[str, Any], policy: Policy) -> None:
        """Make the exchange; nothing is sent yet.

        Raises:
            MissingExtraError: ccxt is not installed.
            NotFoundError: ccxt knows no such exchange.
        """
        self._ccxt = _library()
        if exchange not in self._ccxt.exchanges:
            raise NotFoundError.among("exchange", exchange, self._ccxt.exchanges)
        self._exchange = getattr(self._ccxt, exchange)({"enableRateLimit": True, **config})
        self._exchange.on_rest_response = self._checked
        self._exchange.on_json_response = self._parse
        self._document: Any = None
        self._secrets = [str(config[name]) for name in _SECRETS if config.get(name)]
        self._policy = policy
        self._lock = threading.Lock()

    @property
    def exchange(self) -> str:
        """Its name, as ccxt calls it."""
        return str(self._exchange.id)

    def symbols(self) -> tuple[str, ...]:
        """Return the markets, sorted, as ccxt spells them.

        Raises:
            SourceError: the exchange can not be asked.
        """
        return tuple(sorted(self.ask(lambda exchange: list(exchange.markets))))

    def ask(self, question: Callable[[Any], T]) -> T:
        """Return what a method of the ccxt exchange returns; its markets are known by then.

        Raises:
            SourceError: the exchange can not be asked, refuses, or answers what nobody can read.
        """

        def once() -> T:
            with self._lock:
                problem: SourceError | None = None
                try:
                    self._learn_markets()
                    return question(self._exchange)
                except self._ccxt.BaseError as error:
                    problem = self._refused(error)
                except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
                    problem = self._unreadable(error)
                raise problem  # outside of the handler: what it caught may hold keys

        return self._policy.call(once)

    def rows(self, question: Callable[[Any], list[T]]) -> list[T]:
        """Return rows that a method of the ccxt exchange returns; ccxt takes a strange answer for none.

        Raises:
            SourceError: as `ask`, and where the answer has no place for rows.
        """

        def checked(exchange: Any) -> list[T]:
            found = list(question(exchange))
            if not found and not _has_list(self._document):
                raise self._ccxt.ExchangeNotAvailable(f"an answer without rows: {json.dumps(self._document)}")
            return found

        return self.ask(checked)

    def limit(self, symbol: str, method: str, otherwise: int) -> int:
        """Return how many rows one answer may have."""
        return int(
            self.ask(lambda exchange: exchange.feature_value(symbol, method, "limit", None)) or otherwise
        )

    def _learn_markets(self) -> None:
        # load_markets() would ask for currencies as well, which some exchanges give only to customers.
        if not self._exchange.markets:
            self._exchange.set_markets(self._exchange.fetch_markets())

    def _checked(self, status: int, reason: str, url: str, method: str, _: Any, text: str, *more: Any) -> str:
        """Refuse a page for humans that a proxy put in the place of rows: ccxt would find none in it."""
        if status < 400 and not text.lstrip().startswith(("{", "[")):
            raise self._ccxt.ExchangeNotAvailable(f"{method} {url} {status}: the answer is no JSON")
        return text.strip()

    def _parse(self, text: str) -> Any:
        """Read an answer without rounding its decimals; ccxt takes one that broke off for text."""
        try:
            self._document = json.loads(text, parse_float=str)
        except ValueError:
            raise self._ccxt.ExchangeNotAvailable("the answer broke off") from None
        return self._document

    def _refused(self, error: Exception) -> SourceError:
        reason = self._shown(error)
        if isinstance(error, self._ccxt.BadSymbol):
            return SourceError(f"{self._exchange.id}: {reason}.", hint="Symbols are written BTC/USDT.")
        temporary = isinstance(error, self._ccxt.NetworkError)
        busy = isinstance(error, self._ccxt.RateLimitExceeded | self._ccxt.DDoSProtection)
        if busy and not self._waited():
            temporary = False
        return SourceError(f"{self._exchange.id} can not be asked: {reason}.", temporary=temporary)

    def _unreadable(self, error: Exception) -> SourceError:
        return SourceError(
            f"{self._exchange.id} gives an answer that ccxt can not read: {self._shown(error)}.",
            temporary=True,
        )

    def _shown(self, error: Exception) -> str:
        text = str(error)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = _QUERY.sub("", " ".join(text.split()))[:_SHOWN].rstrip(". ")
        return f"{type(error).__name__}: {text}"

    def _waited(self) -> bool:
        """Wait as long as the exchange asks for; say no where that is too long for a run to stand still."""
        headers = self._exchange.last_response_headers or {}
        asked = str(headers.get("Retry-After", "0"))
        seconds = float(asked) if asked.isdecimal() else 0.0
        if seconds > _LONGEST_WAIT_S:
            return False
        time.sleep(seconds)
        return True


def _has_list(document: Any, depth: int = 3) -> bool:
    """Say whether an answer has a place for rows: a list, at some depth."""
    if isinstance(document, dict) and depth:
        return any(_has_list(item, depth - 1) for item in document.values())
    return isinstance(document, list)


def _library() -> Any:
    try:
        import ccxt
    except ImportError as error:
        raise MissingExtraError.of("ccxt", "exchanges") from error
    return ccxt
