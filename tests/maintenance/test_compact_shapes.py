"""Every layout, and every kind of table, comes out of a compaction with the rows that went in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lakehouse
from lakehouse.maintenance import compact, merges
from lakehouse.partitions import parquet_files
from lakehouse.partitions.digest import digest_of
from lakehouse.partitions.reading import read_stored
from lakehouse.partitions.selection import select_pieces
from lakehouse.times import NS_PER_DAY, Interval

NAME = "market_data.things"
UTC = dt.UTC

FRAMES: dict[str, list[dict[str, Sequence[Any]]]] = {
    "neither time nor symbol": [{"rate": [1.0, 2.0]}, {"rate": [1.0, float("nan")]}],
    "no time": [
        {"symbol": ["B", "A"], "rate": [1.0, 2.0]},
        {"symbol": ["A", "A"], "rate": [2.0, 2.0]},
    ],
    "no symbol": [
        {"time": [dt.datetime(2024, 1, 2, tzinfo=UTC), dt.datetime(2024, 2, 1, tzinfo=UTC)], "rate": [1, 2]},
        {"time": [dt.datetime(2024, 1, 2, tzinfo=UTC), dt.datetime(2024, 1, 1, tzinfo=UTC)], "rate": [3, 4]},
    ],
    "dates": [
        {"symbol": ["A", "B/C"], "date": [dt.date(2024, 1, 2), dt.date(2023, 1, 2)], "close": [1.0, None]},
        {"symbol": ["A", "日経"], "date": [dt.date(2024, 1, 1), dt.date(2023, 1, 2)], "close": [-0.0, 0.0]},
    ],
}


def stored_digest(product: lakehouse.Product) -> str:
    state = product.state()
    return digest_of(read_stored(state, select_pieces(state, None, Interval())))


def texts(product: lakehouse.Product) -> str:
    return str(product.read().to_arrow().to_pydict())


@pytest.mark.parametrize("kind", FRAMES)
def test_tables_of_every_kind_of_roles(tmp_path: Path, kind: str) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    frames = [pl.DataFrame(columns) for columns in FRAMES[kind]]
    product = lake.create(NAME, like=frames[0], key=())
    for frame in [*frames, frames[0]]:
        product.append(frame)
    before, digest, count = texts(product), product.digest, len(product.state().files)
    assert lake.compact(NAME, dry_run=False).commits == (4,)

    assert len(product.state().files) < count
    assert (texts(product), product.digest, stored_digest(product)) == (before, digest, digest)
    assert lake.compact(NAME).merges == ()
    assert product.verify().ok


@pytest.mark.parametrize(
    "layout",
    [
        f"date={date},symbol={symbol}"
        for date in ("day", "year", "none")
        for symbol in ("row_groups", "identity", "bucket(2)")
    ],
)
def test_every_layout_keeps_its_folders(tmp_path: Path, layout: str) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    symbols, days = ["BRK/B", "日経", "ibm", "IBM"], [0, 1, 400]
    rows = [(symbol, day * NS_PER_DAY + 1, 1.0) for symbol in symbols for day in days]
    schema = {"symbol": pl.String, "time": pl.Int64, "price": pl.Float64}
    frame = pl.DataFrame(rows, schema=schema, orient="row").cast({"time": pl.Datetime("ns", "UTC")})
    product = lake.create(NAME, like=frame, key=(), layout=layout)
    for _ in range(3):
        product.append(frame)
    before, digest = texts(product), product.digest
    folders = {file.partition for file in product.state().files}
    lake.compact(NAME, dry_run=False)

    assert (texts(product), product.digest, stored_digest(product)) == (before, digest, digest)
    assert sorted(file.partition for file in product.state().files) == sorted(folders)
    assert lake.compact(NAME).merges == ()


rows_of_ticks = st.lists(
    st.tuples(st.sampled_from(["A", "B", "C/D", "é"]), st.integers(-40, 40), st.floats(width=32)),
    min_size=1,
    max_size=12,
)


@given(st.lists(rows_of_ticks, min_size=1, max_size=6), st.integers(1, 8), st.booleans())
def test_any_appends_read_the_same_and_are_compacted_once(
    tmp_path_factory: pytest.TempPathFactory, appends: Any, most: int, small: bool
) -> None:
    """Also where a file holds a few rows only, so that a partition has many, cut within symbols and times."""
    lake = lakehouse.open(tmp_path_factory.mktemp("any") / "lake", create=True)
    schema = {"symbol": pl.String, "time": pl.Int64, "price": pl.Float64}
    frames = [
        pl.DataFrame(rows, schema=schema, orient="row").with_columns(
            (pl.col("time") * NS_PER_DAY).cast(pl.Datetime("ns", "UTC"))
        )
        for rows in appends
    ]
    product = lake.create(NAME, like=frames[0], key=(), layout="date=month,symbol=row_groups")
    for frame in frames:
        product.append(frame)
    before, digest = texts(product), product.digest
    with pytest.MonkeyPatch.context() as patch:
        for module in (merges, compact):
            patch.setattr(module, "most_merged_rows", lambda _: most)
        if not small:
            patch.setattr(merges, "is_small", lambda file, _: file.rows < most / 2)
        lake.compact(NAME, dry_run=False)
        assert lake.compact(NAME).merges == ()
    assert (texts(product), product.digest, stored_digest(product)) == (before, digest, digest)
    assert product.verify().ok


def test_many_rows_of_one_symbol_fill_several_files_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    times = pl.Series(range(0, 60_000, 2), dtype=pl.Int64)
    frame = pl.DataFrame({"symbol": "A", "time": times.cast(pl.Datetime("ns", "UTC")), "price": 1.0})
    product = lake.create(NAME, like=frame, key=(), layout="date=none,symbol=row_groups")
    product.append(frame)
    product.append(frame.with_columns(time=(times + 1).cast(pl.Datetime("ns", "UTC"))))
    monkeypatch.setattr(parquet_files, "LARGEST_GOOD_FILE_IN_BYTES", 0)
    assert merges.most_merged_rows(product.schema) == 8192
    monkeypatch.setattr(merges, "is_small", lambda *_: False)
    report = lake.compact(NAME, dry_run=False)

    assert (report.files_after, len(product.state().files)) == (8, 8)
    assert {file.rows for file in product.state().files} == {7500}
    spans = sorted((file.min_time, file.max_time) for file in product.state().files)
    assert [first for first, _ in spans[1:]] == [(last or 0) + 1 for _, last in spans[:-1]]
    assert product.read().to_polars()["time"].cast(pl.Int64).to_list() == list(range(60_000))
    assert lake.compact(NAME).merges == ()
