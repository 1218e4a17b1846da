from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.catalog.infer import infer_contract
from lakehouse.catalog.rule import Rule
from lakehouse.errors import ArgumentError, SchemaError
from lakehouse.schema import TYPES

NS = pa.timestamp("ns", tz="UTC")


def _schema(**columns: Any) -> pa.Schema:
    return pa.schema(list(columns.items()))


def _bars(symbols: list[str], days: list[int], **changes: Any) -> pa.Table:
    prices = {name: pa.array([1.0] * len(days)) for name in ("open", "high", "low", "close")}
    columns = {"symbol": pa.array(symbols), "date": pa.array(days, pa.date32()), **prices, **changes}
    return pa.Table.from_arrays(list(columns.values()), list(columns))


@pytest.mark.parametrize(
    ("arrow", "expected"),
    [
        (pa.bool_(), "bool"),
        (pa.int8(), "int8"),
        (pa.int64(), "int64"),
        (pa.uint8(), "int16"),
        (pa.uint16(), "int32"),
        (pa.uint32(), "int64"),
        (pa.uint64(), "int64"),
        (pa.float16(), "float32"),
        (pa.float32(), "float32"),
        (pa.float64(), "float64"),
        (pa.string(), "string"),
        (pa.large_string(), "string"),
        (pa.string_view(), "string"),
        (pa.dictionary(pa.int32(), pa.string()), "string"),
        (pa.dictionary(pa.int8(), pa.int64()), "int64"),
        (pa.run_end_encoded(pa.int32(), pa.float64()), "float64"),
        (pa.date32(), "date"),
        (pa.date64(), "date"),
        (pa.timestamp("s", tz="America/New_York"), "timestamp[ns]"),
        (pa.timestamp("us", tz="UTC"), "timestamp[ns]"),
        (NS, "timestamp[ns]"),
    ],
)
def test_each_arrow_type_has_its_column_type(arrow: pa.DataType, expected: str) -> None:
    assert infer_contract("a.b", _schema(value=arrow)).schema["value"].type == expected


@pytest.mark.parametrize(
    ("arrow", "hint"),
    [
        (pa.decimal128(10, 2), "float64, or to int64"),
        (pa.null(), "All its values are null"),
        (pa.duration("ns"), "Cast it to int64"),
        (pa.time64("us"), "Cast it to int64"),
        (pa.list_(pa.float64()), "Flatten it"),
        (pa.struct([("x", pa.int8())]), "Flatten it"),
        (pa.binary(), "Cast it, or leave it out"),
        (pa.dictionary(pa.int8(), pa.binary()), "Cast it, or leave it out"),
    ],
)
def test_other_types_are_refused_with_the_choices(arrow: pa.DataType, hint: str) -> None:
    with pytest.raises(SchemaError, match=f"Column 'value' has the Arrow type.*\n.*{hint}") as caught:
        infer_contract("a.b", _schema(value=arrow))
    assert all(name in str(caught.value) for name in TYPES)


def test_naive_timestamps_are_refused_in_any_column() -> None:
    with pytest.raises(SchemaError, match=r"'sent' has timestamps without a time zone.*\n.*tz_localize"):
        infer_contract("a.b", _schema(time=NS, sent=pa.timestamp("us")))


def test_roles_are_found_by_name_in_any_case() -> None:
    found = infer_contract("a.b", _schema(Date=pa.date32(), Ticker=pa.string(), Close=pa.float64())).schema
    assert (found.symbol, found.time) == ("Ticker", "Date")
    assert [column.nullable for column in found.columns] == [False, False, True]


def test_the_best_name_of_the_right_type_wins() -> None:
    columns = _schema(date=pa.date32(), symbol=pa.int64(), time=pa.string(), ts=NS, ticker=pa.string())
    found = infer_contract("a.b", columns).schema
    assert (found.symbol, found.time) == ("ticker", "ts")


def test_a_table_may_have_no_roles() -> None:
    found = infer_contract("a.b", _schema(country=pa.string(), expiry=pa.date32())).schema
    assert (found.symbol, found.time, found.key) == (None, None, ())


@pytest.mark.parametrize("arrow", [pa.string(), pa.int64()])
def test_a_time_column_of_text_or_numbers_is_not_guessed(arrow: pa.DataType) -> None:
    with pytest.raises(SchemaError, match="'timestamp' looks like the time column, but holds"):
        infer_contract("a.b", _schema(symbol=pa.string(), timestamp=arrow))


def test_columns_that_arrow_declares_not_null_are_not_nullable() -> None:
    columns = pa.schema([pa.field("a", pa.int8(), nullable=False), pa.field("b", pa.int8())])
    assert [column.nullable for column in infer_contract("a.b", columns).schema.columns] == [False, True]


def test_bars_get_their_key_and_rules() -> None:
    sample = _bars(["A", "A", "B"], [1, 2, 1], volume=pa.array([1, 2, 3]))
    found = infer_contract("a.b", sample.schema, sample=sample)
    prices = ("open", "high", "low", "close")
    assert found.schema.key == ("symbol", "date")
    assert found.rules == (
        Rule("ohlc", "ohlc", prices),
        Rule("positive_prices", "positive", prices),
        Rule("non_negative_volume", "non_negative", ("volume",)),
    )


def test_there_is_no_key_where_the_sample_repeats_one_or_is_empty() -> None:
    doubled = _bars(["A", "A"], [1, 1])
    for sample in (doubled, doubled.slice(0, 0), None):
        assert infer_contract("a.b", doubled.schema, sample=sample).schema.key == ()


def test_trades_have_no_key_even_where_the_sample_has_no_repeats() -> None:
    columns = {"symbol": pa.array(["A", "A"]), "time": pa.array([1, 2], NS), "price": pa.array([1.0, 2.0])}
    sample = pa.Table.from_arrays(list(columns.values()), list(columns))
    assert infer_contract("a.b", sample.schema, sample=sample).schema.key == ()


@pytest.mark.parametrize(
    "encode",
    [
        lambda column: column.dictionary_encode(),
        lambda column: column.cast(pa.string_view()),
        lambda column: pa.chunked_array(
            [pa.array(["A"]).dictionary_encode(), pa.array(["B"]).dictionary_encode()]
        ),
    ],
)
def test_a_key_is_found_in_text_of_any_encoding(encode: Callable[[pa.Array], Any]) -> None:
    sample = _bars(["A", "B"], [1, 1])
    sample = sample.set_column(0, "symbol", encode(pa.array(["A", "B"])))
    assert infer_contract("a.b", sample.schema, sample=sample).schema.key == ("symbol", "date")


def test_without_symbols_the_time_alone_may_be_the_key() -> None:
    sample = _bars(["A", "A"], [1, 2]).drop_columns("symbol")
    assert infer_contract("a.b", sample.schema, sample=sample).schema.key == ("date",)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["a", "a"], "doubled: a"),
        (["a", "A"], "doubled: A, a"),
        (["__index_level_0__"], "'__index_level_0__'.*\n.*reset_index"),
        ([""], "can not be named so"),
        ([], "no columns"),
    ],
)
def test_names_that_can_not_be_columns_are_refused(names: list[str], problem: str) -> None:
    with pytest.raises(SchemaError, match=problem):
        infer_contract("a.b", pa.schema([pa.field(name, pa.int64()) for name in names]))


def test_a_bad_product_name_is_refused() -> None:
    with pytest.raises(ArgumentError, match="Not a product name"):
        infer_contract("bars", _schema(a=pa.int64()))


def test_real_futures_prices_are_inferred(shared_data: Callable[[str], Path]) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    path = shared_data("pysystemtrade/multiple_prices_csv/CORN.csv.gz")
    frame = pandas.read_csv(path, parse_dates=["DATETIME"]).rename(columns={"DATETIME": "time"})
    frame["time"] = frame["time"].dt.tz_localize("UTC")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    found = infer_contract("market_data.corn", table.schema, sample=table).schema
    assert (found.symbol, found.time, found["PRICE"].type) == (None, "time", "float64")
