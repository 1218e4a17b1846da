"""A lake of real market data: each feed is loaded once, when the first test asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import lakehouse
from lakehouse.catalog.contract import Contract
from lakehouse.catalog.starter import starter_files
from lakehouse.ingest.backfill import BackfillReport
from lakehouse.names import ProductName
from lakehouse.schema import Column, TableSchema

ROB = "pysystemtrade"
TICKS = "nautilus/quote_tick_eurusd_2019_sim_rust.parquet"
BID_BARS = {
    "files": "{symbol}/{date}_quote.zip",
    "columns": ["time", "open", "high", "low", "close", *[None] * 6],
    "symbol_case": "upper",
    "time": {"format": "ms_since_midnight", "time_zone": "UTC"},
}
DAYS_OF_FX = {
    "files": "{symbol}.csv.gz",
    "columns": {"DATETIME": "time"},
    "time": {"time_zone": "UTC", "date_as_of_time": True},
}
NAUTILUS_TICKS = {
    "constants": {"symbol": "EURUSD.SIM"},
    "columns": {"ts_event": "time", "ts_init": "receive_time"},
    "drop": ["bid_price", "ask_price", "bid_size", "ask_size"],  # 128-bit numbers of a format of its own
    "time": {"format": "ns"},
    "times": {"receive_time": {"format": "ns"}},
}
VIX = {"constants": {"symbol": "VIX"}}
XRP = {"constants": {"symbol": "XRP_ETH"}}
LEGS = ("carry", "price", "forward")
CONFIGURATION = {
    "instrumentconfig": "description string, point_size float64, currency string, asset_class string,"
    " per_block float64, percentage float64, per_trade float64, region string",
    "moreinstrumentinfo": "asset_class string, sub_class string, sub_sub_class string, style string,"
    " country string, duration float64, description string",
    "rollconfig": "hold_roll_cycle string, roll_offset_days int32, carry_offset int32,"
    " priced_roll_cycle string, expiry_offset int32",
    "spreadcosts": "spread_cost float64",
}


@dataclass(frozen=True)
class Feed:
    """Files of one vendor, and the product that they belong to."""

    product: str
    path: str
    rows: int
    recipe: str | Mapping[str, Any] | None = None


def configuration(name: str, rows: int) -> Feed:
    """Give the columns of a configuration file our names, by their order."""
    columns = ["symbol", *(text.split(" ")[0] for text in CONFIGURATION[name].split(", "))]
    return Feed(
        f"reference.{name}", f"{ROB}/csvconfig/{name}.csv", rows, {"header": True, "columns": columns}
    )


FEEDS = {
    "futures": Feed("market_data.futures", f"{ROB}/multiple_prices_csv", 857_198, "pysystemtrade_multiple"),
    "adjusted": Feed("market_data.adjusted", f"{ROB}/adjusted_prices_csv", 857_050, "pysystemtrade_adjusted"),
    "fx": Feed("market_data.fx", f"{ROB}/fx_prices_csv", 94_042, "pysystemtrade_adjusted"),
    "fx days": Feed("market_data.fx_1d", f"{ROB}/fx_prices_csv", 94_042, DAYS_OF_FX),
    "instrumentconfig": configuration("instrumentconfig", 586),
    "moreinstrumentinfo": configuration("moreinstrumentinfo", 247),
    "rollconfig": configuration("rollconfig", 514),
    "spreadcosts": configuration("spreadcosts", 581),
    "ibm trades": Feed("market_data.trades", "lean/equity/usa/tick", 126_395, "lean_equity_trade_tick"),
    "ibm quotes": Feed("market_data.quotes", "lean/equity/usa/tick", 575_589, "lean_equity_quote_tick"),
    "equity minutes": Feed("market_data.bars_1m", "lean/equity/usa/minute", 15_212, "lean_equity_minute"),
    "equity hours": Feed("market_data.bars_1h", "lean/equity/usa/hour", 43_760, "lean_equity_hour"),
    "equity days": Feed("market_data.bars_1d", "lean/equity/usa/daily", 39_375, "lean_equity_daily"),
    "eurusd ticks": Feed("market_data.quotes", "lean/forex/oanda/tick", 200_405, "lean_forex_tick"),
    "eurusd seconds": Feed("market_data.bars_1s", "lean/forex/oanda/second", 94_369, BID_BARS),
    "eurusd minutes": Feed("market_data.bars_1m", "lean/forex/oanda/minute", 18_184, BID_BARS),
    "vix": Feed("market_data.bars_1d", "datasets_hub/vix-daily.csv.gz", 9_235, VIX),
    "xrp trades": Feed("market_data.trades", "freqtrade", 12_477, "freqtrade_trades"),
    "xrp minutes": Feed("market_data.bars_1m", "freqtrade/XRP_ETH-1m.feather", 2_469, XRP),
    "xrp five minutes": Feed("market_data.bars_5m", "freqtrade/XRP_ETH-5m.feather", 706, XRP),
    "nautilus ticks": Feed("market_data.quotes", TICKS, 10_000, NAUTILUS_TICKS),
}  # fmt: skip


def keyed(name: str, *columns: str, time: str = "time timestamp[ns]") -> Contract:
    """Write the contract of a product with one row for each symbol and time."""
    column = time.split(" ")[0]
    return own_contract(name, time, *columns, time=column, key=("symbol", column))


def own_contract(
    name: str, *columns: str, time: str | None = None, key: tuple[str, ...] = ("symbol",)
) -> Contract:
    """Write the contract of a product that no starter contract covers; columns are given as 'name type'."""
    kinds = [text.split(" ") for text in ("symbol string", *columns)]
    needed = {"symbol", time, *key}
    made = tuple(Column(column, kind, nullable=column not in needed) for column, kind in kinds)
    return Contract(ProductName.parse(name), "1.0.0", TableSchema(made, symbol="symbol", time=time, key=key))


def like(contract: Contract, name: str) -> Contract:
    """Give a product of another frequency the contract of the starter's bars."""
    return replace(contract, name=ProductName.parse(name), rules=contract.rules[:3])


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    """Every contract of the starter, and those of products that only these tests have."""
    texts = [data.decode() for path, data in starter_files() if path.startswith("catalog/products/")]
    found = {str(contract.name): contract for contract in map(Contract.from_yaml, texts)}
    legs = [f"{leg}{column}" for leg in LEGS for column in (" float64", "_contract int64")]
    own = (
        keyed("market_data.futures", *legs),
        keyed("market_data.adjusted", "price float64"),
        keyed("market_data.fx", "price float64"),
        keyed("market_data.fx_1d", "price float64", time="date date"),
        *(own_contract(f"reference.{name}", *text.split(", ")) for name, text in CONFIGURATION.items()),
        *(like(found["market_data.bars_1m"], f"market_data.bars_{each}") for each in ("1s", "5m", "1h")),
    )
    return found | {str(contract.name): contract for contract in own}


class RealLake:
    """A lake that backfills a feed when it is first asked for."""

    def __init__(
        self, folder: Path, contracts: Mapping[str, Contract], locate: Callable[[str], Path]
    ) -> None:
        self.lake, self.feeds = lakehouse.open(folder, create=True), FEEDS
        self._contracts, self._locate = contracts, locate
        for path, data in starter_files():
            if path.startswith("queries/"):
                self.lake.store.put_if_absent(path, data)
        self._reports: dict[str, BackfillReport] = {}

    def load(self, name: str) -> BackfillReport:
        """Return what the one backfill of a feed said."""
        if name not in self._reports:
            self._reports[name] = self.backfill(name)
        return self._reports[name]

    def backfill(self, name: str) -> BackfillReport:
        """Run the backfill of a feed, whether or not it ran before."""
        feed = FEEDS[name]
        self.lake.apply(self._contracts[feed.product])
        report = self.lake.backfill(feed.product, self._locate(feed.path), recipe=feed.recipe)
        assert report.ok, report.failures[0]
        return report


@pytest.fixture(scope="session")
def real(
    tmp_path_factory: pytest.TempPathFactory,
    contracts: dict[str, Contract],
    shared_data: Callable[[str], Path],
) -> RealLake:
    """A lake of real data; only backfills write to it."""
    return RealLake(tmp_path_factory.mktemp("real") / "lake", contracts, shared_data)


@pytest.fixture
def lake(tmp_path: Path) -> lakehouse.Lake:
    """An empty lake of one test's own."""
    return lakehouse.open(tmp_path / "lake", create=True)
