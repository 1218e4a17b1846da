"""Aggregates are those that polars computes from the rows, whatever part of them statistics can answer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lakehouse
from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.partitions import segments
from lakehouse.times import NS_PER_DAY

SYMBOLS = ["A", "BRK/B", "NA", "日経225"]
STEP = NS_PER_DAY // 4
SCHEMA = {"symbol": pl.String, "slot": pl.Int64, "bid": pl.Float64, "size": pl.Int32, "day": pl.Date}
ROWS = st.lists(
    st.tuples(
        st.sampled_from(SYMBOLS),
        st.integers(0, 60),
        st.none() | st.floats(),
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | st.dates(),
    ),
    min_size=1,
    max_size=30,
)
WHAT: dict[str, Any] = {
    "*": "count",
    "time": ["first", "last"],
    "bid": ["count", "min", "max"],
    "size": ["min", "max", "count"],
    "day": ["min", "max"],
}


def frame_of(rows: list[Any]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    time = (pl.col("slot") * STEP).cast(pl.Datetime("ns", "UTC"))
    return frame.select(
        "symbol", time.alias("time"), "bid", pl.col("bid").cast(pl.Float32).alias("narrow"), "size", "day"
    )


def made_of(root: Path, batches: list[pl.DataFrame]) -> lakehouse.Product:
    product = lakehouse.open(root, create=True).create("m.quotes", like=batches[0], key=())
    for batch in batches:
        product.append(batch)
    return product


def oracle(rows: pl.DataFrame, by: str | None) -> pl.DataFrame:
    bid = pl.col("bid").drop_nans().drop_nulls()
    asked = [
        pl.len().cast(pl.Int64).alias("rows"),
        pl.col("time").min().alias("time_first"),
        pl.col("time").max().alias("time_last"),
        bid.count().cast(pl.Int64).alias("bid_count"),
        bid.min().alias("bid_min"),
        bid.max().alias("bid_max"),
        pl.col("size").min().alias("size_min"),
        pl.col("size").max().alias("size_max"),
        pl.col("size").count().cast(pl.Int64).alias("size_count"),
        pl.col("day").min().alias("day_min"),
        pl.col("day").max().alias("day_max"),
    ]
    return rows.group_by("symbol").agg(asked).sort("symbol") if by else rows.select(asked)


@given(
    batches=st.lists(ROWS, min_size=1, max_size=4),
    edges=st.none() | st.tuples(st.integers(-2, 60), st.integers(0, 40)),
    by=st.sampled_from([None, "symbol"]),
)
def test_aggregates_are_those_of_the_rows(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[Any],
    edges: tuple[int, int] | None,
    by: str | None,
) -> None:
    product = made_of(tmp_path_factory.mktemp("lake") / "lake", [frame_of(rows) for rows in batches])
    bounds: dict[str, Any] = {} if edges is None else {"start": edges[0] * STEP, "end": sum(edges) * STEP}
    scan = product.scan(**bounds)
    found = scan.aggregate(WHAT, by=by).to_polars()
    assert found.equals(oracle(scan.read().to_polars(), by))


@pytest.fixture
def quotes(tmp_path: Path) -> lakehouse.Product:
    rows = [(symbol, slot, 1.0 * slot, slot, None) for symbol in SYMBOLS for slot in range(40)]
    return made_of(tmp_path / "lake", [frame_of(rows)])


def test_what_lies_inside_reads_no_page(quotes: lakehouse.Product, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakehouse.queries.aggregate.decode", None)
    found = quotes.scan().aggregate({"bid": "max"}, by="symbol").to_polars()
    assert found.to_dict(as_series=False) == {"symbol": sorted(SYMBOLS), "bid_max": [39.0] * 4}
    assert quotes.scan("NA").aggregate({"*": "count"}).to_polars().item() == 40


def test_only_the_symbols_asked_for_are_answered(quotes: lakehouse.Product) -> None:
    found = quotes.scan(["NA", "A"], start=4 * STEP, end=9 * STEP).aggregate(
        {"size": ["min", "max"]}, by="symbol"
    )
    assert found.to_polars().rows() == [("A", 4, 8), ("NA", 4, 8)]
    with pytest.raises(NotFoundError, match="Unknown symbol"):
        quotes.scan("Z").aggregate({"bid": "max"})


def test_a_file_without_statistics_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of earlier releases have no ranges in their directory."""
    monkeypatch.setattr(segments, "_has_statistics", lambda kind: False)
    old = made_of(tmp_path / "lake", [frame_of([("A", 1, 2.0, 3, None), ("A", 2, float("nan"), 4, None)])])
    monkeypatch.undo()
    old.append(frame_of([("A", 2, 7.0, None, None), ("B", 0, None, None, None)]))
    found = old.scan().aggregate(WHAT, by="symbol").to_polars()
    assert found.equals(oracle(old.read().to_polars(), "symbol"))


def test_a_column_of_a_later_contract_is_null_before_it(quotes: lakehouse.Product) -> None:
    schema = quotes.contract.schema
    grown = dataclasses.replace(schema, columns=(*schema.columns, lakehouse.Column("ask", "float64")))
    lake = lakehouse.open(quotes.table.store.url)
    made = lake.apply(dataclasses.replace(quotes.contract, version="1.1.0", schema=grown))
    what = {"ask": ["count", "max"], "size": "max"}
    made.append(frame_of([("B", 2, 1.0, 99, None)]).with_columns(ask=pl.lit(3.5)))
    assert made.scan().aggregate(what).to_polars().rows() == [(1, 3.5, 99)]
    assert made.scan("A").aggregate(what).to_polars().rows() == [(0, None, 39)]


def test_no_rows_at_all(quotes: lakehouse.Product) -> None:
    scan = quotes.scan(start=990 * STEP)
    assert scan.aggregate({"bid": "max", "*": "count"}).to_polars().rows() == [(None, 0)]
    assert scan.aggregate({"bid": "max"}, by="symbol").to_polars().is_empty()
    assert scan.aggregate({"narrow": "max"}).to_polars().schema["narrow_max"] == pl.Float32


@pytest.mark.parametrize(
    ("what", "by", "message"),
    [
        ({}, None, "Nothing to aggregate"),
        ({"ask": "max"}, None, "no column 'ask'"),
        ({"bid": "first"}, None, "Unknown statistic 'first'"),
        ({"symbol": "max"}, None, "of type string"),
        ({"*": "max"}, None, "Unknown statistic"),
        ({"bid": "max"}, "day", "by is 'symbol' or None"),
    ],
)
def test_a_wrong_question_is_refused(quotes: lakehouse.Product, what: Any, by: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        quotes.scan().aggregate(what, by=by)


def test_time_is_in_the_unit_of_its_column(tmp_path: Path) -> None:
    frame = pl.DataFrame({"symbol": ["A", "A"], "date": ["2024-01-03", "2024-01-02"], "close": [1.0, 2.0]})
    frame = frame.with_columns(pl.col("date").str.to_date())
    product = lakehouse.open(tmp_path / "lake", create=True).create(
        "m.daily", like=frame, key=("symbol", "date")
    )
    product.append(frame)
    found = product.scan().aggregate({"date": ["first", "last"]}, by="symbol").to_polars()
    assert found.rows() == [("A", *sorted(frame["date"].to_list()))]
