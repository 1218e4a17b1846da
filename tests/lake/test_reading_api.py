"""Scans, ends, symbols and coverage, compared with polars on the same frame."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lakehouse
from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.times import NS_PER_DAY

Bars = Callable[..., pl.DataFrame]

TICKS = st.lists(
    st.tuples(st.sampled_from(["A", "BRK/B", "日経225"]), st.integers(0, 90), st.integers(0, 5)),
    min_size=1,
    max_size=40,
)


def ticks(rows: list[tuple[str, int, int]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema={"symbol": pl.String, "slot": pl.Int64, "size": pl.Int64}, orient="row")
    return frame.select(
        "symbol", time=(pl.col("slot") * (NS_PER_DAY // 2)).cast(pl.Datetime("ns", "UTC")), size="size"
    )


def loaded(folder: Path, parts: list[list[tuple[str, int, int]]]) -> tuple[lakehouse.Product, pl.DataFrame]:
    """Append each part; return the product and the rows in the order that `read` promises."""
    lake = lakehouse.open(folder, create=True)
    product = lake.create(
        "market_data.ticks", like=ticks(parts[0]), key=(), layout="date=month,symbol=row_groups"
    )
    for part in parts:
        product.append(ticks(part))
    return product, pl.concat([ticks(part) for part in parts]).sort("symbol", "time", maintain_order=True)


@given(first=TICKS, second=TICKS, count=st.integers(1, 7))
def test_ends_are_those_of_each_symbol(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[tuple[str, int, int]],
    second: list[tuple[str, int, int]],
    count: int,
) -> None:
    product, rows = loaded(tmp_path_factory.mktemp("lake"), [first, second])
    grouped = rows.group_by("symbol", maintain_order=True)
    assert product.tail(count).to_polars().equals(grouped.tail(count))
    assert product.head(count).to_polars().equals(grouped.head(count))
    assert product.latest().to_polars().equals(grouped.tail(1))


@given(first=TICKS, second=TICKS)
def test_symbols_and_coverage_count_the_rows(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[tuple[str, int, int]],
    second: list[tuple[str, int, int]],
) -> None:
    product, rows = loaded(tmp_path_factory.mktemp("lake"), [first, second])
    expected = rows.group_by("symbol", maintain_order=True).agg(
        pl.col("time").min().alias("first"),
        pl.col("time").max().alias("last"),
        pl.len().cast(pl.Int64).alias("rows"),
    )
    assert product.symbols().to_polars().equals(expected)
    calendar = set(rows["time"].dt.date())
    runs = product.coverage().to_polars()
    for symbol, group in rows.group_by("symbol"):
        days = set(group["time"].dt.date())
        own = runs.filter(pl.col("symbol") == symbol[0])
        span = {day for day in calendar if min(days) <= day <= max(days)}
        found: dict[bool, set[dt.date]] = {True: set(), False: set()}
        for start, end, count, gap in own.select("start", "end", "days", "gap").iter_rows():
            inside = {day for day in span if start <= day < end}
            assert len(inside) == count
            found[gap] |= inside
        assert found == {False: days, True: span - days}
        assert own["rows"].sum() == len(group)


@given(first=TICKS, second=TICKS)
def test_a_stream_has_the_rows_of_read(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[tuple[str, int, int]],
    second: list[tuple[str, int, int]],
) -> None:
    product, rows = loaded(tmp_path_factory.mktemp("lake"), [first, second])
    streamed = pl.DataFrame(product.scan())
    assert streamed.sort("symbol", "time", maintain_order=True).equals(rows)
    assert product.read().to_polars().equals(rows)


def test_a_scan_is_taken_by_polars_duckdb_and_pyarrow(product: lakehouse.Product) -> None:
    scan = product.scan("IBM", columns=["time", "close"])
    assert pl.DataFrame(scan).height == pa.table(scan).num_rows == 3
    with duckdb.connect() as connection:
        assert connection.sql("select count(*) from scan").fetchall() == [(3,)]


def test_a_scan_explains_what_it_would_read(product: lakehouse.Product, bars: Bars) -> None:
    product.append(bars(("IBM",), first=19_724 + 60))
    plan = product.scan("IBM", start="2024-03-01").explain()
    assert (plan.files_in_version, plan.files, plan.row_groups, plan.rows) == (2, 1, 1, 3)
    assert plan.bytes == sum(
        file.size for file in product.state().files if file.min_symbol == file.max_symbol
    )


def test_columns_come_in_the_order_asked_for(product: lakehouse.Product) -> None:
    assert product.read("IBM", columns=["close", "symbol"]).columns == ("close", "symbol")
    assert product.read("IBM", columns=["symbol"]).num_rows == 3


def test_an_interval_is_half_open(product: lakehouse.Product) -> None:
    first = product.read("IBM").to_polars()["time"]
    assert (
        product.read("IBM", start=first[0], end=first[2]).to_polars()["time"].to_list() == first[:2].to_list()
    )
    assert product.read("IBM", start=first[1], end=first[1]).num_rows == 0


def test_a_symbol_without_rows_in_the_interval_is_no_error(product: lakehouse.Product) -> None:
    assert product.read("IBM", start="2030-01-01").num_rows == 0


def test_a_product_without_rows_reads_as_empty(lake: lakehouse.Lake, bars: Bars) -> None:
    empty = lake.create("market_data.empty", like=bars())
    assert empty.version == empty.rows == empty.read().num_rows == empty.tail(1).num_rows == 0
    assert empty.symbols().num_rows == empty.coverage().num_rows == 0
    assert lake.sql("select * from market_data.empty").num_rows == 0
    assert empty.history() == []


def test_a_product_may_have_neither_symbol_nor_time(lake: lakehouse.Lake) -> None:
    frame = pl.DataFrame({"code": ["USD", "EUR"], "digits": [2, 2]})
    codes = lake.create("reference.currencies", like=frame, key=("code",))
    codes.append(frame)
    codes.upsert(pl.DataFrame({"code": ["EUR", "JPY"], "digits": [3, 0]}))
    assert sorted(codes.read().to_polars().rows()) == [("EUR", 3), ("JPY", 0), ("USD", 2)]
    assert codes.verify().ok
    with pytest.raises(ArgumentError, match="no time column"):
        codes.read(start="2024-01-01")
    with pytest.raises(ArgumentError, match="no symbol column"):
        codes.symbols()


def test_a_product_may_have_times_and_no_symbol(lake: lakehouse.Lake) -> None:
    times = pl.Series([3, 1, 2, 1], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))
    frame = pl.DataFrame({"time": times, "event": ["c", "a", "b", "a2"]})
    events = lake.create("events.news", like=frame)
    events.append(frame)
    events.append(frame.tail(1).with_columns(event=pl.lit("a3")))
    assert events.read().to_polars()["event"].to_list() == ["a", "a2", "a3", "b", "c"]
    assert events.tail(1).to_polars()["event"].to_list() == ["c"]


def test_dates_as_the_time_of_daily_bars(lake: lakehouse.Lake) -> None:
    frame = pl.DataFrame(
        {
            "symbol": ["A"] * 3,
            "date": [dt.date(2023, 12, 29), dt.date(2024, 1, 2), dt.date(2024, 1, 3)],
            "close": [1.0, 2.0, 3.0],
        }
    )
    daily = lake.create(
        "market_data.daily", like=frame, key=("symbol", "date"), layout="date=year,symbol=row_groups"
    )
    daily.append(frame)
    assert daily.read("A", start="2024-01-01", end="2024-01-03").to_polars()["close"].to_list() == [2.0]
    assert [dict(file.partition) for file in daily.state().files] == [
        {"partition_date": "2023-01-01"},
        {"partition_date": "2024-01-01"},
    ]
    assert lake.sql(
        "select close from market_data.daily where date >= date '2024-01-03'"
    ).to_polars().rows() == [(3.0,)]


def test_reading_needs_neither_pandas_nor_polars_nor_duckdb(product: lakehouse.Product) -> None:
    """A cold read of one symbol must not pay for engines that it does not use."""
    engines = ["pandas", "polars", "duckdb", "numba", "sqlglot", "deltalake"]
    script = (
        "import sys, lakehouse\n"
        f"rows = lakehouse.open({product.table.store.url!r})['market_data.bars_1m'].read('IBM').to_arrow()\n"
        f"print(rows.num_rows, [name for name in {engines} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3 []"


def test_an_unknown_version_of_a_contract_is_named(lake: lakehouse.Lake, product: lakehouse.Product) -> None:
    with pytest.raises(NotFoundError, match=r"9"):
        lake.product("market_data.bars_1m", major=9)
