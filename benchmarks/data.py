"""Seeded market data: bars and trades that look like those of an exchange, the same in every run."""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

NS = 1_000_000_000
DAY_NS = 86_400 * NS
MINUTES_OF_A_SESSION = 390
OPENING_NS = 14 * 3600 * NS + 30 * 60 * NS
TIME = pa.timestamp("ns", "UTC")


def symbols(count: int) -> list[str]:
    """Return tickers, from S000 on."""
    return [f"S{number:03}" for number in range(count)]


def session_days(first: date, count: int) -> npt.NDArray[np.int64]:
    """Return the first `count` weekdays from a date, as days since 1970."""
    start = (first - date(1970, 1, 1)).days
    days = np.arange(start, start + 2 * count + 7)
    weekdays: npt.NDArray[np.int64] = days[(days + 3) % 7 < 5][:count]
    return weekdays


def minute_bars(names: list[str], years: int, *, seed: int = 1) -> pa.Table:
    """Return 252 sessions a year of 390 bars for each symbol, sorted by symbol and time."""
    sessions = session_days(date(2014, 1, 1), 252 * years) * DAY_NS + OPENING_NS
    times = (sessions[:, None] + np.arange(MINUTES_OF_A_SESSION) * 60 * NS).reshape(-1)
    return pa.concat_tables([_bars(name, times, seed + rank) for rank, name in enumerate(names)])


def batch_of_bars(rows: int, names: list[str], batch: int, *, seed: int = 2) -> pa.Table:
    """Return `rows` bars of session number `batch`, minute by minute: one of each symbol in turn."""
    time = session_days(date(2014, 1, 1), batch + 1)[-1] * DAY_NS + OPENING_NS
    minutes, codes = np.divmod(np.arange(rows), len(names))
    table = _bars("", time + minutes * 60 * NS, seed + batch)
    return table.set_column(0, "symbol", pa.array(np.array(names)[codes]))


def trades(rows: int, day: int, *, names: list[str], seed: int = 3) -> pa.Table:
    """Return one day of trades in order of time, the symbols mixed, as a feed delivers them."""
    random = np.random.default_rng([seed, day])
    session = session_days(date(2024, 1, 1), day + 1)[-1] * DAY_NS + OPENING_NS
    times = session + np.sort(random.integers(0, MINUTES_OF_A_SESSION * 60 * NS, rows))
    weights = 1 / np.arange(1, len(names) + 1)
    codes = random.choice(len(names), rows, p=weights / weights.sum())
    steps = random.integers(-2, 3, rows) * 0.01
    prices = np.round(50 + 3 * codes + np.abs(np.cumsum(steps)) % 40, 2)
    sizes = np.maximum(1, np.round(random.lognormal(4, 1, rows)))
    sides = np.array(["buy", "sell"])[random.integers(0, 2, rows)]
    columns = [np.array(names)[codes], times, prices, sizes, sides]
    arrays = [pa.array(column) for column in columns]
    arrays[1] = arrays[1].view(TIME)
    return pa.Table.from_arrays(arrays, ["symbol", "time", "price", "size", "side"])


def quotes(rows: int, day: int, *, names: list[str], seed: int = 4) -> pa.Table:
    """Return one day of quotes around prices that move as those of trades do, in order of time."""
    middle = trades(rows, day, names=names, seed=seed)
    random = np.random.default_rng([seed, day])
    price, half = middle["price"].to_numpy(), random.integers(1, 4, rows) * 0.01
    sizes = [pa.array(100.0 * random.integers(1, 50, rows)) for _ in range(2)]
    sides = [pa.array(np.round(price - half, 2)), pa.array(np.round(price + half, 2))]
    names_of_columns = ["symbol", "time", "bid", "ask", "bid_size", "ask_size"]
    return pa.Table.from_arrays([*middle.columns[:2], *sides, *sizes], names_of_columns)


def _bars(name: str, times: npt.NDArray[np.int64], seed: int) -> pa.Table:
    random = np.random.default_rng(seed)
    rows = len(times)
    close = np.round(100 + np.abs(np.cumsum(random.normal(0, 0.03, rows))), 2)
    open_ = np.concatenate([close[:1], close[:-1]])
    high = np.round(np.maximum(open_, close) + random.integers(0, 6, rows) * 0.01, 2)
    low = np.round(np.minimum(open_, close) - random.integers(0, 6, rows) * 0.01, 2)
    volume = np.round(random.lognormal(7, 1, rows))
    arrays = [pa.array([name] * rows), pa.array(times).view(TIME)]
    arrays += [pa.array(column) for column in (open_, high, low, close, volume)]
    return pa.Table.from_arrays(arrays, ["symbol", "time", "open", "high", "low", "close", "volume"])
