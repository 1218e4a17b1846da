"""The rows of the golden data: generated, the same on every machine; no price is real.

Python's own random numbers and rounded prices: no version of numpy and no last bit of a logarithm counts.
"""

from __future__ import annotations

import datetime as dt
import random

import polars as pl

SYMBOLS = (
    *("AAPL", "AMZN", "BRK/B", "BTC-USD", "ES=F", "GOOG", "IBM", "JPM", "KO", "MSFT"),
    *("NA", "NVDA", "ORCL", "PEP", "SAP", "SPY", "TSLA", "XOM", "aapl", "日経225"),
)
"""Among them what disks, readers of CSV and databases like to break."""
TICKING = ("BRK/B", "BTC-USD", "IBM", "NA", "aapl", "日経225")
YEARS = (2022, 2023, 2024)
_TRADES = 600
"""of each symbol"""


def bars(year: int) -> pl.DataFrame:
    """Return the daily bars of every symbol in one year: a random walk on weekdays."""
    rows = [row for symbol in SYMBOLS for row in _walk(symbol)]
    return pl.DataFrame(rows, schema=_BAR_TYPES, orient="row").filter(pl.col("date").dt.year() == year)


def trades() -> pl.DataFrame:
    """Return ticks with nanoseconds, in order of arrival; some are equal in every column."""
    rng = random.Random("trades")
    start = 1_704_205_800_000_000_000  # 2024-01-02T14:30:00Z
    rows = []
    for symbol in TICKING:
        time, price = start, 100.0
        for number in range(_TRADES):
            time += rng.choice((0, 1, 17, 1_000, 999_999_937, 4_000_000_001))
            price = round(price + rng.choice((-0.01, 0, 0, 0.01)), 2)
            side, late = rng.choice(("buy", "sell", None)), rng.choice((None, 1_000, 250_001))
            row = (symbol, time, price, float(rng.choice((1, 5, 100))), side, "XNYS", "", f"{number:05d}")
            rows.append((*row, None if late is None else time + late, rng.choice((None, False, True))))
            if number % 50 == 7:
                rows.append(rows[-1])
    rng.shuffle(rows)
    rows.sort(key=lambda row: row[1])  # a feed: symbols mixed, times in order
    return pl.DataFrame(rows, schema=_TRADE_TYPES, orient="row")


def instruments() -> pl.DataFrame:
    """Return one row a symbol, and a second one where its terms have changed."""
    first, second = dt.date(2015, 1, 1), dt.date(2023, 7, 3)
    rows = []
    for symbol in SYMBOLS:
        asset, currency = _KINDS.get(symbol, ("equity", "USD"))
        until = second if symbol in ("IBM", "NA") else None
        rows.append((symbol, first, until, f"Generated {symbol}", asset, currency, 0.01, 1.0))
        if until is not None:
            rows.append((symbol, second, None, f"Generated {symbol}, renamed", asset, currency, 0.005, 1.0))
    columns = ("symbol", "valid_from", "valid_to", "name", "asset_class", "currency", "tick_size", "lot_size")
    return pl.DataFrame(rows, schema=columns, orient="row")


def broken_bars() -> pl.DataFrame:
    """Return six bars of the first session of 2025, of which the last three break a rule."""
    last = bars(2024).group_by("symbol", maintain_order=True).last().with_columns(date=dt.date(2025, 1, 2))
    rows = {
        symbol: last.filter(pl.col("symbol") == symbol)
        for symbol in ("IBM", "NA", "日経225", "KO", "PEP", "SAP")
    }
    rows["KO"] = rows["KO"].with_columns(high="low", low="high")
    rows["PEP"] = rows["PEP"].with_columns(-pl.col("open"), -pl.col("low"))
    rows["SAP"] = rows["SAP"].with_columns(-pl.col("volume"))
    return pl.concat(rows.values())


def corrected_bars() -> pl.DataFrame:
    """Return the closes of IBM in December 2024, corrected, and one bar that had been missing."""
    december = bars(2024).filter((pl.col("symbol") == "IBM") & (pl.col("date") >= dt.date(2024, 12, 2)))
    higher = december.with_columns(close=pl.col("high"))
    saturday = higher.tail(1).with_columns(date=pl.lit(dt.date(2024, 12, 28)))
    return pl.concat([higher, saturday])


_KINDS = {
    "BTC-USD": ("crypto", "USD"),
    "ES=F": ("future", "USD"),
    "SPY": ("etf", "USD"),
    "SAP": ("equity", "EUR"),
    "日経225": ("index", "JPY"),
}
_BAR_TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    **{"symbol": pl.String, "date": pl.Date},
    **dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64),
}
_TRADE_TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    **{"symbol": pl.String, "time": pl.Datetime("ns", "UTC"), "price": pl.Float64, "size": pl.Float64},
    **dict.fromkeys(("side", "exchange", "conditions", "trade_id"), pl.String),
    **{"receive_time": pl.Datetime("ns", "UTC"), "suspicious": pl.Boolean},
}


def _walk(symbol: str) -> list[tuple[object, ...]]:
    rng = random.Random(symbol)
    price = float(rng.randint(20, 400))
    day = dt.date(YEARS[0], 1, 1)
    rows: list[tuple[object, ...]] = []
    while day.year <= YEARS[-1]:
        if day.weekday() < 5:
            first = round(price * (1 + rng.randint(-50, 50) / 10_000), 2)
            last = round(first * (1 + rng.randint(-200, 205) / 10_000), 2)
            top = round(max(first, last) * (1 + rng.randint(0, 80) / 10_000), 2)
            bottom = round(min(first, last) * (1 - rng.randint(0, 80) / 10_000), 2)
            rows.append((symbol, day, first, top, bottom, last, 100.0 * rng.randint(1, 500)))
            price = last
        day += dt.timedelta(days=1)
    return rows
