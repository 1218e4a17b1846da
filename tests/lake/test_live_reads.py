"""Rows that are streamed and not sealed yet: every reader sees them at once, and no version does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

import lakehouse
from lakehouse import analytics
from lakehouse.errors import NotFoundError
from lakehouse.ingest.streaming.stream import Stream
from lakehouse.queries.sql import run_sql
from lakehouse.queries.sql.choice import Engine

NAME = "market_data.ticks"
SHAPE = {"symbol": ["A"], "time": [0], "price": [0.0]}
INSTANT = pl.Datetime("ns", "UTC")


def frame(*rows: tuple[str, int, float]) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True))
    table = pl.DataFrame({name: list(column) for name, column in zip(SHAPE, columns, strict=True)})
    return table.with_columns(pl.col("time").cast(INSTANT))


def tick(symbol: str, time: int, price: float) -> dict[str, Any]:
    return {"symbol": symbol, "time": time, "price": price}


def rows_of(result: Any) -> list[tuple[Any, ...]]:
    table = pl.DataFrame(result)
    return (
        table.with_columns(pl.col("time").cast(pl.Int64)).rows() if "time" in table.columns else table.rows()
    )


@pytest.fixture
def lake(tmp_path: Path) -> lakehouse.Lake:
    return lakehouse.open(tmp_path / "lake", create=True)


@pytest.fixture
def product(lake: lakehouse.Lake) -> lakehouse.Product:
    return lake.create(NAME, like=frame(("A", 0, 0.0)), key=[])


@pytest.fixture
def keyed(lake: lakehouse.Lake) -> lakehouse.Product:
    return lake.create(NAME, like=frame(("A", 0, 0.0)), key=["symbol", "time"])


@pytest.fixture
def stream(lake: lakehouse.Lake) -> Iterator[Stream]:
    with lake.stream(NAME, durability="none") as made:
        yield made


@pytest.fixture
def mixed(product: lakehouse.Product, stream: Stream) -> lakehouse.Product:
    """Give three stored rows, and three that are not sealed: later, between, and of a new symbol."""
    product.append(frame(("A", 1, 1.0), ("A", 5, 5.0), ("B", 2, 2.0)))
    for row in (("A", 9, 9.0), ("C", 1, 7.0), ("A", 1, 1.5)):
        stream.write(tick(*row))
    return product


ALL = [("A", 1, 1.0), ("A", 1, 1.5), ("A", 5, 5.0), ("A", 9, 9.0), ("B", 2, 2.0), ("C", 1, 7.0)]


def test_a_read_has_both_in_the_total_order(mixed: lakehouse.Product) -> None:
    assert rows_of(mixed.read()) == ALL


def test_another_process_sees_them_too(mixed: lakehouse.Product, lake: lakehouse.Lake) -> None:
    code = f"import lakehouse; print(len(lakehouse.open({lake.url!r})[{NAME!r}].read()))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert int(found.stdout) == len(ALL)


def test_symbols_interval_and_columns_narrow_both(mixed: lakehouse.Product) -> None:
    assert rows_of(mixed.read("A", 1, 9)) == ALL[:3]
    assert mixed.read(["A", "C"], columns=["price"]).to_polars()["price"].to_list() == [
        1.0,
        1.5,
        5.0,
        9.0,
        7.0,
    ]


def test_a_symbol_that_is_only_streamed_is_known_and_others_are_not(mixed: lakehouse.Product) -> None:
    assert rows_of(mixed.read("C")) == [("C", 1, 7.0)]
    with pytest.raises(NotFoundError, match="Known: A, B, C"):
        mixed.read("D")


def test_head_tail_and_latest_merge_both(mixed: lakehouse.Product) -> None:
    assert rows_of(mixed.head(2, symbols="A")) == ALL[:2]
    assert rows_of(mixed.tail(2, symbols="A")) == ALL[2:4]
    assert rows_of(mixed.latest()) == [("A", 9, 9.0), ("B", 2, 2.0), ("C", 1, 7.0)]


def test_symbols_count_both(mixed: lakehouse.Product) -> None:
    found = mixed.symbols().to_polars()
    assert found.select("symbol", "rows").rows() == [("A", 4), ("B", 1), ("C", 1)]


@pytest.mark.parametrize("engine", [None, "parquet", "decoded"])
def test_sql_merges_both_whoever_reads(
    mixed: lakehouse.Product, lake: lakehouse.Lake, engine: Engine | None
) -> None:
    def ask(text: str) -> list[tuple[Any, ...]]:
        answer = run_sql(text, lambda name: lake[name].live(), known=lake.products, engine=engine)
        return rows_of(answer.read_all())

    assert ask(f"select symbol, time, price from {NAME} order by symbol, time, _sequence") == ALL
    assert ask(f"select * from {NAME} where symbol = 'A' and price > 4 order by time") == ALL[2:4]
    assert ask(f"select count(*) as n from {NAME} where time >= make_timestamp_ns(9)") == [(1,)]


def test_sql_of_the_lake_sees_both_and_its_plan_counts_files(
    mixed: lakehouse.Product, lake: lakehouse.Lake
) -> None:
    assert lake.sql(f"select sum(price) as s from {NAME}").to_polars()["s"].to_list() == [25.5]
    assert lake.explain(f"select price from {NAME}")[NAME].files_listed == 1


def test_an_as_of_join_looks_into_the_tail(mixed: lakehouse.Product, lake: lakehouse.Lake) -> None:
    events = lake.create("market_data.events", like=frame(("A", 0, 0.0)), key=[])
    events.append(frame(("A", 10, 0.0), ("C", 3, 0.0)))
    text = f"""
        select e.symbol, t.price as last from market_data.events e
        asof join {NAME} t on e.symbol = t.symbol and e.time >= t.time order by 1
    """
    assert lake.sql(text).to_polars().rows() == [("A", 9.0), ("C", 7.0)]


def test_scans_have_the_tail_as_one_more_partition_at_the_end(mixed: lakehouse.Product) -> None:
    scan = mixed.scan()
    assert [len(table) for table in scan.map_partitions(lambda table: table)] == [3, 3]
    assert pa.table(scan).num_rows == len(ALL)
    plan = scan.explain()
    assert (plan.files, plan.rows) == (1, len(ALL))


def test_aggregates_count_both(mixed: lakehouse.Product) -> None:
    found = mixed.scan().aggregate({"price": ["max", "count"]}, by="symbol").to_polars()
    assert found.rows() == [("A", 9.0, 4), ("B", 2.0, 1), ("C", 7.0, 1)]


def test_analytics_see_both_here_and_in_other_processes(mixed: lakehouse.Product) -> None:
    here = analytics.drawdown(mixed.scan(), "price").read()
    snapshot = analytics.market_snapshot(mixed.scan(), 9, columns=["price"]).read()
    with ProcessPoolExecutor(1) as executor:
        there = analytics.drawdown(mixed.scan(), "price", executor=executor).read()
        sizes = [len(each) for each in mixed.scan().map_partitions(_same, executor=executor)]
    assert here.equals(there)
    assert len(here) == len(ALL)
    assert snapshot.to_polars()["price"].to_list() == [9.0, 2.0, 7.0]
    assert sizes == [3, 3]


def _same(table: pa.Table) -> pa.Table:
    return table


def test_versions_snapshots_locks_and_verify_do_not_have_the_tail(
    mixed: lakehouse.Product, lake: lakehouse.Lake, tmp_path: Path
) -> None:
    lake.lock(tmp_path / "lake.lock", {NAME: 1})
    past = lakehouse.checkout(tmp_path / "lake.lock")
    assert (mixed.version, mixed.rows, len(mixed.read(version=1)), len(past[NAME].read())) == (1, 3, 3, 3)
    assert len(mixed.read(time="2100-01-01")) == 3
    assert mixed.verify().rows == 3


def test_a_product_that_was_only_streamed_can_be_read(product: lakehouse.Product, stream: Stream) -> None:
    stream.write(tick("A", 1, 1.0))
    assert rows_of(product.read()) == [("A", 1, 1.0)]
    assert rows_of(product.latest("A")) == [("A", 1, 1.0)]
    assert product.version == 0


def test_sealing_changes_no_answer(mixed: lakehouse.Product, stream: Stream) -> None:
    before = rows_of(mixed.read()), rows_of(mixed.tail(2)), mixed.symbols().to_polars().rows()
    stream.seal()
    assert (rows_of(mixed.read()), rows_of(mixed.tail(2)), mixed.symbols().to_polars().rows()) == before
    assert mixed.rows == len(ALL)


def test_the_tail_of_a_long_run_is_cut_right(product: lakehouse.Product, stream: Stream) -> None:
    times = [(number * 7919) % 20_011 for number in range(20_000)]
    stream.write(frame(*((("A", "B")[time % 2], time, float(time)) for time in times)))
    for symbol in ("A", "B"):
        mine = sorted(time for time in times if time % 2 == "AB".index(symbol))
        assert product.tail(100, symbols=symbol).to_polars()["price"].to_list() == mine[-100:]
        assert product.head(3, symbols=symbol).to_polars()["price"].to_list() == mine[:3]
    between = product.read("A", 5_000, 5_100).to_polars()["price"].to_list()
    assert between == [time for time in sorted(times) if 5_000 <= time < 5_100 and time % 2 == 0]


def test_equal_rows_of_a_key_are_seen_once(keyed: lakehouse.Product, stream: Stream) -> None:
    keyed.append(frame(("A", 1, 1.0)))
    for row in (("A", 1, 1.0), ("A", 2, 2.0), ("A", 2, 2.0)):
        stream.write(tick(*row))
    assert rows_of(keyed.read()) == [("A", 1, 1.0), ("A", 2, 2.0)]
    assert rows_of(keyed.tail(1)) == [("A", 2, 2.0)]
    stream.seal()
    assert rows_of(keyed.read()) == [("A", 1, 1.0), ("A", 2, 2.0)]


def test_rows_that_sealing_will_send_to_quarantine_are_not_seen(
    keyed: lakehouse.Product, stream: Stream
) -> None:
    keyed.append(frame(("A", 1, 1.0)))
    for row in (("A", 1, 9.0), ("A", 2, 2.0), ("A", 3, 3.0), ("A", 3, 4.0)):
        stream.write(tick(*row))
    before = rows_of(keyed.read())
    commit = stream.seal()
    assert before == rows_of(keyed.read()) == [("A", 1, 1.0), ("A", 2, 2.0)]
    assert commit is not None
    assert (commit.accepted, commit.quarantined) == (1, 3)


def test_of_two_writers_of_one_key_readers_see_one(keyed: lakehouse.Product, lake: lakehouse.Lake) -> None:
    with lake.stream(NAME) as one, lake.stream(NAME) as two:
        one.write(tick("A", 1, 1.0))
        two.write(tick("A", 1, 2.0))
        assert len(keyed.read()) == 1


def test_a_key_without_a_time_is_looked_for_in_all_stored_rows(lake: lakehouse.Lake) -> None:
    made = lake.create("market_data.fills", like=frame(("A", 0, 0.0)), key=["price"])
    made.append(frame(("A", 1, 7.0)))
    with lake.stream("market_data.fills") as stream:
        stream.write(tick("B", 900, 7.0))
        stream.write(tick("B", 901, 8.0))
        assert rows_of(made.read("B")) == [("B", 901, 8.0)]


def test_latest_is_the_last_row_of_tail_whatever_was_written_where(
    product: lakehouse.Product, lake: lakehouse.Lake, stream: Stream
) -> None:
    def check(price: float) -> None:
        for each in (product, lakehouse.open(lake.url)[NAME]):
            assert each.latest("A").equals(each.tail(1, symbols="A"))
            assert each.latest("A").to_polars()["price"].to_list() == [price]
            assert each.latest("A", columns=["price", "symbol"]).columns == ("price", "symbol")

    product.append(frame(("A", 5, 5.0), ("B", 2, 2.0)))
    check(5.0)
    stream.write(tick("A", 4, 4.0))
    check(5.0)  # a stored row is later
    stream.write(tick("A", 5, 5.5))
    check(5.5)  # at equal times, stored rows come first
    stream.write(tick("A", 3, 3.0))
    check(5.5)  # late by its time
    product.append(frame(("A", 8, 8.0)))
    check(8.0)
    stream.write(tick("A", 9, 9.0))
    stream.seal()
    check(9.0)
    stream.write(tick("A", 7, 7.0))
    check(9.0)
    with lake.stream(NAME) as other:
        other.write(tick("A", 11, 11.0))
        check(11.0)
        stream.write(tick("A", 12, 12.0))
        check(12.0)
    check(12.0)


def test_latest_gives_every_type_as_read_does(lake: lakehouse.Lake) -> None:
    shape = pl.DataFrame(
        {
            "symbol": ["ä"],
            "time": pl.Series([1_704_189_600_000_000]).cast(pl.Datetime("us", "UTC")),
            "day": pl.Series([19_724]).cast(pl.Int32).cast(pl.Date),
            "flag": [True],
            "small": pl.Series([-3], dtype=pl.Int8),
            "ratio": pl.Series([0.5], dtype=pl.Float32),
            "note": ["日経225"],
            "none": pl.Series([None], dtype=pl.Float64),
        }
    )
    made = lake.create("market_data.types", like=shape, key=[])
    with lake.stream("market_data.types") as stream:
        stream.write(shape)
        assert made.latest("ä").equals(made.read())
        assert made.latest("ä").schema.equals(made.read().schema)


def test_latest_of_an_unknown_symbol_or_column_says_so(mixed: lakehouse.Product) -> None:
    with pytest.raises(NotFoundError, match="Unknown symbol"):
        mixed.latest("D")
    with pytest.raises(NotFoundError, match="Unknown column"):
        mixed.latest("A", columns=["bid"])
