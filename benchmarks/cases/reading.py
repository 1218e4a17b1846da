"""One symbol of years of minutes, whole and one day of it; beside polars, deltalake and DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import lakehouse
from benchmarks.data import minute_bars, symbols
from benchmarks.peers import reading_peers
from benchmarks.place import new_product
from benchmarks.scale import Scale
from benchmarks.table import Row, against, below, duration
from benchmarks.timing import measure

WHOLE_LIMIT_S, DAY_LIMIT_S = 0.2, 0.01
DAY = ("2014-06-02", "2014-06-03")
AVERAGE = """
    select avg(close) from market_data.bars_1m
    where symbol = $symbol and time >= '2014-06-02' and time < '2014-06-03'
"""


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Yield the two reads, each beside its peers, and the short one as SQL."""
    product = new_product(folder / "reading", "market_data.bars_1m")
    product.append(minute_bars(symbols(scale.symbols), scale.years))
    symbol = symbols(scale.symbols)[-1]
    what = f"{scale.years} years of 1-minute bars of one symbol"
    yield from _one(product, what, symbol, None, WHOLE_LIMIT_S, scale, folder)
    yield from _one(product, "One symbol and day, warm", symbol, DAY, DAY_LIMIT_S, scale, folder)
    lake = lakehouse.open(folder / "reading")
    answer = measure(lambda: lake.sql(AVERAGE, {"symbol": symbol}), scale.reads)
    yield Row("The average of that day, in SQL", duration(answer.p50))


def _one(
    product: lakehouse.Product,
    what: str,
    symbol: str,
    bounds: tuple[str, str] | None,
    limit: float,
    scale: Scale,
    folder: Path,
) -> Iterator[Row]:
    read = partial(product.read, symbol, *(bounds or ()))
    ours = measure(read, scale.reads)
    yield below(what, ours.p50, limit, note=f" ({read().num_rows:,} rows)")
    for name, question in reading_peers(product, symbol, bounds, folder / "reading-peer").items():
        theirs = measure(question, max(3, scale.reads // 3), warm=1)
        yield against(what, ours.p50, name, theirs.p50)
