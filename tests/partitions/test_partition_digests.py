"""Partition digests: of the rows alone, whatever files they lie in, and never from a data page."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lakehouse
from lakehouse.partitions import blocks
from lakehouse.partitions.digest import EMPTY, add, digest_of
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.parquet_files import write_data_files
from lakehouse.partitions.partition_digests import Partition, partition_digests
from lakehouse.partitions.reading import read_stored
from lakehouse.partitions.selection import select_pieces
from lakehouse.partitions.state import TableState
from lakehouse.times import NS_PER_DAY, Interval

LAYOUTS = [
    "date=day,symbol=row_groups",
    "date=month,symbol=identity",
    "date=year,symbol=bucket(2)",
    "date=none,symbol=row_groups",
]
TYPES = {"symbol": pl.String, "time": pl.Int64, "price": pl.Float64, "venue": pl.String}
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["A", "B/C", "é"]),
        st.integers(-400, 400).map(lambda day: day * NS_PER_DAY + 5),
        st.none() | st.floats() | st.just(-0.0),
        st.none() | st.text(max_size=3),
    ),
    min_size=1,
    max_size=20,
)


def frame(rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    found = pl.DataFrame(rows, schema=TYPES, orient="row")
    return found.with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")))


def stored(state: TableState) -> pa.Table:
    return read_stored(state, select_pieces(state, None, Interval()))


def first_day(time: int, period: str) -> int | None:
    """Find the period of an instant by the calendar."""
    day = date.fromordinal(date(1970, 1, 1).toordinal() + time // NS_PER_DAY)
    starts = {"day": day, "month": day.replace(day=1), "year": day.replace(month=1, day=1)}
    return (starts[period] - date(1970, 1, 1)).days if period in starts else None


def partitions_of(table: pa.Table, period: str) -> list[Partition]:
    """Find the partition of every row."""
    rows = zip(table.column("symbol").to_pylist(), table.column("time").to_pylist(), strict=True)
    return [Partition(symbol, first_day(time, period)) for symbol, time in rows]


@given(rows=ROWS, cuts=st.lists(st.integers(0, 20), max_size=3), layout=st.sampled_from(LAYOUTS))
def test_they_are_the_digests_of_their_rows_whatever_the_files(
    rows: list[tuple[object, ...]], cuts: list[int], layout: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = lakehouse.open(folder, create=True)
        product = lake.create("m.p", like=frame(rows), key=(), layout=layout)
        for first, last in pairwise([0, *sorted(cuts), len(rows)]):
            if rows[first:last]:
                product.append(frame(rows[first:last]))
        state = product.state()
        found, table = partition_digests(state), stored(state)
        whole = write_data_files(
            lake.store, "elsewhere", state.schema, Layout.parse(layout), table, writer="test"
        )
        again = partition_digests(replace(state, files=tuple(each.file for each in whole)))
    keys = partitions_of(table, Layout.parse(layout).date)
    for key in set(keys):
        part = table.filter(pa.array([other == key for other in keys]))
        assert found[key] == again[key] == (part.num_rows, digest_of(part))
    assert found.keys() == again.keys() == set(keys)
    assert add(EMPTY, *(facts.digest for facts in found.values())) == state.digest


def test_a_product_gives_them_as_rows_without_reading_a_page(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = lakehouse.open(tmp_path_factory.mktemp("lake"), create=True)
    rows = frame([("B", 5, 1.0, "x"), ("A", 40 * NS_PER_DAY, None, None), ("A", 5, np.nan, "")])
    product = lake.create("m.p", like=rows, key=(), layout="date=month,symbol=row_groups")
    product.append(rows)
    monkeypatch.setattr(blocks, "read_groups", lambda *_, **__: pytest.fail("a data page was read"))
    found = product.digests().to_polars()
    assert found.select("symbol", "period", "rows").rows() == [
        ("A", date(1970, 1, 1), 1),
        ("A", date(1970, 2, 1), 1),
        ("B", date(1970, 1, 1), 1),
    ]
    assert add(EMPTY, *found["digest"]) == product.digest


def test_a_table_without_symbols_and_dates_has_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    lake = lakehouse.open(tmp_path_factory.mktemp("lake"), create=True)
    rows = pl.DataFrame({"code": ["a", "b"], "text": ["x", None]})
    product = lake.create("m.p", like=rows, key=("code",))
    assert product.digests().num_rows == 0
    product.append(rows)
    (found,) = product.digests().to_arrow().to_pylist()
    assert found == {"period": None, "rows": 2, "digest": product.digest}
