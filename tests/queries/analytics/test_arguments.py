"""Rows and arguments that can not mean anything are refused with our own errors, by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from lakehouse import analytics
from lakehouse.errors import ArgumentError

TIMES = [datetime(2024, 1, 2, 9, minute, tzinfo=UTC) for minute in range(4)]
ROWS = pl.DataFrame(
    {
        "symbol": ["A", "A", "B", "A"],
        "time": TIMES,
        "price": [1.0, 2.0, 3.0, 4.0],
        "size": [1, 2, 3, 4],
    }
)
AMISS: list[tuple[str, Callable[[Any], Any]]] = [
    ("'every' is None", lambda rows: analytics.time_bars(rows, None)),  # type: ignore[arg-type]
    ("'every' is None", lambda rows: analytics.volume_curve(rows, None)),  # type: ignore[arg-type]
    ("named by a str; got 3", lambda rows: analytics.time_bars(rows, price=3)),  # type: ignore[arg-type]
    ("named by a str; got None", lambda rows: analytics.returns(rows, None)),  # type: ignore[arg-type]
    (r"two numbers, not \(1,\)", lambda rows: analytics.imbalance_bars(rows, 2, bounds=(1,))),  # type: ignore[arg-type]
    ("two numbers, not None", lambda rows: analytics.imbalance_bars(rows, 2, bounds=None)),  # type: ignore[arg-type]
    ("'of' is", lambda rows: analytics.imbalance_bars(rows, 2, of=[])),  # type: ignore[arg-type]
    ("'of' is None", lambda rows: analytics.cusum_events(rows, 1, of=None)),  # type: ignore[arg-type]
    ("'direction' is", lambda rows: analytics.asof_join(rows, rows, [])),  # type: ignore[arg-type]
    ("'suffix' must be a str", lambda rows: analytics.asof_join(rows, rows, suffix=None)),  # type: ignore[arg-type]
    ("'tolerance' is -1", lambda rows: analytics.asof_join(rows, rows, tolerance=-1)),
    ("'tolerance' is False", lambda rows: analytics.asof_join(rows, rows, tolerance=False)),
    (r"got \[3\]", lambda rows: analytics.asof_join(rows, rows, columns=[3])),  # type: ignore[list-item]
    ("got 5", lambda rows: analytics.market_snapshot(rows, TIMES[0], columns=5)),  # type: ignore[arg-type]
    ("'name' must be a str", lambda rows: analytics.rolling(rows, "price", 2, name=3)),  # type: ignore[arg-type]
    (
        "from 0 to 1; got 'x'",
        lambda rows: analytics.rolling(rows, "price", 2, "quantile", quantile="x"),  # type: ignore[arg-type]
    ),
    (
        "from 0 to 1; got True",
        lambda rows: analytics.rolling(rows, "price", 2, "quantile", quantile=True),
    ),
]


@pytest.mark.parametrize(("message", "ask"), AMISS)
def test_an_argument_of_no_meaning_is_refused_by_name(message: str, ask: Callable[[Any], Any]) -> None:
    with pytest.raises(ArgumentError, match=message):
        ask(ROWS)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS.with_columns(symbol=pl.col("size")), "'symbol' is int64; symbols are texts"),
        (ROWS.with_columns(time=pl.lit(date(1500, 1, 1))), "outside 1677-09-21 to 2262-04-11"),
        (ROWS.with_columns(time=pl.lit(date(2300, 1, 1))), "outside 1677-09-21 to 2262-04-11"),
        (ROWS.with_columns(time=pl.lit(datetime(1500, 1, 1))), "outside 1677-09-21 to 2262-04-11"),
    ],
)
def test_rows_of_no_meaning_are_refused(rows: pl.DataFrame, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        analytics.time_bars(rows)


def test_two_columns_of_one_name_are_refused() -> None:
    table = ROWS.to_arrow()
    with pytest.raises(ArgumentError, match="several columns 'price'"):
        analytics.time_bars(table.append_column("price", pa.array([1.0] * 4)))


@pytest.mark.parametrize("kind", [pl.Categorical, pl.Enum(["B", "A"])])
def test_categories_are_texts_in_the_order_of_texts(kind: Any) -> None:
    """pyarrow could not unpack the string views of polars."""
    rows = ROWS.with_columns(pl.col("symbol").cast(kind), venue=pl.lit("N").cast(pl.Categorical))
    bars = analytics.time_bars(rows, "1d").read().to_polars()
    assert bars.equals(analytics.time_bars(ROWS, "1d").read().to_polars())
    joined = analytics.asof_join(rows, rows, columns=["venue"]).read().to_arrow()
    assert (joined["venue"].to_pylist(), joined["venue_right"].to_pylist()) == (["N"] * 4, ["N"] * 4)


@pytest.mark.parametrize("nothing", [0, timedelta(0)])
def test_no_tolerance_at_all_finds_equal_times_alone(nothing: Any) -> None:
    quotes = ROWS.with_columns(pl.col("time") + pl.Series([0, 1, 0, 0]).cast(pl.Duration("us")))
    joined = analytics.asof_join(ROWS, quotes, tolerance=nothing, columns=["price"]).read().to_arrow()
    assert joined["price_right"].to_pylist() == [1.0, None, 4.0, 3.0]


def test_the_name_of_a_right_column_is_never_that_of_the_symbol(make: Any) -> None:
    left = ROWS.rename({"symbol": "ticker"})
    product = make(left)
    right = ROWS.with_columns(ticker=pl.lit("x"))
    with pytest.raises(ArgumentError, match="Both sides have a column 'ticker'"):
        analytics.asof_join(product, right, columns=["ticker"], suffix="")


@pytest.mark.parametrize("width", [0.0, -1.0])
def test_barriers_of_no_width_judge_nothing(width: float) -> None:
    events = ROWS.select("symbol", "time", width=pl.lit(width))
    found = analytics.triple_barrier(ROWS, events, width="width", horizon="1min").read().to_arrow()
    assert found["label"].to_pylist() == [None] * 4


@pytest.mark.parametrize("size", [0, -5])
def test_an_order_of_no_size_is_never_done(size: int) -> None:
    """One of a negative size, as some desks write sales, was done by the next trade."""
    orders = ROWS.select("symbol", "time", size=pl.lit(size))
    found = analytics.first_passage(ROWS, orders).read().to_arrow()
    assert found["exit_price"].to_pylist() == [None] * 4


def test_numbers_of_any_length_are_taken() -> None:
    assert analytics.imbalance_bars(ROWS, 10**18).read().num_rows == 0
    slow = analytics.ewma(ROWS, "price", halflife=1e300).read().to_arrow()["ewma"].to_pylist()
    assert slow == [1.0, 1.0, 1.0, 3.0]
    exact = analytics.ewma(ROWS, "price", halflife=1e12, statistic="mean").read().to_arrow()["ewma"]
    assert exact[1].as_py() - 1.0 == pytest.approx(0.6931471805599453e-12, rel=1e-3)
