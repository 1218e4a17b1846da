"""Small fixed jobs on a small fixed lake: what a research day is made of."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

import lakehouse
from benchmarks.compare.contracts import contracts
from benchmarks.data import batch_of_bars, symbols
from lakehouse.names import ProductName

DAYS, SYMBOLS, ROWS = 5, 20, 10_000
FEW, MANY = 10, 300
DAY = ("2014-01-02", "2014-01-03")
SQL = """
    select symbol, avg(close) as mean from market.bars
    where symbol = 'S003' and ts >= '2014-01-02' and ts < '2014-01-03' group by symbol
"""
os.environ["LAKEHOUSE_COLUMN_CACHE_SIZE"] = "0"  # what is counted is the work without it

Job = Callable[[lakehouse.Lake, int], object]
"""of an open lake and the number of the repetition"""


def make_lake(folder: Path) -> None:
    """Make the lake that all jobs find: five days of bars, and products of a file a day, few and many."""
    lake = lakehouse.open(folder, create=True)
    bars = next(contract for contract in contracts() if contract.name.product == "bars")
    product = lake.create(replace(bars, layout="date=day"))
    for day in range(DAYS):
        product.append(bars_of(day))
    for days in (FEW, MANY):
        lake.apply(replace(bars, name=ProductName("market", f"bars_{days}"), layout="date=day")).append(
            small_bars(days)
        )


def bars_of(day: int) -> pa.Table:
    """Return ten thousand bars of twenty symbols."""
    table = batch_of_bars(ROWS, symbols(SYMBOLS), day)
    names = ["ts" if name == "time" else name for name in table.column_names]
    volume = table.column_names.index("volume")
    return table.rename_columns(names).set_column(volume, "volume", table["volume"].cast("int64"))


def small_bars(days: int) -> pa.Table:
    """Return one bar a day of each of twenty symbols."""
    return pa.concat_tables([bars_of(day).slice(0, SYMBOLS) for day in range(days)])


def _plan(lake: lakehouse.Lake, number: int) -> object:
    return lake["market.bars"].scan("S003", *DAY).explain()


def _read_day(lake: lakehouse.Lake, number: int) -> object:
    return lake["market.bars"].read("S003", *DAY).to_arrow()


def _read_column(lake: lakehouse.Lake, number: int) -> object:
    return lake["market.bars"].read(columns=["close"]).to_arrow()


def _tail(lake: lakehouse.Lake, number: int) -> object:
    return lake["market.bars"].tail(10, symbols="S003").to_arrow()


def _few(lake: lakehouse.Lake, number: int) -> object:
    return lake[f"market.bars_{FEW}"].read("S003", *DAY).to_arrow()


def _many(lake: lakehouse.Lake, number: int) -> object:
    return lake[f"market.bars_{MANY}"].read("S003", *DAY).to_arrow()


def _append(lake: lakehouse.Lake, number: int) -> object:
    return lake["market.bars"].append(bars_of(DAYS + number))


def _upsert(lake: lakehouse.Lake, number: int) -> object:
    bars = bars_of(number % DAYS)
    volume = bars.column_names.index("volume")
    changed = pa.array(np.arange(ROWS, dtype=np.int64) + number)
    return lake["market.bars"].upsert(bars.set_column(volume, "volume", changed))


def _sql(lake: lakehouse.Lake, number: int) -> object:
    return lake.explain(SQL)


JOBS: Mapping[str, Job] = {
    "plan of one symbol and day": _plan,
    "read of one symbol and day": _read_day,
    "read of one column": _read_column,
    "last rows of a symbol": _tail,
    f"read of one day among {FEW} files": _few,
    f"read of one day among {MANY} files": _many,
    "explanation of SQL over one symbol and day": _sql,
    f"append of {ROWS:,} bars": _append,
    f"upsert of {ROWS:,} stored bars": _upsert,
}
