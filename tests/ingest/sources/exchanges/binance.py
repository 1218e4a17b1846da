"""Answers in the wire format of Binance's REST API (/api/v3), as documented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MINUTE_MS = 60_000


@dataclass
class Answers:
    """Candles are [time_ms, open, high, low, close, volume], trades [time_ms, id, _, side, price, size]."""

    candles: list[list[Any]]
    trades: list[list[Any]]
    most_candles: int = 1000
    most_trades: int = 1000

    def __call__(self, path: str, query: dict[str, str]) -> Any:
        match path.rpartition("/")[2]:
            case "exchangeInfo":
                return {"timezone": "UTC", "symbols": [_market("BTC", "USDT"), _market("XRP", "ETH")]}
            case "klines":
                return self._klines(query)
            case "aggTrades":
                return self._trades(query)
        raise AssertionError(path)

    def _klines(self, query: dict[str, str]) -> Any:
        most = min(int(query.get("limit", 500)), self.most_candles)
        first, last = int(query.get("startTime", 0)), int(query.get("endTime", 2**62))
        rows = [row for row in self.candles if first <= row[0] <= last][:most]
        return [
            [row[0], *(f"{cell:.8f}" for cell in row[1:6]), row[0] + MINUTE_MS - 1, "0", 1, "0", "0", "0"]
            for row in rows
        ]

    def _trades(self, query: dict[str, str]) -> Any:
        most = min(int(query.get("limit", 500)), self.most_trades)
        if "fromId" in query:
            assert "startTime" not in query, "Binance refuses both"
            rows = [row for row in self.trades if int(row[1]) >= int(query["fromId"])][:most]
        else:
            first, last = int(query["startTime"]), int(query["endTime"])
            rows = [row for row in self.trades if first <= row[0] <= last][-most:]
        return [
            {"a": int(row[1]), "p": f"{row[4]:.8f}", "q": f"{row[5]:.8f}", "f": 1, "l": 1, "T": row[0],
             "m": row[3] == "sell", "M": True}
            for row in rows
        ]  # fmt: skip


def _market(base: str, quote: str) -> dict[str, Any]:
    return {
        "symbol": f"{base}{quote}",
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "isSpotTradingAllowed": True,
        "filters": [],
        "permissions": [],
        "permissionSets": [["SPOT"]],
    }
