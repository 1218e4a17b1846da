"""A local server that answers as exchanges do, with real candles and trades, and their faults."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.ingest.sources.exchanges import binance, coinbase, kraken

SharedData = Callable[[str], Path]
Answer = Callable[[str, dict[str, str]], Any]


@dataclass
class Venue:
    """A server, what it was asked, and what goes wrong at the next requests for rows."""

    url: str = ""
    answer: Answer = lambda path, query: None
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """'429', '503', 'broken off', 'cut JSON', 'HTML': one a request"""

    def config(self, **more: Any) -> dict[str, Any]:
        """Return the configuration of a ccxt exchange that asks this server, without its pauses."""
        kinds = ("public", "rest", "private", "fapiPublic", "dapiPublic")
        paths = {"public": "/api/v3"} if self.answer.__module__.endswith("binance") else {}
        api = {kind: self.url + paths.get(kind, "") for kind in kinds}
        options = {"fetchMarkets": {"types": ["spot"]}} if paths else {}
        return {"enableRateLimit": False, "urls": {"api": api}, "options": options, **more}


class Handler(BaseHTTPRequestHandler):
    venue: Venue

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        self.venue.asked.append((parts.path, query))
        self.venue.times.append(time.monotonic())
        body = json.dumps(self.venue.answer(parts.path, query)).encode()
        fault = self.venue.faults.pop(0) if self.venue.faults else ""
        self._send(fault, body)

    def _send(self, fault: str, body: bytes) -> None:
        status = int(fault) if fault.isdecimal() else 200
        kind = "text/html" if fault == "HTML" else "application/json"
        shown = b"<html>busy</html>" if fault == "HTML" else body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(shown) // 2 if fault == "cut JSON" else len(shown)))
        if fault == "429":
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(shown[: len(shown) // 2] if fault in ("broken off", "cut JSON") else shown)
        self.close_connection = fault == "broken off"

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def venue() -> Iterator[Venue]:
    """Give a server on a free port."""
    pytest.importorskip("ccxt", reason="the extra exchanges is not installed")
    state = Venue()
    handler = type("VenueHandler", (Handler,), {"venue": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield state
        server.shutdown()


@pytest.fixture
def binance_venue(venue: Venue, shared_data: SharedData) -> Venue:
    """Give Binance with the minute candles and the trades of XRP/ETH."""
    candles = load(shared_data("freqtrade/UNITTEST_BTC-1m.json.gz"))
    trades = load(shared_data("freqtrade/XRP_ETH-trades.json.gz"))
    venue.answer = binance.Answers(candles, trades)
    return venue


@pytest.fixture
def coinbase_venue(venue: Venue, shared_data: SharedData) -> Venue:
    """Give Coinbase with the same."""
    candles = load(shared_data("freqtrade/UNITTEST_BTC-1m.json.gz"))
    trades = load(shared_data("freqtrade/XRP_ETH-trades.json.gz"))
    venue.answer = coinbase.Answers(candles, trades)
    return venue


@pytest.fixture
def kraken_venue(venue: Venue, shared_data: SharedData) -> Venue:
    """Give Kraken with its own recorded answers, for BTC/USDT."""
    folder = shared_data("nautilus/crates/adapters/kraken/test_data")
    names = ("http_asset_pairs.json", "http_ohlc.json.gz", "http_trades.json.gz")
    venue.answer = kraken.Answers(*(load(folder / name) for name in names))
    return venue


def load(path: Path) -> Any:
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return json.loads(text)
