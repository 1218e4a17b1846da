"""Order books from snapshots and changes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from lakehouse import analytics
from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.queries.analytics import book_rows
from tests.queries.analytics.conftest import DAY, Make

SECOND = 10**9
SCHEMA = {"symbol": pl.String, "time": pl.Int64, "side": pl.String, "price": pl.Float64, "size": pl.Float64}


def book_rows_of(*rows: tuple[str, int, str, float | None, float | None]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return frame.with_columns((pl.col("time") * SECOND + DAY).cast(pl.Datetime("ns", "UTC")))


def top(result: Any) -> list[tuple[Any, ...]]:
    """Give symbol, second, and the best bid and ask."""
    frame = result.read().to_polars()
    second = (pl.col("time").cast(pl.Int64) - DAY) // SECOND
    names = ("symbol", "bid_price_1", "bid_size_1", "ask_price_1", "ask_size_1")
    return list(frame.select(names[0], second, *names[1:]).fill_nan(None).rows())


def test_a_snapshot_comes_before_changes_of_its_time_and_makes_the_book_known() -> None:
    snapshots = book_rows_of(("A", 2, "bid", 9.0, 1.0), ("A", 2, "ask", 11.0, 2.0))
    changes = book_rows_of(
        ("A", 1, "bid", 8.0, 7.0),  # the book is not known yet
        ("A", 2, "Buy", 10.0, 3.0),
        ("A", 3, "s", 11.0, 0.0),
        ("A", 3, "a", 12.0, 4.0),
        ("B", 3, "bid", 5.0, 5.0),  # it has no snapshot
    )
    assert top(analytics.order_book(snapshots, changes, 1)) == [
        ("A", 2, 10.0, 3.0, 11.0, 2.0),
        ("A", 3, 10.0, 3.0, 12.0, 4.0),
    ]
    alone = analytics.order_book(None, changes.filter(pl.col("symbol") == "B"), 1).read().to_polars()
    assert alone["bid_price_1"].to_list() == [5.0]
    assert alone["ask_price_1"].is_nan().all()


def test_a_snapshot_after_the_last_change_is_a_book_too_and_may_be_empty() -> None:
    snapshots = book_rows_of(("A", 0, "bid", 9.0, 1.0), ("A", 5, "bid", None, None))
    changes = book_rows_of(("A", 1, "bid", 8.0, 7.0))
    result = analytics.order_book(snapshots, changes, 2).read().to_polars()
    prices = result.select("bid_price_1", "bid_price_2").fill_nan(None).rows()
    assert prices == [(9.0, None), (9.0, 8.0), (None, None)]


def test_changes_that_a_snapshot_holds_already_are_left_out() -> None:
    """A feed numbers its changes; a snapshot that was asked for comes late, and says up to which it goes."""
    snapshots = book_rows_of(("A", 3, "bid", 9.0, 1.0)).with_columns(number=pl.Series([20]))
    changes = book_rows_of(
        ("A", 3, "bid", 9.0, 5.0), ("A", 4, "bid", 9.0, 6.0), ("A", 5, "bid", 9.5, 7.0)
    ).with_columns(number=pl.Series([19, 20, 21]))
    assert [row[2:4] for row in top(analytics.order_book(snapshots, changes, 1, sequence="number"))] == [
        (9.0, 1.0),
        (9.5, 7.0),
    ]


def test_the_last_book_of_each_cell_has_the_time_of_its_last_change() -> None:
    changes = book_rows_of(*(("A", second, "bid", float(second), 1.0) for second in (0, 4, 9, 10, 31)))
    assert [row[1:3] for row in top(analytics.order_book(None, changes, 1, every="10s"))] == [
        (9, 9.0),
        (10, 10.0),
        (31, 31.0),
    ]


def test_levels_that_fall_out_of_what_the_feed_maintains_are_forgotten() -> None:
    changes = book_rows_of(
        ("A", 0, "bid", 1.0, 1.0),
        ("A", 1, "bid", 2.0, 1.0),
        ("A", 2, "bid", 3.0, 1.0),
        ("A", 3, "bid", 3.0, 0.0),
    )
    result = analytics.order_book(None, changes, 3, keep=2).read().to_polars()
    assert result.select("bid_price_1", "bid_price_2", "bid_price_3").fill_nan(None).rows()[-1] == (
        2.0,
        None,
        None,
    )


def feed(rows: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Make changes of two symbols over three days, and a snapshot now and then."""
    random = np.random.default_rng(seed)
    times = np.sort(random.integers(0, 3 * 86_400, rows))
    columns = {
        "symbol": random.choice(np.array(["A/B", "日"]), rows),
        "time": times,
        "side": random.choice(np.array(["bid", "ask"]), rows),
        "price": random.integers(1, 40, rows).astype(float),
        "size": random.integers(0, 4, rows).astype(float),
    }
    changes = book_rows_of(*zip(*columns.values(), strict=True))
    starts = [
        (symbol, second, side, price, 9.0)
        for symbol, second in itertools.product(("A/B", "日"), (100, 90_000, 200_000))
        for side, price in (("bid", 10.0), ("bid", 11.0), ("ask", 12.0))
    ]
    return book_rows_of(*starts), changes


def slow(snapshots: pl.DataFrame, changes: pl.DataFrame, depth: int) -> list[tuple[Any, ...]]:
    both = pl.concat([snapshots.with_columns(kind=pl.lit(0)), changes.with_columns(kind=pl.lit(1))])
    found: dict[tuple[str, Any], list[float]] = {}
    books: dict[str, dict[str, dict[float, float]]] = {}
    known: set[Any] = set()
    for symbol, time, side, price, size, kind in both.sort(
        "symbol", "time", "kind", maintain_order=True
    ).rows():
        if kind == 0 and (symbol, time) not in known:
            known |= {(symbol, time), symbol}
            books[symbol] = {"bid": {}, "ask": {}}
        if symbol not in known:
            continue
        levels = books[symbol][side]
        levels.pop(price, None)
        levels |= {price: size} if size else {}
        best = [sorted(books[symbol]["bid"].items(), reverse=True), sorted(books[symbol]["ask"].items())]
        nothing = [(float("nan"), float("nan"))] * depth
        pairs = zip(*((each + nothing)[:depth] for each in best), strict=True)
        found[symbol, time] = [number for pair in pairs for level in pair for number in level]
    return [(symbol, time, *levels) for (symbol, time), levels in found.items()]


@pytest.mark.usefixtures("small_groups")
def test_books_cross_files_days_and_batches(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_rows, "_ROWS_AT_ONCE", 7)
    snapshots, changes = feed(400, 0)
    computed = analytics.order_book(
        make(snapshots, name="market_data.snapshots"),
        make(changes[:150], changes[150:], name="market_data.diffs"),
        3,
    )
    result = computed.read().to_polars()
    expected = pl.DataFrame(slow(snapshots, changes, 3), schema=result.schema, orient="row")
    assert len(result) > 200
    assert_frame_equal(result, expected)
    assert pl.DataFrame(computed).equals(result, null_equal=True)


def test_a_crossed_book_is_found() -> None:
    changes = book_rows_of(("A", 0, "bid", 1.0, 1.0), ("A", 1, "ask", 1.0, 1.0), ("A", 2, "ask", 2.0, 1.0))
    assert analytics.order_book(None, changes).read().num_rows == 3
    with pytest.raises(ArgumentError, match=r"book of 'A' is crossed at 2024-01-02T00:00:01\.0+ UTC"):
        analytics.order_book(None, changes, check=True).read()


def test_arguments_that_do_not_fit_are_refused() -> None:
    changes = book_rows_of(("A", 0, "bid", 1.0, 1.0))
    with pytest.raises(ArgumentError, match="'depth' must be a whole number, 1 or more; got 0"):
        analytics.order_book(None, changes, 0)
    with pytest.raises(ArgumentError, match="'keep' must be"):
        analytics.order_book(None, changes, keep=-1)
    with pytest.raises(NotFoundError, match="quantity"):
        analytics.order_book(None, changes, size="quantity")
    with pytest.raises(ArgumentError, match="'side' is int64; sides are texts"):
        analytics.order_book(None, changes.with_columns(side=pl.lit(1, pl.Int64)))
    with pytest.raises(ArgumentError, match="has the side 'up'; sides are bid, buy"):
        analytics.order_book(None, changes.with_columns(side=pl.lit("up"))).read()
    with pytest.raises(ArgumentError, match="has the side null"):
        analytics.order_book(None, changes.with_columns(side=pl.lit(None, pl.String))).read()
    with pytest.raises(ArgumentError, match="negative size"):
        analytics.order_book(None, changes.with_columns(size=-pl.col("size"))).read()


def test_numbers_that_are_nanoseconds_are_told_apart() -> None:
    """As float64 the three numbers are one: the second change was left out."""
    base = 1_704_186_000_000_000_001
    snapshots = book_rows_of(("A", 1, "bid", 9.0, 1.0)).with_columns(number=pl.lit(base))
    changes = book_rows_of(("A", 1, "bid", 9.0, 5.0), ("A", 2, "bid", 9.0, 7.0))
    numbered = changes.with_columns(number=pl.Series([base, base + 1]))
    found = analytics.order_book(snapshots, numbered, 1, sequence="number").read().to_polars()
    assert found["bid_size_1"].to_list() == [1.0, 7.0]
    unknown = changes.with_columns(number=pl.Series([None, base + 1], dtype=pl.Int64))
    lost = analytics.order_book(snapshots.with_columns(number=pl.lit(5)), unknown, 1, sequence="number")
    assert lost.read().to_polars()["bid_size_1"].to_list() == [1.0, 7.0]
