"""The lake as a contender: the writes and the plain reads, through the public API alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

import lakehouse
from benchmarks.compare.contracts import contracts

if TYPE_CHECKING:
    import pyarrow as pa

QUOTE = ("ts", "bid", "ask", "bsize", "asize")
BAR = ("symbol", "ts", "open", "high", "low", "close", "volume")
RESTATEMENTS, RESTATEMENT = 20, 5


class Feed(Protocol):
    """What the comparison gives: generated tables, and the parameters that all contenders share."""

    tdays: list[str]
    months: list[str]
    day: str
    snap_day: str
    snap: int
    sym_big: str
    sym_mid: str
    win: tuple[int, int]
    r5_syms: list[str]
    r5_days: tuple[str, str]
    r6_day: str
    k: int

    def trades(self, day: str) -> pa.Table: ...  # noqa: D102 - see the class
    def quotes(self, day: str) -> pa.Table: ...  # noqa: D102
    def bars(self, month: str) -> pa.Table: ...  # noqa: D102
    def daily(self) -> pa.Table: ...  # noqa: D102
    def pnl(self) -> pa.Table: ...  # noqa: D102
    def ref_version(self, number: int) -> pa.Table: ...  # noqa: D102


class Steps:
    """The steps of `W1` to `W3`, `R1` to `R6` and `V1`, `V2`; the comparison's own class is mixed in."""

    durable = "fsync per commit, validated, with a content digest"
    store: Path
    raw: Feed

    def open(self) -> None:
        """Open the lake; make it, with its products, where there is none."""
        self.lake = lakehouse.open(self.store, create=True)
        for contract in contracts():
            if contract.name not in self.lake:
                self.lake.create(contract)
        names = ("trades", "quotes", "bars", "daily", "stream", "ref")
        self.trades, self.quotes, self.bars, self.daily, self.stream, self.ref = (
            self.lake[f"market.{name}"] for name in names
        )

    def add_day(self, day: str) -> None:
        """Append a day of trades and one of quotes, a commit each."""
        self.trades.append(self.raw.trades(day), time_zone="UTC")
        self.quotes.append(self.raw.quotes(day), time_zone="UTC")

    def load_bars(self) -> None:
        """Append minute bars, a month in each commit."""
        for month in self.raw.months:
            self.bars.append(self.raw.bars(month), time_zone="UTC")

    def load_daily(self) -> None:
        """Append ten years of daily bars in one commit."""
        self.daily.append(self.raw.daily())

    def w3_setup(self) -> None:
        """Nothing to prepare: the product is there."""

    def w3_append(self, rows: pa.Table) -> None:
        """Append ten rows, durably."""
        self.stream.append(rows, time_zone="UTC")

    def w3_count(self) -> tuple[int, float]:
        """Return number of rows and sum of prices, as read back."""
        prices = self.stream.read(columns=["price"]).to_arrow()["price"].to_numpy()
        return len(prices), float(prices.sum())

    def v_setup(self) -> None:
        """Restate a reference table twenty times, a commit each."""
        for number in range(RESTATEMENTS):
            self.ref.upsert(self.raw.ref_version(number))

    def r1p(self) -> Any:
        """Read the quotes of a symbol into pandas."""
        return self.quotes.read(self.raw.sym_big, columns=QUOTE).to_pandas()

    def r1a(self) -> pa.Table:
        """Read the quotes of a symbol into Arrow."""
        return self.quotes.read(self.raw.sym_big, columns=QUOTE).to_arrow()

    def r2(self) -> pa.Table:
        """Read one day of a symbol."""
        return self.quotes.read(self.raw.sym_mid, *whole_day(self.raw.day), columns=QUOTE).to_arrow()

    def r3(self) -> pa.Table:
        """Read five minutes of a symbol."""
        return self.quotes.read(self.raw.sym_mid, *self.raw.win, columns=QUOTE).to_arrow()

    def r4(self) -> pa.Table:
        """Read the last 100 rows of a symbol."""
        return self.quotes.tail(100, symbols=self.raw.sym_mid, columns=QUOTE).to_arrow()

    def r5(self) -> pa.Table:
        """Read twenty days of a hundred symbols."""
        first, last = self.raw.r5_days
        days = whole_day(first)[0], whole_day(last)[1]
        return self.bars.read(self.raw.r5_syms, *days, columns=BAR).to_arrow()

    def r6(self) -> pa.Table:
        """Read one column of one day, all symbols."""
        return self.bars.read(None, *whole_day(self.raw.r6_day), columns=["symbol", "ts", "close"]).to_arrow()

    def v1(self) -> pa.Table:
        """Read an old version."""
        return self.ref.read(columns=["id", "factor"], version=RESTATEMENT + 1).to_arrow()

    def v2(self) -> dict[str, list[int]]:
        """List the versions; the first commit of a product made it, and has no rows."""
        return {"n": [sum(commit.version > 0 for commit in self.ref.history())]}


def whole_day(day: str) -> tuple[np.datetime64, np.datetime64]:
    """Return the half-open interval of a day."""
    start = np.datetime64(day, "D")
    return start, start + 1
