"""Running operations: every row is seen once, in the total order, however it is stored and cut."""

from __future__ import annotations

import itertools
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lakehouse
from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.partitions import encoding
from lakehouse.partitions.threads import workers
from lakehouse.queries import buckets
from lakehouse.queries.buckets import Pieces, cut
from lakehouse.queries.computation import Computation, compute
from lakehouse.queries.gathering import Wanted
from lakehouse.queries.inputs import Input
from lakehouse.queries.operations import Operation
from lakehouse.queries.rows import NANOSECONDS, Block, Rows
from lakehouse.queries.sources import input_of
from lakehouse.schema import Column
from lakehouse.times import NS_PER_DAY, Interval

START = 19_724 * NS_PER_DAY
LAYOUTS = [
    "date=day,symbol=row_groups",
    "date=month,symbol=identity",
    "date=none,symbol=row_groups",
    "date=day,symbol=bucket(2)",
]


@dataclass(frozen=True)
class Echo(Operation):
    """Give back what came, and the number of rows of the symbol that came before."""

    columns: tuple[str, ...] = ("value",)

    def carries(self) -> tuple[str, ...]:
        return ("note",)

    def fields(self, source: Input) -> list[pa.Field]:
        return [
            pa.field(source.time, NANOSECONDS),
            pa.field("value", pa.float64()),
            pa.field("note", pa.string()),
            pa.field("place", pa.int64()),
        ]

    def start(self, symbols: tuple[str, ...]) -> dict[str, int]:
        return dict.fromkeys(symbols, 0)

    def step(self, rows: Rows, state: dict[str, int]) -> Block:
        counts = np.diff(rows.offsets)
        places = []
        for symbol, count in zip(rows.symbols, counts.tolist(), strict=True):
            places.append(np.arange(state[symbol], state[symbol] + count))
            state[symbol] += count
        values = rows.columns["value"].astype(np.float64)
        return Block(counts, (rows.times, values, rows.carried["note"], np.concatenate(places)))


def echo(rows: Any, **options: Any) -> Computation:
    return compute("echo", Echo(), rows, **options)


def expected(read: pl.DataFrame) -> pl.DataFrame:
    return read.with_columns(
        pl.col("value").cast(pl.Float64).fill_null(float("nan")),
        pl.int_range(pl.len()).over("symbol").alias("place"),
    )


def check(product: lakehouse.Product, **options: Any) -> None:
    found = echo(product, **options).read().to_polars()
    assert found.equals(expected(product.read().to_polars()), null_equal=True)


def frame(rows: list[tuple[str, int, int | None, str | None]]) -> pl.DataFrame:
    symbols, minutes, values, notes = zip(*rows, strict=True)
    times = [START + minute * 60 * 10**9 for minute in minutes]
    return pl.DataFrame(
        {
            "symbol": symbols,
            "time": pl.Series(times, dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")),
            "value": pl.Series(values, dtype=pl.Int64),
            "note": pl.Series(notes, dtype=pl.String),
        }
    )


ROW = st.tuples(
    st.sampled_from(["A", "BRK/B", "NA", "日経225"]),
    st.integers(0, 4000),
    st.none() | st.integers(-5, 5),
    st.sampled_from(["x", None]),
)


@settings(max_examples=15)
@given(
    st.lists(st.lists(ROW, min_size=1, max_size=40), min_size=1, max_size=4),
    st.sampled_from(LAYOUTS),
    st.booleans(),
)
def test_overlapping_appends_come_in_the_total_order(
    appends: list[list[tuple[str, int, int | None, str | None]]], layout: str, tiny: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        if tiny:
            patch.setattr(encoding, "LARGEST_ROW_GROUP", 8)
            patch.setattr(encoding, "OWN_ROW_GROUP", 4)
            patch.setattr(buckets, "MOST_ROWS", 8)
            patch.setattr(buckets, "_FEWEST_ROWS", 2)
            patch.setattr(buckets, "_SLAB_ROWS", 2)
        lake = lakehouse.open(Path(folder) / "lake", create=True)
        product = lake.create("market_data.notes", like=frame(appends[0]), layout=layout)
        for rows in appends:
            product.append(frame(rows))
        check(product)
        found = echo(product.scan(start=START + NS_PER_DAY, end=START + 2 * NS_PER_DAY)).read().to_polars()
        inside = product.read(start=START + NS_PER_DAY, end=START + 2 * NS_PER_DAY).to_polars()
        assert found.equals(expected(inside), null_equal=True)


def many(rows: int = 3000, seed: int = 1) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    names = random.choice(["A", "BRK/B", "NA", "日経225", "Z"], rows, p=[0.7, 0.1, 0.1, 0.05, 0.05])
    return frame([(str(name), int(random.integers(0, 9000)), 1, "x") for name in names])


@pytest.fixture
def product(tmp_path: Path) -> lakehouse.Product:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    made = lake.create("market_data.notes", like=many(), layout="date=day,symbol=row_groups")
    made.append(many())
    made.append(many(seed=2))
    return made


@pytest.fixture
def cut_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "MOST_ROWS", 200)
    monkeypatch.setattr(buckets, "_FEWEST_ROWS", 50)
    monkeypatch.setattr(buckets, "_SLAB_ROWS", 50)


@pytest.mark.usefixtures("cut_small")
def test_many_buckets_and_slabs_give_the_same(product: lakehouse.Product) -> None:
    check(product)


@pytest.mark.usefixtures("cut_small")
def test_a_large_symbol_streams_in_several_tables(product: lakehouse.Product) -> None:
    batches = list(echo(product.scan("A")).to_reader())
    assert len(batches) > 3
    assert max(batch.num_rows for batch in batches) < 2500


def test_a_frame_gives_the_same_as_a_product(product: lakehouse.Product) -> None:
    read = product.read()
    shuffled = read.to_polars().sort("time", maintain_order=True)
    assert echo(shuffled).read().equals(echo(product).read())
    assert echo(read).read().equals(echo(product).read())
    assert echo(shuffled.lazy()).read().equals(echo(product).read())
    assert echo(read.to_pandas(index=False)).read().equals(echo(product).read())


@pytest.mark.usefixtures("cut_small")
def test_an_operation_runs_inside_a_task_of_the_pool(product: lakehouse.Product) -> None:
    tasks = [workers().submit(lambda: echo(product).read()) for _ in range(6)]
    assert all(task.result(timeout=60).equals(echo(product).read()) for task in tasks)


def test_scans_of_symbols_columns_and_versions(product: lakehouse.Product) -> None:
    check_scan = echo(product.scan(["Z", "A"], columns=["value"])).read().to_polars()
    assert check_scan.equals(expected(product.read(["A", "Z"]).to_polars()), null_equal=True)
    old = echo(product.scan(version=1)).read().to_polars()
    assert old.equals(expected(product.read(version=1).to_polars()), null_equal=True)
    with pytest.raises(NotFoundError, match="'IBM'"):
        echo(product.scan("IBM"))


def test_an_empty_product_gives_no_rows(tmp_path: Path) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    empty = lake.create("market_data.notes", like=many())
    assert echo(empty).read().num_rows == 0
    assert echo(empty).read().columns == ("symbol", "time", "value", "note", "place")
    assert echo(many().clear()).read().num_rows == 0


def test_rows_without_symbols(tmp_path: Path) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    rows = many().drop("symbol")
    product = lake.create("market_data.notes", like=rows, layout="date=day")
    product.append(rows)
    found = echo(product).read()
    assert found.columns == ("time", "value", "note", "place")
    assert found.to_polars()["place"].to_list() == list(range(len(rows)))
    assert echo(rows).read().equals(found)


def test_a_column_of_a_later_contract_version_is_null_in_old_files(tmp_path: Path) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    product = lake.create("market_data.notes", like=many().drop("note"))
    product.append(many(50).drop("note"))
    schema = replace(product.schema, columns=(*product.schema.columns, Column("note", "string")))
    lake.apply(replace(product.contract, version="1.1.0", schema=schema)).append(many(50, seed=3))
    check(lake["market_data.notes"])


@pytest.mark.parametrize("kind", ["date", "us"])
def test_dates_and_microseconds_are_nanoseconds(tmp_path: Path, kind: str) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    to = pl.Date if kind == "date" else pl.Datetime("us", "UTC")
    rows = many(200).with_columns(pl.col("time").cast(to))
    product = lake.create("market_data.notes", like=rows, layout="date=month,symbol=row_groups")
    product.append(rows)
    product.append(rows)
    found = echo(product).read().to_polars()
    read = product.read().to_polars().with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC")))
    assert found.equals(expected(read), null_equal=True)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([1, 2], "Can not read rows from list"),
        (pl.DataFrame({"value": [1]}), "columns of times: none"),
        (many(3).with_columns(other=pl.col("time")).rename({"time": "ts"}), "one column of times"),
        (many(3).with_columns(symbol=pl.lit(None, pl.String)), "'symbol' has 3 nulls"),
    ],
)
def test_rows_that_can_not_be_read(rows: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        echo(rows)


def test_polars_and_duckdb_take_a_computation(product: lakehouse.Product) -> None:
    answer = echo(product)
    assert pl.DataFrame(answer).equals(answer.read().to_polars(), null_equal=True)
    with duckdb.connect() as connection:
        assert connection.execute("select count(*) from answer").fetchall() == [(6000,)]
    assert repr(answer) == "<Computation echo: symbol, time, value, note, place>"


def pieces(symbols: int, groups: list[tuple[int, int]], rows: int = 100) -> Pieces:
    """Make pieces of row groups, of which each holds a range of symbols."""
    found = sorted((symbol, group) for group, span in enumerate(groups) for symbol in range(*span))
    code, group = (np.array(column, np.int64) for column in zip(*found, strict=True))
    each = np.full(len(code), rows, np.int64)
    names = tuple(f"{symbol:03}" for symbol in range(symbols))
    return Pieces(names, code, each, group, group + 1, group)


def test_buckets_are_cut_at_borders_of_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "_FEWEST_ROWS", 1000)
    monkeypatch.setattr(buckets, "_SLAB_ROWS", 1000)
    packed = pieces(60, [(low, low + 12) for low in range(0, 60, 12)])
    found = cut(packed)
    assert [len(bucket.symbols) for bucket in found] == [12] * 5
    assert [symbol for bucket in found for symbol in bucket.symbols] == list(packed.symbols)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), min_size=1, max_size=20),
    st.integers(1, 5000),
)
def test_buckets_have_every_symbol_once_and_cover_all_of_time(
    spans: list[tuple[int, int]], fewest: int
) -> None:
    groups = [(low, low + width) for low, width in spans]
    used = sorted({symbol for span in groups for symbol in range(*span)})
    rank = {symbol: code for code, symbol in enumerate(used)}
    code_group = sorted((rank[s], g) for g, span in enumerate(groups) for s in range(*span))
    code, group = (np.array(column, np.int64) for column in zip(*code_group, strict=True))
    names = tuple(f"{symbol:03}" for symbol in used)
    given_ = Pieces(names, code, np.full(len(code), 700, np.int64), group, group + 2, group)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buckets, "_FEWEST_ROWS", fewest)
        patch.setattr(buckets, "_SLAB_ROWS", fewest)
        patch.setattr(buckets, "MOST_ROWS", fewest)
        found = cut(given_)
    assert [symbol for bucket in found for symbol in bucket.symbols] == list(names)
    assert sum(bucket.rows for bucket in found) == 700 * len(code)
    for bucket in found:
        edges = [(slab.start, slab.end) for slab in bucket.slabs]
        assert all(a[1] == b[0] for a, b in itertools.pairwise(edges))
        assert all(low < high for low, high in edges)


@pytest.mark.usefixtures("cut_small")
def test_the_echo_of_processes_is_the_same(product: lakehouse.Product) -> None:
    from lakehouse.queries.analytics import vwap

    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = vwap(product, "1h", price="value", size="value", executor=pool).read()
        frame_too = vwap(product.read(), "1h", price="value", size="value", executor=pool).read()
    assert found.equals(vwap(product, "1h", price="value", size="value").read())
    assert frame_too.equals(found)


def test_a_column_may_be_a_number_and_carried_in_rows_that_are_picked_apart() -> None:
    rows = many(400).drop("note")
    inside = Interval(START + NS_PER_DAY, START + 2 * NS_PER_DAY)
    wanted = Wanted(("A", "NA", "Z"), inside, ("value",), ("value",))
    loaded = input_of(rows).load(wanted)
    day = pl.col("time").dt.date() == pl.date(2024, 1, 3)
    expected = rows.filter(day, pl.col("symbol").is_in(["A", "NA", "Z"])).sort("symbol", "time")
    assert loaded.times.tolist() == expected["time"].to_physical().to_list()
    assert loaded.columns["value"].tolist() == loaded.carried["value"].to_pylist() == [1] * len(expected)
