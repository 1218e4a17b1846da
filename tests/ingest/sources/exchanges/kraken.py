"""Kraken's own recorded answers, given out again in pages as it gives them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass
class Answers:
    """The recorded answers to AssetPairs, OHLC and Trades of BTC/USDT."""

    pairs: dict[str, Any]
    ohlc: dict[str, Any]
    trades: dict[str, Any]
    most_trades: int = 1000

    def __call__(self, path: str, query: dict[str, str]) -> Any:
        match path.rpartition("/")[2]:
            case "AssetPairs":
                return self.pairs
            case "OHLC":
                rows = self.ohlc["result"]["XBTUSDT"]
                newest = [row for row in rows if row[0] >= int(query.get("since", 0))]
                return {"error": [], "result": {"XBTUSDT": newest, "last": rows[-2][0]}}
            case "Trades":
                return self._trades(query)
        raise AssertionError(path)

    def _trades(self, query: dict[str, str]) -> Any:
        most = min(int(query.get("count", 1000)), self.most_trades)
        rows = self.trades["result"]["XBTUSDT"]
        newer = [row for row in rows if int(Decimal(str(row[2])) * 10**9) > int(query["since"])][:most]
        last = str(int(Decimal(str(newer[-1][2])) * 10**9)) if newer else query["since"]
        return {"error": [], "result": {"XBTUSDT": newer, "last": last}}
