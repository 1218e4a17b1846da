"""The rules `known` and `agrees`, which look at other products at the moment of the write."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import lakehouse
from lakehouse import Rule
from lakehouse.errors import ContractError
from lakehouse.ingest.rules import evaluate_rules

Shared = Callable[[str], Path]
LISTED = Rule("listed", "known", ("symbol",), {"product": "reference.instruments"})


@pytest.fixture
def lake(tmp_path: Path) -> lakehouse.Lake:
    """Give an empty lake."""
    return lakehouse.open(tmp_path / "lake", create=True)


def closes(symbols: list[str], prices: list[float | None], day: str = "2024-01-02") -> pl.DataFrame:
    days = pl.repeat(day, len(symbols), dtype=pl.String, eager=True).str.to_date()
    return pl.DataFrame({"symbol": symbols, "date": days, "close": pl.Series(prices, dtype=pl.Float64)})


def bars(lake: lakehouse.Lake, name: str, frame: pl.DataFrame, *rules: Rule) -> lakehouse.Product:
    return lake.create(name, like=frame, key=("symbol", "date"), rules=rules)


def instruments(lake: lakehouse.Lake, *symbols: str) -> lakehouse.Product:
    frame = pl.DataFrame({"symbol": list(symbols), "currency": ["USD" for _ in symbols]})
    product = lake.create("reference.instruments", like=frame, key=("symbol",))
    product.append(frame)
    return product


def test_a_symbol_must_be_known_when_it_is_written(lake: lakehouse.Lake) -> None:
    frame = closes(["IBM", "XYZ"], [1.0, 2.0])
    product = bars(lake, "market_data.bars", frame, LISTED)
    known = instruments(lake, "IBM", "AAPL")
    commit = product.append(frame)
    assert (commit.accepted, commit.quarantine.rules if commit.quarantine else None) == (1, {"listed": 1})
    known.append(pl.DataFrame({"symbol": ["XYZ"], "currency": ["USD"]}))
    assert product.quarantine.replay(commit.version).accepted == 1


def test_a_product_that_there_is_not_refuses_the_write(lake: lakehouse.Lake) -> None:
    frame = closes(["IBM"], [1.0])
    product = bars(lake, "market_data.bars", frame, LISTED)
    with pytest.raises(ContractError, match=r"'listed' \(known\): Unknown product 'reference.instruments'"):
        product.append(frame)


def test_a_rule_that_looks_elsewhere_needs_a_lake(lake: lakehouse.Lake) -> None:
    frame = closes(["IBM"], [1.0])
    schema = bars(lake, "market_data.bars", frame).schema
    with pytest.raises(ContractError, match="no lake to look in"):
        evaluate_rules(frame, [LISTED], schema)


def test_values_are_compared_with_the_column_that_is_named(lake: lakehouse.Lake) -> None:
    instruments(lake, "IBM")
    frame = closes(["USD", "EUR"], [1.0, 2.0])
    rule = Rule("money", "known", ("symbol",), {"product": "reference.instruments", "column": "currency"})
    commit = bars(lake, "market_data.bars", frame, rule).append(frame)
    assert (commit.accepted, commit.quarantined) == (1, 1)


def test_a_backfill_looks_too(lake: lakehouse.Lake, tmp_path: Path) -> None:
    frame = closes(["IBM", "XYZ"], [1.0, 2.0])
    product = bars(lake, "market_data.bars", frame, LISTED)
    instruments(lake, "IBM")
    frame.write_parquet(tmp_path / "bars.parquet")
    assert lake.backfill("market_data.bars", tmp_path / "bars.parquet").rules == {"listed": 1}
    assert product.rows == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"absolute": 0.5}, {"B": True, "C": True}),
        ({"relative": 0.02}, {"B": True}),
        ({"absolute": 0.5, "relative": 0.02}, {"B": True}),
        ({"absolute": 10}, {}),
    ],
)
def test_prices_of_two_sources_must_agree(
    lake: lakehouse.Lake, arguments: dict[str, float], expected: dict[str, bool]
) -> None:
    theirs = closes(["A", "B", "C", "E", "F"], [100.0, 10.0, 100.0, None, 1.0])
    bars(lake, "vendor.bars", theirs).append(theirs)
    mine = closes(["A", "B", "C", "D", "E", "F"], [100.0, 11.0, 101.0, 5.0, 5.0, None])
    rule = Rule("same", "agrees", ("close",), {"product": "vendor.bars", **arguments}, "warn")
    product = bars(lake, "market_data.bars", mine, rule)
    assert product.append(mine).warnings == ({"same": len(expected)} if expected else {})
    report = lake.quality("market_data.bars", record=False)
    failed = report.partitions.to_polars().filter(pl.col("failed") > 0)["symbol"].to_list()
    assert dict.fromkeys(failed, True) == expected
    assert report.compared == {"vendor.bars": 1}


@pytest.mark.parametrize("key", [("symbol", "date"), ()])
def test_without_a_symbol_the_last_row_of_the_time_counts(lake: lakehouse.Lake, key: tuple[str, ...]) -> None:
    theirs = closes(["A", "B"], [1.0, 2.0])
    lake.create("vendor.bars", like=theirs, key=key).append(theirs)
    rule = Rule("same", "agrees", ("close",), {"product": "vendor.bars", "absolute": 0.1}, "warn")
    for name, price, warnings in (("x.one", 1.0, {"same": 1}), ("x.two", 2.0, {})):
        mine = closes(["-"], [price]).drop("symbol")
        assert lake.create(name, like=mine, key=(), rules=(rule,)).append(mine).warnings == warnings


def test_a_column_of_another_kind_is_said_so(lake: lakehouse.Lake) -> None:
    instruments(lake, "IBM")
    frame = closes(["IBM"], [1.0])
    rule = Rule("same", "agrees", ("close",), {"product": "reference.instruments", "absolute": 1})
    with pytest.raises(ContractError, match="Unknown column of reference\\.instruments 'close'"):
        bars(lake, "market_data.bars", frame, rule).append(frame)


def lean(file: Path, symbol: str) -> pl.DataFrame:
    with zipfile.ZipFile(file) as archive:
        rows = pl.read_csv(archive.read(archive.namelist()[0]), has_header=False, infer_schema_length=None)
    day = pl.nth(0).str.slice(0, 8).str.to_date("%Y%m%d")
    return rows.select(symbol=pl.lit(symbol), date=day, close=pl.nth(4).cast(pl.Float64) / 10_000)


@pytest.mark.parametrize(
    ("theirs", "column", "symbol", "cents", "agreeing", "both"),
    [
        ("pandas_ta/SPY_D.csv.gz", "date", "SPY", 1, 2053, 5241),
        ("marketdata_jl/AAPL.csv.gz", "Date", "AAPL", 5, 3111, 4025),
    ],
)
def test_two_vendors_of_one_stock_agree_on_as_many_days_as_is_known(
    lake: lakehouse.Lake,
    shared_data: Shared,
    theirs: str,
    column: str,
    symbol: str,
    cents: int,
    agreeing: int,
    both: int,
) -> None:
    vendor = lean(shared_data(f"lean/equity/usa/daily/{symbol.lower()}.zip"), symbol)
    bars(lake, "vendor.bars", vendor).append(vendor)
    rows = pl.read_csv(io.BytesIO(shared_data(theirs).read_bytes()), infer_schema_length=None)
    close = "close" if column == "date" else "Close"
    mine = rows.select(
        symbol=pl.lit(symbol), date=pl.col(column).str.to_date(), close=pl.col(close).cast(pl.Float64)
    ).join(vendor.select("date"), on="date")
    tolerance = cents / 100 + 1e-9  # binary fractions
    rule = Rule("same", "agrees", ("close",), {"product": "vendor.bars", "absolute": tolerance}, "warn")
    commit = bars(lake, "market_data.bars", mine, rule).append(mine)
    assert (commit.accepted, commit.warnings) == (both, {"same": both - agreeing})


@pytest.mark.parametrize(
    ("rows", "others", "strange"),
    [
        ("rollconfig", "instrumentconfig", 2),
        ("instrumentconfig", "rollconfig", 74),
        ("instrumentconfig", "spreadcosts", 7),
    ],
)
def test_tables_of_futures_name_instruments_that_another_table_does_not_know(
    lake: lakehouse.Lake, shared_data: Shared, rows: str, others: str, strange: int
) -> None:
    def names(table: str) -> pl.DataFrame:
        file = shared_data(f"pysystemtrade/csvconfig/{table}.csv")
        return pl.read_csv(file, columns=["Instrument"]).rename({"Instrument": "symbol"})

    lake.create("futures.known", like=names(others), key=("symbol",)).append(names(others))
    rule = Rule("listed", "known", ("symbol",), {"product": "futures.known"})
    commit = lake.create("futures.rows", like=names(rows), key=("symbol",), rules=(rule,)).append(names(rows))
    assert commit.quarantined == strange
