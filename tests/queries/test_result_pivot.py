"""Wide frames: a row for each time, a column for each symbol."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.queries import pivot
from lakehouse.queries.result import Result

NS = 1_704_186_600_000_000_001
Row = tuple[str, int, float | None]


def result_of(rows: Sequence[Row], kind: pa.DataType | None = None) -> Result:
    symbols, times, closes = ([row[column] for row in rows] for column in range(3))
    time = pa.array(times, pa.int64()).cast(pa.timestamp("ns", "UTC"))
    table = {
        "symbol": pa.array(symbols, pa.string()),
        "time": time,
        "close": pa.array(closes, kind or pa.float64()),
    }
    return Result(pa.table(table), symbol="symbol", time="time")


def test_times_go_down_and_symbols_across_both_sorted() -> None:
    wide = result_of([("日経225", NS + 1, 3.0), ("BRK/B", NS, 1.0), ("日経225", NS, 2.0)]).pivot("close")
    assert wide.columns.tolist() == ["BRK/B", "日経225"]
    assert wide.index.astype("int64").tolist() == [NS, NS + 1]
    assert wide.iloc[0].tolist() == [1.0, 2.0]
    assert math.isnan(wide["BRK/B"].iloc[1])
    assert (wide.index.name, wide.columns.name) == ("time", "symbol")


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["A", "B", "NA", "日"]), st.integers(0, 5)),
        st.none() | st.floats(allow_nan=False),
        min_size=1,
    )
)
def test_pivot_equals_the_pivot_of_pandas(cells: dict[tuple[str, int], float | None]) -> None:
    result = result_of([(symbol, time, value) for (symbol, time), value in cells.items()])
    expected = result.to_pandas(index=False).pivot(index="time", columns="symbol", values="close")
    pd.testing.assert_frame_equal(result.pivot("close"), expected, check_exact=True)


def test_pivot_shows_times_in_the_zone_asked_for() -> None:
    wide = result_of([("A", 0, 1.0)]).pivot("close", time_zone="America/New_York")
    assert str(wide.index[0]) == "1969-12-31 19:00:00-05:00"


def test_dates_make_a_normalised_index() -> None:
    days = pa.array([19_724, 19_723], pa.int32()).cast(pa.date32())
    table = pa.table({"symbol": ["A", "A"], "day": days, "close": [2.0, 1.0]})
    wide = Result(table, symbol="symbol", time="day").pivot("close")
    pd.testing.assert_index_equal(
        wide.index, pd.DatetimeIndex(["2024-01-01", "2024-01-02"], name="day").as_unit("us")
    )


@pytest.mark.parametrize("kind", [pa.int64(), pa.int8(), pa.float32(), pa.decimal128(9, 2)], ids=str)
def test_every_kind_of_number_becomes_a_float(kind: pa.DataType) -> None:
    wide = result_of([("A", 0, 3)], kind).pivot("close")
    assert wide.to_numpy().tolist() == [[3.0]]
    assert wide["A"].dtype == "float64"


def test_booleans_become_zero_and_one() -> None:
    table = pa.table(
        {"symbol": ["A", "B"], "time": pa.array([0, 0], pa.timestamp("ns", "UTC")), "up": [True, False]}
    )
    assert Result(table, symbol="symbol", time="time").pivot("up").to_numpy().tolist() == [[1.0, 0.0]]


def test_symbols_coded_as_a_dictionary_in_many_chunks_pivot() -> None:
    rows = [("B", 0, 1.0), ("A", 0, 2.0), ("A", 1, 3.0)]
    table = result_of(rows).to_arrow()
    coded = pa.chunked_array([pa.array([row[0]]).dictionary_encode() for row in rows])
    result = Result(table.set_column(0, "symbol", coded), symbol="symbol", time="time")
    assert result.pivot("close").equals(result_of(rows).pivot("close"))


def test_two_rows_of_one_symbol_and_time_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"1 rows repeat .* first A at 1970-01-01T00:00:00Z") as caught:
        result_of([("A", 0, 1.0), ("B", 0, 1.0), ("A", 0, 1.0)]).pivot("close")
    assert caught.value.hint is not None
    assert "aggregate" in caught.value.hint


def test_an_unknown_column_names_the_nearest() -> None:
    with pytest.raises(NotFoundError, match=r"Unknown column 'closs'.*\n.*close"):
        result_of([("A", 0, 1.0)]).pivot("closs")


def test_a_result_without_roles_is_refused() -> None:
    with pytest.raises(ArgumentError, match="needs a symbol and a time column"):
        Result(result_of([("A", 0, 1.0)]).to_arrow(), symbol="symbol").pivot("close")


def test_text_can_not_be_pivoted() -> None:
    with pytest.raises(ArgumentError, match="'symbol' is string; a pivot needs numbers"):
        result_of([("A", 0, 1.0)]).pivot("symbol")


def test_integers_that_a_float_can_not_hold_are_refused() -> None:
    with pytest.raises(ArgumentError, match="float64 can not hold exactly"):
        result_of([("A", 0, 2**53 + 1)], pa.int64()).pivot("close")


def test_a_null_symbol_is_refused() -> None:
    table = pa.table(
        {"symbol": pa.array([None], pa.string()), "time": pa.array([0], pa.date32()), "x": [1.0]}
    )
    with pytest.raises(ArgumentError, match="'symbol' has 1 nulls"):
        Result(table, symbol="symbol", time="time").pivot("x")


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ArgumentError, match="Unknown time zone"):
        result_of([("A", 0, 1.0)]).pivot("close", time_zone="Nowhere")


def test_a_wide_frame_that_would_fill_the_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pivot, "_MOST_CELLS", 3)
    with pytest.raises(ArgumentError, match="2 times x 2 symbols"):
        result_of([("A", 0, 1.0), ("B", 1, 1.0)]).pivot("close")


def test_real_futures_pivot_to_their_own_columns(shared_data: Callable[[str], Path]) -> None:
    file = shared_data("datasets_hub/vix-daily.csv.gz")
    prices = pl.read_csv(file, try_parse_dates=True).rename(str.lower)
    long = prices.unpivot(index="date", variable_name="symbol", value_name="price")
    wide = Result(long.to_arrow(), symbol="symbol", time="date").pivot("price")
    assert (wide["high"].to_numpy() == prices["high"].to_numpy()).all()
    assert wide.shape == (prices.height, 4)
