"""Bad input: a clear error of our own type, and the lake as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

import lakehouse
from lakehouse.errors import (
    AlreadyExistsError,
    ArgumentError,
    KeyConflictError,
    LakehouseError,
    NotFoundError,
    SchemaError,
)

Bars = Callable[..., pl.DataFrame]


@contextmanager
def unchanged(lake: lakehouse.Lake) -> Iterator[None]:
    """Prove that a block leaves every object of the lake as it was, and no new one behind."""
    before = {
        path: path.read_bytes()
        for path in Path(lake.url).rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    }
    yield
    after = {
        path: path.read_bytes()
        for path in Path(lake.url).rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    }
    assert after == before


BAD_FRAMES: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], type[LakehouseError], str]] = {
    "no rows": (lambda frame: frame.clear(), ArgumentError, "no rows"),
    "a missing column": (lambda frame: frame.drop("time"), SchemaError, "missing 'time'"),
    "an extra column": (lambda frame: frame.with_columns(adjusted=1.0), SchemaError, "unknown 'adjusted'"),
    "text for a number": (
        lambda frame: frame.with_columns(close=pl.lit("1.5")),
        SchemaError,
        "Column 'close'",
    ),
    "a number for a symbol": (
        lambda frame: frame.with_columns(symbol=pl.lit(7)),
        SchemaError,
        "Column 'symbol'",
    ),
    "naive times": (
        lambda frame: frame.with_columns(pl.col("time").dt.replace_time_zone(None)),
        SchemaError,
        "no time zone",
    ),
    "other values of a stored key": (
        lambda frame: frame.with_columns(volume=pl.lit(99, pl.Int64)),
        KeyConflictError,
        "stored in market_data.bars_1m with other values",
    ),
}


@pytest.mark.parametrize("case", BAD_FRAMES)
def test_a_bad_frame_is_refused_whole(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars, case: str
) -> None:
    bend, error, message = BAD_FRAMES[case]
    with unchanged(lake), pytest.raises(error, match=message):
        product.append(bend(bars()))


def test_bad_rows_go_to_quarantine_each_with_its_rule(product: lakehouse.Product, bars: Bars) -> None:
    frame = bars(("AAPL",), days=5).with_columns(
        high=pl.Series([0.5, 101.0, 101.0, 101.0, 101.0]),
        symbol=pl.Series(["AAPL", None, "", "AAPL", "AAPL"]),
        volume=pl.Series([1.0, 2.0, 3.0, 1.5, 5.0]),
    )
    commit = product.append(frame)
    assert (commit.rows_in, commit.accepted, commit.quarantined, commit.duplicates) == (5, 1, 4, 0)
    assert commit.quarantine is not None
    assert dict(commit.quarantine.rules) == {"type:volume": 1, "not_null:symbol": 2, "ohlc": 1}
    refused = product.quarantine.read(commit.version).to_polars()
    assert refused["_row"].to_list() == [0, 1, 2, 3]
    assert refused["_broke_ohlc"].to_list() == [True, False, False, False]
    assert refused["volume"].to_list() == [1.0, 2.0, 3.0, 1.5], "rows are kept as they came"


def test_a_contract_may_refuse_instead(lake: lakehouse.Lake, bars: Bars) -> None:
    strict = lake.create("market_data.strict", like=bars(), on_bad_value="reject")
    with (
        unchanged(lake),
        pytest.raises(SchemaError, match=r"1 values of column 'volume' do not fit int64 exactly \(1.5\)"),
    ):
        strict.append(bars(days=1).with_columns(volume=pl.Series([1.5, 2.0])))


def test_repeated_keys_of_one_frame_are_duplicates_or_quarantined(
    product: lakehouse.Product, bars: Bars
) -> None:
    new = bars(("AAPL",), days=2)
    other = new.head(1).with_columns(volume=pl.lit(77, pl.Int64))
    commit = product.append(pl.concat([new, new.tail(1), other]))
    assert (commit.accepted, commit.duplicates, commit.quarantined) == (1, 1, 2)
    assert commit.quarantine is not None
    assert dict(commit.quarantine.rules) == {"unique_key": 2}


def test_nan_in_a_key_is_quarantined(lake: lakehouse.Lake, bars: Bars) -> None:
    book = lake.create("market_data.levels", like=bars(), key=("symbol", "time", "open"))
    commit = book.append(bars(("IBM",), days=2).with_columns(open=pl.Series([float("nan"), 100.0])))
    assert commit.quarantine is not None
    assert dict(commit.quarantine.rules) == {
        "not_null:open": 1,
        "ohlc": 1,
        "positive_prices": 1,
    }


def test_quarantined_rows_are_replayed_once(product: lakehouse.Product, bars: Bars) -> None:
    bad = product.append(bars(("AAPL",), days=2).with_columns(high=pl.Series([0.5, 101.0])))
    fixed = (
        product.quarantine.read(bad.version)
        .to_polars()
        .select(bars().columns)
        .with_columns(high=pl.lit(101.0))
    )
    done = product.quarantine.replay(bad.version, fixed)
    assert (done.operation, done.accepted, product.rows) == ("replay", 1, 8)
    assert product.quarantine.replay(bad.version, fixed).repeated
    assert product.rows == 8
    assert product.quarantine.list().to_polars()["replayed"].to_list() == [True]


def test_rows_that_are_still_bad_are_quarantined_again(product: lakehouse.Product, bars: Bars) -> None:
    bad = product.append(bars(("AAPL",), days=2).with_columns(high=pl.Series([0.5, 101.0])))
    again = product.quarantine.replay(bad.version)
    assert (again.accepted, again.quarantined) == (0, 1)


UNKNOWN: dict[str, tuple[Callable[[lakehouse.Lake], object], type[LakehouseError], str]] = {
    "product": (
        lambda lake: lake["market_data.bars_1x"],
        NotFoundError,
        r"Did you mean market_data.bars_1m\?",
    ),
    "symbol": (lambda lake: lake["market_data.bars_1m"].read("IBN"), NotFoundError, r"Did you mean IBM\?"),
    "symbol of tail": (
        lambda lake: lake["market_data.bars_1m"].tail(1, symbols="IBN"),
        NotFoundError,
        "Unknown symbol",
    ),
    "column": (
        lambda lake: lake["market_data.bars_1m"].read(columns=["clsoe"]),
        NotFoundError,
        r"Did you mean close",
    ),
    "start after end": (
        lambda lake: lake["market_data.bars_1m"].read(start="2024-02-01", end="2024-01-01"),
        ArgumentError,
        "after the end",
    ),
    "time": (
        lambda lake: lake["market_data.bars_1m"].read(start="yesterday"),
        ArgumentError,
        "Can not read 'yesterday'",
    ),
    "second product": (
        lambda lake: lake.create("market_data.bars_1m", like=pl.DataFrame({"symbol": ["A"]})),
        AlreadyExistsError,
        "market_data.bars_1m",
    ),
    "name with ..": (lambda lake: lake["market_data...bars"], ArgumentError, "Not a product name"),
    "name outside": (
        lambda lake: lake.create("../evil.bars", like=pl.DataFrame({"symbol": ["A"]})),
        ArgumentError,
        "Not a product name",
    ),
    "symbols that are no text": (
        lambda lake: lake["market_data.bars_1m"].read([7]),  # type: ignore[list-item]
        ArgumentError,
        "Symbols are text",
    ),
    "delete of everything by accident": (
        lambda lake: lake["market_data.bars_1m"].delete(),
        ArgumentError,
        "Say what to delete",
    ),
    "unknown provenance": (
        lambda lake: lake["market_data.bars_1m"].append({"a": [1]}, autor="x"),
        ArgumentError,
        "autor",
    ),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_a_wrong_word_is_answered_with_the_choices(
    lake: lakehouse.Lake, product: lakehouse.Product, case: str
) -> None:
    ask, error, message = UNKNOWN[case]
    with unchanged(lake), pytest.raises(error, match=message):
        ask(lake)


def test_there_is_no_lake_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"There is no lake at(?s:.)*create=True"):
        lakehouse.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "symbol", ["BRK/B", "BTC-USD", "日経225", "NA", "nan", "ibm", "IBM", "a b", "%2F", "..", "CON", "x" * 200]
)
def test_any_symbol_survives(lake: lakehouse.Lake, bars: Bars, symbol: str) -> None:
    for number, layout in enumerate(
        ("date=none,symbol=identity", "date=day,symbol=row_groups", "date=year,symbol=bucket(3)")
    ):
        made = lake.create(f"market_data.bars_{number}", like=bars(), layout=layout)
        made.append(bars((symbol, "ZZZ"), days=2))
        assert made.read(symbol).to_polars()["symbol"].to_list() == [symbol] * 2
        assert made.symbols().to_polars()["symbol"].to_list() == sorted([symbol, "ZZZ"])
        assert (
            lake.sql(f"select count(*) as n from market_data.bars_{number} where symbol = $s", {"s": symbol})
            .to_polars()
            .item()
            == 2
        )
