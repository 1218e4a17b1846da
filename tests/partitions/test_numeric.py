"""Rows for kernels: numpy arrays that hold what a read gives, null by null."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lakehouse
from lakehouse.errors import ArgumentError
from lakehouse.partitions.numeric import NumericRows, decode_columns
from lakehouse.partitions.selection import select_pieces
from lakehouse.times import MAX_NS, MIN_NS, NS_PER_DAY, Interval

NAMES = ("time", "price", "size", "flag", "small", "day", "seen")
KINDS = {"price": pl.Float64, "size": pl.Int64, "flag": pl.Boolean, "small": pl.Float32, "day": pl.Date}
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["A", "BRK/B", "日経"]),
        st.integers(0, 40),
        st.none() | st.floats(width=32),
        st.none() | st.integers(-(2**40), 2**40),
        st.none() | st.booleans(),
        st.none() | st.floats(width=32),
        st.none() | st.dates(date(1990, 1, 1), date(2040, 1, 1)),
    ),
    min_size=1,
    max_size=30,
)


def frame(rows: list[tuple[object, ...]]) -> pl.DataFrame:
    names = ["symbol", "slot", *KINDS]
    columns = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    types = {"symbol": pl.String, "slot": pl.Int64, **KINDS}
    made = pl.DataFrame([pl.Series(name, columns[name], dtype=types[name]) for name in names])
    time = (pl.col("slot") * (NS_PER_DAY // 4)).cast(pl.Datetime("ns", "UTC")).alias("time")
    return made.with_columns(time, seen=pl.col("day").cast(pl.Datetime("us", "UTC"))).drop("slot")


def product_of(folder: Path, parts: list[pl.DataFrame]) -> lakehouse.Product:
    lake = lakehouse.open(folder, create=True)
    product = lake.create("m.p", like=parts[0], key=(), layout="date=month,symbol=row_groups")
    for part in parts:
        product.append(part)
    return product


def rows_of(product: lakehouse.Product, interval: Interval) -> NumericRows:
    state = product.state()
    return decode_columns(state, select_pieces(state, None, interval), interval, NAMES)


@given(first=ROWS, second=ROWS, edges=st.none() | st.tuples(st.integers(0, 40), st.integers(0, 40)))
def test_arrays_hold_what_a_read_gives(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[tuple[object, ...]],
    second: list[tuple[object, ...]],
    edges: tuple[int, int] | None,
) -> None:
    product = product_of(tmp_path_factory.mktemp("lake"), [frame(first), frame(second)])
    low, high = sorted(edges) if edges else (None, None)
    quarter = NS_PER_DAY // 4
    start, end = (MIN_NS, MAX_NS) if low is None or high is None else (low * quarter, high * quarter)
    got = rows_of(product, Interval(start, end))
    expected = product.read(None, start, end).to_polars()
    assert np.repeat(got.symbols, np.diff(got.offsets)).tolist() == expected["symbol"].to_list()
    assert got.times.tolist() == expected["time"].cast(pl.Int64).to_list()
    assert got.columns["time"] is got.times
    for name in ("price", "size", "flag", "small"):
        wanted = expected[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        np.testing.assert_array_equal(got.columns[name].astype(np.float64), wanted)
    for name in ("day", "seen"):
        instants = expected[name].cast(pl.Datetime("ns")).cast(pl.Int64).fill_null(np.iinfo(np.int64).min)
        assert got.columns[name].tolist() == instants.to_list()


def test_types_stay_where_nothing_is_null(tmp_path: Path) -> None:
    rows = frame([("A", 0, 1.5, 2**60 + 1, True, 0.5, date(2024, 1, 2))])
    got = rows_of(product_of(tmp_path, [rows]), Interval())
    assert got.columns["size"].dtype == np.int64
    assert got.columns["size"][0] == 2**60 + 1
    assert got.columns["flag"].dtype == np.bool_
    assert got.columns["small"].dtype == np.float32
    assert not any(array.flags.writeable for array in got.columns.values())


def test_an_empty_question_has_no_symbols(tmp_path: Path) -> None:
    got = rows_of(product_of(tmp_path, [frame([("A", 0, 1.0, 1, True, 1.0, None)])]), Interval(5, 6))
    assert (got.symbols, got.offsets.tolist(), len(got.times)) == ((), [0], 0)


def test_text_is_refused(tmp_path: Path) -> None:
    state = product_of(tmp_path, [frame([("A", 0, 1.0, 1, True, 1.0, None)])]).state()
    with pytest.raises(ArgumentError, match="holds text"):
        decode_columns(state, [], Interval(), ["symbol"])
