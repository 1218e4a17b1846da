"""Answers in the wire format of Coinbase's Advanced Trade API (/api/v3/brokerage), as documented."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass
class Answers:
    """Candles are [time_ms, open, high, low, close, volume], trades [time_ms, id, _, side, price, size]."""

    candles: list[list[Any]]
    trades: list[list[Any]]
    most_candles: int = 350
    most_trades: int = 1000
    newest: int = 350

    def __call__(self, path: str, query: dict[str, str]) -> Any:
        if path.endswith("/candles"):
            return {"candles": self._candles(query)}
        if path.endswith("/ticker"):
            return {"trades": self._trades(query), "best_bid": "", "best_ask": ""}
        if path.endswith("/products"):
            spot = query.get("product_type", "SPOT") == "SPOT"
            found = [_market("BTC", "USDT"), _market("XRP", "ETH")] if spot else []
            return {"products": found, "num_products": len(found)}
        return {}

    def _candles(self, query: dict[str, str]) -> list[dict[str, str]]:
        start, end = int(query["start"]), int(query["end"])
        assert (end - start) // 60 <= self.most_candles, "Coinbase refuses more than 350 candles"
        rows = [row for row in self.candles if start <= row[0] // 1000 <= end][-self.newest :]
        names = ("open", "high", "low", "close", "volume")
        return [
            {
                "start": str(row[0] // 1000),
                **{name: str(cell) for name, cell in zip(names, row[1:], strict=True)},
            }
            for row in reversed(rows)
        ]

    def _trades(self, query: dict[str, str]) -> list[dict[str, str]]:
        start, end = int(query["start"]) * 1000, int(query["end"]) * 1000
        most = min(int(query.get("limit", 100)), self.most_trades)
        rows = [row for row in self.trades if start <= row[0] < end][-most:]
        return [
            {"trade_id": row[1], "product_id": "XRP-ETH", "price": str(row[4]), "size": str(row[5]),
             "time": datetime.fromtimestamp(row[0] / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
             "side": row[3].upper(), "bid": "", "ask": ""}
            for row in reversed(rows)
        ]  # fmt: skip


def _market(base: str, quote: str) -> dict[str, Any]:
    return {
        "product_id": f"{base}-{quote}",
        "price": "1",
        "base_increment": "0.00000001",
        "quote_increment": "0.00000001",
        "price_increment": "0.00000001",
        "base_min_size": "0.00000001",
        "base_max_size": "1000000",
        "quote_min_size": "0.00000001",
        "quote_max_size": "1000000",
        "status": "online",
        "trading_disabled": False,
        "product_type": "SPOT",
        "base_currency_id": base,
        "quote_currency_id": quote,
    }
