"""Every function gives the same on threads, in one thread, and in processes that open the lake anew."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import lakehouse
from lakehouse import analytics
from lakehouse.errors import ArgumentError, NotFoundError
from tests.queries.analytics.conftest import Make, Ticks

if TYPE_CHECKING:
    import pyarrow as pa

FUNCTIONS: dict[str, Any] = {
    "time_bars": lambda rows, events, **more: analytics.time_bars(rows, "1h", **more),
    "dollar_bars": lambda rows, events, **more: analytics.dollar_bars(rows, 1e5, **more),
    "imbalance_bars": lambda rows, events, **more: analytics.imbalance_bars(rows, 10, **more),
    "vwap": lambda rows, events, **more: analytics.vwap(rows, "1d", **more),
    "twap": lambda rows, events, **more: analytics.twap(rows, "1h", **more),
    "asof_join": lambda rows, events, **more: analytics.asof_join(events, rows, **more),
    "market_snapshot": lambda rows, events, **more: analytics.market_snapshot(rows, "2024-01-03", **more),
    "volume_curve": lambda rows, events, **more: analytics.volume_curve(rows, size="size", **more),
    "first_passage": lambda rows, events, **more: analytics.first_passage(rows, events, multiple=5, **more),
    "triple_barrier": lambda rows, events, **more: analytics.triple_barrier(
        rows, events, width=0.02, horizon="1d", **more
    ),
    "cusum_events": lambda rows, events, **more: analytics.cusum_events(rows, 0.02, **more),
}


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.mark.usefixtures("cuts")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_processes_give_the_same(make: Make, ticks: Ticks, name: str, processes: Executor) -> None:
    product, events = make(ticks(500), ticks(500, seed=1)), ticks(60, seed=2, nulls=0).drop("price", "venue")
    expected = FUNCTIONS[name](product, events).read()
    assert expected.num_rows > 0
    assert FUNCTIONS[name](product, events, executor=processes).read().equals(expected)
    assert FUNCTIONS[name](product.read(), events, executor=processes).read().equals(expected)
    with ThreadPoolExecutor(2) as threads:
        assert FUNCTIONS[name](product.scan(), events, executor=threads).read().equals(expected)


def mean_price(rows: pa.Table) -> pl.DataFrame | None:
    frame = pl.DataFrame(rows)
    found = frame.group_by("symbol", maintain_order=True).agg(pl.col("price").mean())
    return None if frame["time"].dt.day()[0] == 3 else found


def test_map_partitions_gives_each_partition_once_in_order(
    make: Make, ticks: Ticks, processes: Executor
) -> None:
    product = make(ticks(500), ticks(500, seed=1))
    read = product.read().to_polars()
    days = [day for _, day in read.group_by(pl.col("time").dt.date()) if day["time"].dt.day()[0] != 3]
    days.sort(key=lambda day: int(day["time"].to_physical()[0]))
    expected = pl.concat(
        [day.group_by("symbol", maintain_order=True).agg(pl.col("price").mean()) for day in days]
    )
    for executor in (None, processes):
        stream = product.scan().map_partitions(
            mean_price, columns=["symbol", "time", "price"], executor=executor
        )
        assert [table.num_rows for table in stream] == [4, 4, 4]
        assert stream.read().to_polars().equals(expected)
        assert pl.DataFrame(stream).equals(expected)


def test_map_partitions_of_functions_that_do_not_fit(make: Make, ticks: Ticks) -> None:
    product = make(ticks(100))
    with pytest.raises(ArgumentError, match="returned int"):
        product.scan().map_partitions(lambda rows: 5).read()
    with pytest.raises(NotFoundError, match="'last'"):
        product.scan().map_partitions(lambda rows: rows, columns=["last"])
    days = iter(range(9))
    with pytest.raises(ArgumentError, match="different columns"):
        product.scan().map_partitions(lambda rows: rows.select([next(days) % 2])).read()
    assert product.scan().map_partitions(lambda rows: None).read().num_rows == 0


def failing(rows: pa.Table) -> None:
    raise ArgumentError(f"No {rows.num_rows} rows today.", hint="Come back tomorrow.")


def test_what_a_function_raises_is_raised(make: Make, ticks: Ticks, processes: Executor) -> None:
    product = make(ticks(100, days=1))
    for executor in (None, processes):
        with pytest.raises(ArgumentError, match="No 100 rows today"):
            product.scan().map_partitions(failing, executor=executor).read()


def test_a_damaged_file_is_named(make: Make, ticks: Ticks, tmp_path: Path) -> None:
    product = make(ticks(100, days=1))
    file = next(Path(product.table.store.url).rglob("part-*.parquet"), None) or next(
        Path(product.table.store.url, "partitions").rglob("*.parquet")
    )
    file.unlink()
    with pytest.raises(lakehouse.LakehouseError, match=r"data file .* is missing"):
        analytics.vwap(lakehouse.open(product.table.store.url)["market_data.trades"]).read()
