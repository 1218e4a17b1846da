"""Each query of the library against polars on the same rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from lakehouse.queries.library import bind_query, load_query
from lakehouse.store.local import LocalStore

ROOT = Path(__file__).parents[3]
SECOND, MINUTE, DAY = 1_000_000_000, 60_000_000_000, 86_400_000_000_000
NOON = 1_704_196_800_000_000_000  # 2024-01-02 12:00


def ask(desk: Any, name: str, **arguments: Any) -> pl.DataFrame:
    text, parameters = bind_query(load_query(LocalStore(ROOT), name), arguments)
    return pl.DataFrame(desk.table(text, parameters))


def tick_times(chance: np.random.Generator, count: int) -> list[int]:
    """Draw instants around noon, many of them equal and some one nanosecond off a minute."""
    times = NOON + chance.integers(-40, 40, count) * 20 * SECOND + chance.choice([0, 0, 0, -1, 1], count)
    return [int(each) for each in times]


@pytest.fixture(scope="module")
def market(make_market: Callable[..., Any]) -> Any:
    chance = np.random.default_rng(7)
    trades = {
        "symbol": chance.choice(["A", "B"], 400).tolist(),
        "time": tick_times(chance, 400),
        "price": (100 + chance.integers(-20, 20, 400) / 4).tolist(),
        "size": chance.integers(0, 5, 400).astype(float).tolist(),
    }
    bids = 100 + chance.integers(-20, 20, 500) / 4
    asks = [
        None if rank % 50 == 0 else bid + step
        for rank, (bid, step) in enumerate(zip(bids, chance.integers(-1, 4, 500) / 4, strict=True))
    ]
    quotes = {
        "symbol": chance.choice(["A", "B"], 500).tolist(),
        "time": tick_times(chance, 500),
        "bid": bids.tolist(),
        "ask": asks,
    }
    return make_market(trades=trades, quotes=quotes, bars_1m=minute_bars(chance), bars_1d=daily_bars(chance))


def minute_bars(chance: np.random.Generator) -> dict[str, Any]:
    minutes = [NOON + minute * MINUTE for minute in range(0, 2000, 3)]
    count = 2 * len(minutes)
    closes = 50 + chance.integers(-40, 40, count) / 4
    return {
        "symbol": ["A"] * len(minutes) + ["B"] * len(minutes),
        "time": minutes * 2,
        "open": (closes - 0.25).tolist(),
        "high": (closes + 1).tolist(),
        "low": (closes - 1).tolist(),
        "close": closes.tolist(),
        "volume": chance.integers(0, 50, count).astype(float).tolist(),
    }


def daily_bars(chance: np.random.Generator) -> dict[str, Any]:
    days = {"A": range(19700, 19800), "B": range(19690, 19790), "C": range(19650, 19700)}
    rows = [(symbol, day) for symbol, span in days.items() for day in span if chance.random() < 0.9]
    closes = (50 * np.exp(np.cumsum(chance.normal(0, 0.02, len(rows))))).round(2)
    columns = dict.fromkeys(("open", "high", "low", "close"), closes.tolist())
    return {
        "symbol": [row[0] for row in rows],
        "date": [row[1] for row in rows],
        **columns,
        "volume": [1.0] * len(rows),
    }


def buckets(frame: pl.DataFrame, width: int) -> pl.Expr:
    nanoseconds = pl.col("time").dt.epoch("ns")
    return (nanoseconds // width * width).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")


@pytest.mark.parametrize("width", [MINUTE, 7 * MINUTE, DAY])
def test_vwap(market: Any, width: int) -> None:
    trades = market.frames["market_data.trades"]
    expected = (
        trades.with_columns(buckets(trades, width).alias("bucket"))
        .group_by("symbol", pl.col("bucket").alias("time"))
        .agg(
            (pl.col("price") * pl.col("size")).sum().alias("value"),
            pl.col("size").sum().alias("volume"),
            pl.len().cast(pl.Int64).alias("trades"),
        )
        .with_columns(pl.when(pl.col("volume") > 0).then(pl.col("value") / pl.col("volume")).alias("vwap"))
        .select("symbol", "time", "vwap", "volume", "trades")
        .sort("symbol", "time")
    )
    assert_frame_equal(ask(market, "vwap", width=width), expected)


def test_vwap_of_one_symbol_and_interval_is_one_row_without_a_width(market: Any) -> None:
    found = ask(market, "vwap", symbol="A", start="2024-01-02T11:55", end="2024-01-02T12:00", width=None)
    trades = market.frames["market_data.trades"]
    start, end = (pl.lit(NOON + offset).cast(pl.Datetime("ns", "UTC")) for offset in (-5 * MINUTE, 0))
    picked = trades.filter(pl.col("symbol") == "A", pl.col("time") >= start, pl.col("time") < end)
    assert found.select("symbol", "time").rows() == [("A", None)]
    assert math.isclose(found["vwap"][0], (picked["price"] * picked["size"]).sum() / picked["size"].sum())
    assert found["trades"].to_list() == [len(picked)]


def test_twap(market: Any) -> None:
    trades = market.frames["market_data.trades"]
    expected = []
    for (symbol, time), group in trades.with_columns(buckets(trades, 5 * MINUTE).alias("bucket")).group_by(
        "symbol", "bucket", maintain_order=True
    ):
        instants = [*group["time"].dt.epoch("ns").to_list(), group["bucket"].dt.epoch("ns")[0] + 5 * MINUTE]
        weights = np.diff(instants)
        expected.append(
            (symbol, time, float((group["price"].to_numpy() * weights).sum() / weights.sum()), len(group))
        )
    found = ask(market, "twap", width="5min")
    assert found.select("symbol", "time", "trades").rows() == [row[:2] + row[3:] for row in expected]
    assert np.allclose(found["twap"], [row[2] for row in expected])


def test_twap_of_a_single_trade_is_its_price(market: Any) -> None:
    first = market.frames["market_data.trades"].row(0, named=True)
    found = ask(
        market, "twap", symbol="A", end=first["time"].isoformat().replace("+00:00", ".000001Z"), width=None
    )
    assert found["twap"].to_list() == [pytest.approx(first["price"], abs=10)]
    assert ask(market, "twap", end="1990-01-01").height == 0


@pytest.mark.parametrize("width", [MINUTE, 15 * MINUTE])
def test_bars_open_with_the_first_stored_trade_and_close_with_the_last(market: Any, width: int) -> None:
    trades = market.frames["market_data.trades"]
    price, size = pl.col("price"), pl.col("size")
    expected = (
        trades.with_columns(buckets(trades, width).alias("bucket"))
        .group_by("symbol", pl.col("bucket").alias("time"), maintain_order=True)
        .agg(
            price.first().alias("open"),
            price.max().alias("high"),
            price.min().alias("low"),
            price.last().alias("close"),
            size.sum().alias("volume"),
            pl.when(size.sum() > 0).then((price * size).sum() / size.sum()).alias("vwap"),
            pl.len().cast(pl.Int64).alias("trades"),
        )
        .sort("symbol", "time")
    )
    assert_frame_equal(ask(market, "bars", width=width), expected)


def test_bars_before_1970_begin_before_their_trades(make_market: Callable[..., Any]) -> None:
    times = [-1, -MINUTE, -MINUTE - 1, 0]
    trades = {"symbol": ["A"] * 4, "time": times, "price": [1.0, 2.0, 3.0, 4.0], "size": [1.0] * 4}
    found = ask(make_market(trades=trades), "bars")
    assert found["time"].dt.epoch("ns").to_list() == [-2 * MINUTE, -MINUTE, 0]
    assert found.select("open", "close").rows() == [(3.0, 3.0), (2.0, 1.0), (4.0, 4.0)]


def test_bars_equal_those_of_an_exchange(
    make_market: Callable[..., Any], shared_data: Callable[[str], Path]
) -> None:
    """XRP/ETH: all 2469 one-minute and 706 five-minute bars, exactly."""
    folder = shared_data("freqtrade")
    trades = pl.read_ipc(folder / "XRP_ETH-trades.feather")
    columns = {
        "symbol": ["XRP/ETH"] * len(trades),
        "time": (trades["timestamp"] * 1_000_000).to_list(),
        "price": trades["price"].to_list(),
        "size": trades["amount"].to_list(),
    }
    desk = make_market(trades=columns)
    for width, file in (("1min", "XRP_ETH-1m.feather"), ("5min", "XRP_ETH-5m.feather")):
        given = pl.read_ipc(folder / file).filter(pl.col("volume") > 0)
        found = ask(desk, "bars", width=width).with_columns(pl.col("time").dt.cast_time_unit("ms"))
        both = given.join(
            found, left_on=pl.col("date").dt.cast_time_unit("ms"), right_on="time", suffix="_found"
        )
        assert len(both) == {"1min": 2469, "5min": 706}[width]
        for name in ("open", "high", "low", "close"):
            assert both[name].equals(both[f"{name}_found"]), name
        assert np.allclose(both["volume"], both["volume_found"], rtol=1e-12)


def test_bars_resample(market: Any) -> None:
    bars = market.frames["market_data.bars_1m"]
    expected = (
        bars.with_columns(buckets(bars, 30 * MINUTE).alias("bucket"))
        .group_by("symbol", pl.col("bucket").alias("time"), maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            pl.len().cast(pl.Int64).alias("bars"),
        )
        .sort("symbol", "time")
    )
    assert_frame_equal(ask(market, "bars_resample", width="30min"), expected)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_ohlc_daily_cuts_days_at_the_local_midnight(market: Any, zone: str) -> None:
    bars = market.frames["market_data.bars_1m"]
    expected = (
        bars.with_columns(pl.col("time").dt.convert_time_zone(zone).dt.date().alias("date"))
        .group_by("symbol", "date", maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            pl.len().cast(pl.Int64).alias("bars"),
        )
        .sort("symbol", "date")
    )
    assert_frame_equal(ask(market, "ohlc_daily", timezone=zone), expected)


def test_the_last_nanosecond_of_a_day_belongs_to_it(make_market: Callable[..., Any]) -> None:
    midnight = NOON + DAY // 2
    prices = {name: [1.0, 2.0] for name in ("open", "high", "low", "close", "volume")}
    desk = make_market(bars_1m={"symbol": ["A", "A"], "time": [midnight - 1, midnight], **prices})
    assert [str(day) for day in ask(desk, "ohlc_daily")["date"]] == ["2024-01-02", "2024-01-03"]


def test_asof_quotes(market: Any) -> None:
    trades, quotes = market.frames["market_data.trades"], market.frames["market_data.quotes"]
    last = (
        quotes.group_by("symbol", "time", maintain_order=True)
        .last()
        .with_columns(pl.col("time").alias("quote_time"))
    )
    expected = (
        trades.select("symbol", "time", "price", "size")
        .sort("time", maintain_order=True)
        .join_asof(last.sort("time"), on="time", by="symbol", strategy="backward", tolerance="40s")
        .sort("symbol", "time", maintain_order=True)
        .with_columns(
            ((pl.col("bid") + pl.col("ask")) / 2).alias("mid"),
            (pl.col("time") - pl.col("quote_time")).dt.total_nanoseconds().alias("age"),
        )
        .select("symbol", "time", "price", "size", "bid", "ask", "mid", "quote_time", "age")
    )
    found = ask(market, "asof_quotes", max_age="40s")
    assert found["bid"].null_count() > 0
    assert_frame_equal(found, expected)


def test_asof_quotes_looks_back_before_the_start(market: Any) -> None:
    whole = ask(market, "asof_quotes", max_age="10min")
    start = pl.lit(NOON).cast(pl.Datetime("ns", "UTC"))
    part = ask(market, "asof_quotes", start="2024-01-02T12:00", max_age="10min")
    assert_frame_equal(part, whole.filter(pl.col("time") >= start))


def test_returns(market: Any) -> None:
    bars = market.frames["market_data.bars_1d"]
    for periods in (1, 5):
        before = pl.col("close").shift(periods).over("symbol")
        expected = bars.select(
            "symbol",
            "date",
            "close",
            (pl.col("close") / before - 1).alias("return"),
            (pl.col("close") / before).log().alias("log_return"),
        )
        assert_frame_equal(ask(market, "returns", periods=periods), expected)


def test_returns_use_the_close_before_the_start(market: Any) -> None:
    whole, day = ask(market, "returns", symbol=["A", "B"]), pl.date(2024, 1, 15)
    part = ask(market, "returns", symbol=["A", "B"], start="2024-01-15", end="2024-02-01")
    assert part["return"].null_count() == 0
    assert_frame_equal(part, whole.filter(pl.col("date") >= day, pl.col("date") < pl.date(2024, 2, 1)))


def test_volatility(market: Any) -> None:
    bars = market.frames["market_data.bars_1d"]
    move = (pl.col("close") / pl.col("close").shift(1)).log()
    rolled = move.rolling_std(10, min_samples=10).over("symbol") * math.sqrt(260)
    expected = bars.select("symbol", "date", "close", rolled.alias("volatility"))
    found = ask(market, "volatility", window=10, periods_per_year=260)
    assert_frame_equal(found, expected)
    later = ask(market, "volatility", window=10, periods_per_year=260, start="2024-01-01")
    assert_frame_equal(later, expected.filter(pl.col("date") >= pl.date(2024, 1, 1)))


def test_drawdown(market: Any) -> None:
    bars = market.frames["market_data.bars_1d"]
    peak = pl.col("close").cum_max().over("symbol")
    expected = bars.select(
        "symbol", "date", "close", peak.alias("peak"), (pl.col("close") / peak - 1).alias("drawdown")
    )
    assert_frame_equal(ask(market, "drawdown"), expected)


def test_correlation(market: Any) -> None:
    bars = market.frames["market_data.bars_1d"]
    moves = bars.with_columns((pl.col("close") / pl.col("close").shift(1).over("symbol")).log().alias("move"))
    wide = moves.pivot("symbol", index="date", values="move").sort("date")
    both = wide.select("A", "B").drop_nulls()
    found = ask(market, "correlation")
    assert found.select("symbol", "other", "days").rows() == [("A", "B", len(both))]
    assert math.isclose(found["correlation"][0], np.corrcoef(both["A"], both["B"])[0, 1])


def test_volume_curve(market: Any) -> None:
    bars = market.frames["market_data.bars_1m"]
    local = pl.col("time").dt.convert_time_zone("America/New_York")
    expected = (
        bars.with_columns(
            local.dt.date().alias("day"), local.dt.truncate("2h").dt.time().alias("time_of_day")
        )
        .with_columns(
            pl.col("day").n_unique().over("symbol").cast(pl.Int64).alias("days"),
            pl.col("volume").sum().over("symbol").alias("total"),
        )
        .group_by("symbol", "time_of_day")
        .agg(
            (pl.col("volume").sum() / pl.col("days").first()).alias("volume"),
            (pl.col("volume").sum() / pl.col("total").first()).alias("share"),
            pl.col("days").first(),
        )
        .sort("symbol", "time_of_day")
    )
    found = ask(market, "volume_curve", width="2h", timezone="America/New_York")
    assert_frame_equal(found, expected)
    assert found.group_by("symbol").agg(pl.col("share").sum())["share"].to_list() == pytest.approx([1, 1])


def test_spread(market: Any) -> None:
    quotes = market.frames["market_data.quotes"]
    good = quotes.filter(pl.col("ask") >= pl.col("bid")).with_columns(
        buckets(quotes, 5 * MINUTE).alias("bucket")
    )
    found = ask(market, "spread", width="5min")
    expected = []
    for (symbol, time), group in good.group_by("symbol", "bucket", maintain_order=True):
        spread = (group["ask"] - group["bid"]).to_numpy()
        bps = 1e4 * spread / ((group["ask"] + group["bid"]) / 2).to_numpy()
        weights = np.diff(
            [*group["time"].dt.epoch("ns").to_list(), group["bucket"].dt.epoch("ns")[0] + 5 * MINUTE]
        )
        weighted = [float((each * weights).sum() / weights.sum()) for each in (spread, bps)]
        expected.append((symbol, time, spread.mean(), bps.mean(), *weighted, len(group)))
    assert found.select("symbol", "time", "quotes").rows() == [row[:2] + row[6:] for row in expected]
    numbers = found.select(
        "spread", "spread_bps", "time_weighted_spread", "time_weighted_spread_bps"
    ).to_numpy()
    assert np.allclose(numbers, [row[2:6] for row in expected])


def test_top_movers(market: Any) -> None:
    bars = market.frames["market_data.bars_1d"]
    before = pl.col("close").shift(1).over("symbol")
    moves = bars.with_columns(before.alias("previous_close"), (pl.col("close") / before - 1).alias("change"))
    day = bars.filter(pl.col("date") <= pl.date(2024, 1, 20))["date"].max()
    expected = (
        moves.filter(pl.col("date") == day)
        .sort(pl.col("change").abs(), descending=True)
        .select("symbol", "date", "close", "previous_close", "change")
    )
    assert_frame_equal(ask(market, "top_movers", date="2024-01-20"), expected)
    assert_frame_equal(ask(market, "top_movers", date="2024-01-20", count=1), expected.head(1))
    assert ask(market, "top_movers")["date"].unique().to_list() == [bars["date"].max()]


def test_latest(market: Any) -> None:
    trades = market.frames["market_data.trades"].select("symbol", "time", "price", "size")
    assert_frame_equal(ask(market, "latest"), trades.group_by("symbol", maintain_order=True).tail(1))
    noon = pl.lit(NOON).cast(pl.Datetime("ns", "UTC"))
    earlier = trades.filter(pl.col("time") < noon, pl.col("symbol") == "B").tail(3)
    assert_frame_equal(ask(market, "latest", symbol="B", end="2024-01-02T12:00", count=3), earlier)


QUERIES = [path.stem for path in sorted((ROOT / "queries").glob("*.sql"))]


@pytest.mark.parametrize("name", QUERIES)
def test_arguments_choose_the_files(market: Any, name: str) -> None:
    query = load_query(LocalStore(ROOT), name)
    arguments: dict[str, Any] = {"symbol": ["A", "B"], "end": "2024-01-02T12:00", "date": "2024-01-02"}
    text, parameters = bind_query(
        query, {key: value for key, value in arguments.items() if key in query.parameters}
    )
    for plan in market.plan(text, parameters).values():
        assert plan.predicates[0] == "\"symbol\" IN ('A', 'B')"
        assert len(plan.predicates) >= 2, plan
        assert plan.files_listed < plan.files or plan.files == 1


@pytest.mark.parametrize("name", QUERIES)
def test_no_rows_give_no_rows_and_the_columns_it_promises(market: Any, name: str) -> None:
    query = load_query(LocalStore(ROOT), name)
    found = ask(market, name, symbol="no such symbol")
    assert found.height == 0
    assert ", ".join(found.columns) == query.returns
