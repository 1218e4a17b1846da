"""A column without a null in a file is declared so in it, and readers find the nulls of other files."""

from __future__ import annotations

from pathlib import Path

import deltalake
import duckdb
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import lakehouse

NAME = "market_data.ticks"


def ticks(day: int, *, null: bool) -> pl.DataFrame:
    """Return three rows of a day, of which one may have nulls."""
    times = [f"2024-01-0{day} 10:00:0{second}" for second in (1, 2, 1)]
    return pl.DataFrame(
        {
            "symbol": ["A", "A", "B"],
            "time": pl.Series(times).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", time_zone="UTC"),
            "price": [1.0, None if null else 2.0, 3.0],
            "size": [1, None if null else 2, 3],
            "venue": ["X", None if null else "Y", "X"],
        }
    )


@pytest.fixture
def product(tmp_path: Path) -> lakehouse.Product:
    """Give a product of three files, of which the second has nulls."""
    made = lakehouse.open(tmp_path / "lake", create=True).create(NAME, like=ticks(1, null=True), key=())
    for day in (1, 2, 3):
        made.append(ticks(day, null=day == 2))
    return made


def files_of(product: lakehouse.Product) -> list[str]:
    files = sorted(product.state().files, key=lambda file: file.min_time or 0)
    return [str(product.table.store.local_path(file.path)) for file in files]


def test_each_file_declares_what_it_has(product: lakehouse.Product) -> None:
    for file, null in zip(files_of(product), (False, True, False), strict=True):
        schema = pq.read_schema(file)
        declared = [schema.field(name).nullable for name in ("time", "price", "size", "venue")]
        assert declared == [False, null, null, null]


def test_the_lake_reads_the_nulls(product: lakehouse.Product) -> None:
    expected = pl.concat([ticks(day, null=day == 2) for day in (1, 2, 3)]).sort("symbol", "time")
    found = product.read().to_polars()
    assert found.select("price", "size", "venue").equals(expected.select("price", "size", "venue"))
    assert product.read().to_arrow().schema.field("price").nullable


@pytest.mark.parametrize("backwards", [False, True])
def test_readers_of_the_files_find_the_nulls(product: lakehouse.Product, *, backwards: bool) -> None:
    files = files_of(product)[:: -1 if backwards else 1]
    for column in ("price", "size", "venue"):
        query = f"SELECT count(*) FROM read_parquet({files}) WHERE {column} IS NULL"
        assert duckdb.execute(query).fetchall() == [(1,)]
        assert pl.scan_parquet(files).filter(pl.col(column).is_null()).collect().height == 1
        assert ds.dataset(files).to_table(filter=ds.field(column).is_null()).num_rows == 1


def test_readers_of_the_delta_table_find_the_nulls(product: lakehouse.Product) -> None:
    table = f"{product.table.store.url}/{product.table.path}"
    assert pl.read_delta(table)["size"].null_count() == 1
    engine = deltalake.QueryBuilder().register("ticks", deltalake.DeltaTable(table))
    for column in ("price", "size", "venue"):
        found = engine.execute(f"SELECT * FROM ticks WHERE {column} IS NULL").read_all()
        assert found.num_rows == 1


def test_a_file_that_gets_a_null_declares_it(product: lakehouse.Product) -> None:
    product.upsert(ticks(1, null=True))
    assert [pq.read_schema(file).field("price").nullable for file in files_of(product)] == [True, True, False]
    prices = product.read("A").to_polars()["price"].to_list()
    assert prices == [1.0, None, 1.0, None, 1.0, 2.0]
