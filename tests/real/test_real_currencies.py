"""EURUSD of OANDA, from LEAN: ticks add up to seconds, and seconds to minutes, exactly."""

from __future__ import annotations

from typing import Any

import polars as pl

SECOND, MINUTE = 1_000_000_000, 60_000_000_000
PRICES = ["open", "high", "low", "close"]
BARS = """
    select epoch_ns(time) // $step * $step as start, count(*) as rows,
        first({open} order by time), max({high}), min({low}), last({close} order by time)
    from {product} where symbol = 'EURUSD' group by 1 order by 1
"""


def bars_of(frame: pl.DataFrame, step: int, *columns: str) -> pl.DataFrame:
    """Aggregate rows in their order."""
    start = (pl.col("time").dt.epoch("ns") // step * step).alias("start")
    functions = (pl.first, pl.max, pl.min, pl.last)
    four = (make(column).alias(name) for make, column, name in zip(functions, columns, PRICES, strict=True))
    return frame.group_by(start, maintain_order=True).agg(*four)


def read(real: Any, product: str, feed: str) -> pl.DataFrame:
    real.load(feed)
    frame: pl.DataFrame = real.lake[product].read("EURUSD").to_polars()
    return frame


def given(frame: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Return the vendor's own bars, of the days that `other` has."""
    days = other["time"].dt.date().unique().implode()
    kept = frame.filter(pl.col("time").dt.date().is_in(days))
    return kept.select(pl.col("time").dt.epoch("ns").alias("start"), *PRICES)


def test_ticks_add_up_to_every_second(real: Any) -> None:
    ticks = read(real, "market_data.quotes", "eurusd ticks")
    seconds = read(real, "market_data.bars_1s", "eurusd seconds")
    summed = bars_of(ticks, SECOND, *["bid"] * 4)
    assert summed.height > 70_000
    assert summed.equals(given(seconds, ticks))


def test_seconds_add_up_to_every_minute(real: Any) -> None:
    seconds = read(real, "market_data.bars_1s", "eurusd seconds")
    minutes = read(real, "market_data.bars_1m", "eurusd minutes")
    summed = bars_of(seconds, MINUTE, *PRICES)
    assert summed.height > 6_000
    assert summed.equals(given(minutes, seconds))


def test_seconds_add_up_to_every_minute_in_sql(real: Any) -> None:
    seconds = read(real, "market_data.bars_1s", "eurusd seconds")
    minutes = read(real, "market_data.bars_1m", "eurusd minutes")
    text = BARS.format(product="market_data.bars_1s", open="open", high="high", low="low", close="close")
    summed = real.lake.sql(text, {"step": MINUTE}).to_polars().drop("rows")
    assert summed.rows() == given(minutes, seconds).rows()


def test_every_tick_has_both_sides_and_ticks_of_one_instant_keep_their_order(real: Any) -> None:
    ticks = read(real, "market_data.quotes", "eurusd ticks")
    assert ticks.height == 200_405
    assert ticks.select("bid", "ask").null_count().row(0) == (0, 0)
    assert (ticks["ask"] >= ticks["bid"]).all()
    assert ticks["time"].is_sorted()
