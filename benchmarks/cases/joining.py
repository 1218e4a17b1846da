"""Each trade of a day beside the quote before it, by the kernel and in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import lakehouse
from benchmarks.data import quotes, symbols, trades
from benchmarks.place import starter_contract
from benchmarks.scale import Scale
from benchmarks.table import Row, below, duration
from benchmarks.timing import measure
from lakehouse import analytics
from lakehouse.partitions.columns import column_cache

LIMIT_S = 0.015
SQL = """
    select t.symbol, t.time, t.price, q.bid, q.ask
    from market_data.trades t asof join market_data.quotes q on t.symbol = q.symbol and t.time >= q.time
"""


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Yield the join with the columns of both sides in the column cache, and the same in SQL."""
    lake = lakehouse.open(folder / "joining", create=True)
    names = symbols(50)
    sides = [lake.apply(starter_contract(f"market_data.{name}")) for name in ("trades", "quotes")]
    sides[0].append(trades(scale.joined_trades, 0, names=names))
    sides[1].append(quotes(20 * scale.joined_trades, 0, names=names))
    left, right = sides[0].scan(columns=["price"]), sides[1].scan(columns=["bid", "ask"])
    join = analytics.asof_join(left, right)
    join.read()
    if (cache := column_cache()) is not None:
        cache.flush()
    what = f"As-of join of {sides[0].rows:,} trades with {sides[1].rows:,} quotes, columns cached"
    yield below(what, measure(join.read, scale.reads).p50, LIMIT_S)
    yield Row("The same join in SQL", duration(measure(lambda: lake.sql(SQL), scale.reads).p50))
