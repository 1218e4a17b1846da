"""Every table that the lake writes reads the same through deltalake, polars and DuckDB."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import polars as pl
import polars.testing
import pytest

import lakehouse
from lakehouse.catalog.contract import Contract
from lakehouse.names import ProductName
from lakehouse.partitions import replay
from lakehouse.schema import SEQUENCE, TYPES, Column, TableSchema
from lakehouse.times import NS_PER_DAY

SYMBOLS = ["BRK/B", "BTC-USD", "日経225", "NA", "ibm", "IBM", "A B%C=D", "..", "con"]
LAYOUTS = [
    "date=none,symbol=row_groups",
    "date=day,symbol=row_groups",
    "date=month,symbol=identity",
    "date=year,symbol=bucket(4)",
    "date=none,symbol=identity",
    "date=day,symbol=bucket(2)",
]
Reader = Callable[[lakehouse.Product], pl.DataFrame]


def table_url(product: lakehouse.Product) -> str:
    return f"{product.table.store.url}/{product.table.path}"


def by_deltalake(product: lakehouse.Product) -> pl.DataFrame:
    return pl.DataFrame(deltalake.DeltaTable(table_url(product)).to_pyarrow_table())


def by_polars(product: lakehouse.Product) -> pl.DataFrame:
    return pl.read_delta(table_url(product))


def by_duckdb(product: lakehouse.Product) -> pl.DataFrame:
    """Read the files that deltalake says are live, knowing nothing of the lake."""
    files = deltalake.DeltaTable(table_url(product)).file_uris()
    with duckdb.connect() as connection:
        query = "from read_parquet($1, hive_partitioning = false, union_by_name = true)"
        found: pl.DataFrame = connection.sql(query, params=[files]).pl()
        return found


def normal(product: lakehouse.Product, frame: pl.DataFrame) -> pl.DataFrame:
    """Bring rows to the order and the stored types of the lake; its own partition columns go."""
    schema = product.schema
    frame = frame.sort(schema.sort_columns, maintain_order=True).select(schema.names)
    times = [column.name for column in schema.columns if TYPES[column.type].logical == "timestamp"]
    nanoseconds = [
        pl.col(name) if frame[name].dtype == pl.Int64 else pl.col(name).dt.epoch("ns") for name in times
    ]
    return frame.with_columns(nanoseconds)


def assert_all_read_the_same(product: lakehouse.Product) -> None:
    expected = product.read().to_polars()
    for column in product.schema.columns:
        if TYPES[column.type].logical == "timestamp":
            expected = expected.with_columns(pl.col(column.name).dt.epoch("ns"))
    for reader in (by_deltalake, by_polars, by_duckdb):
        found = normal(product, reader(product))
        polars.testing.assert_frame_equal(found, expected, check_exact=True, check_dtypes=True)


def ticks(days: range, price: float = 1.0, symbols: list[str] = SYMBOLS) -> pl.DataFrame:
    """Give two rows of one instant, one nanosecond past the hour, for each symbol and day."""
    rows = [
        (symbol, day * NS_PER_DAY + 3_600_000_000_001, price * copy + day, copy)
        for day in days
        for symbol in symbols
        for copy in (2, 1)
    ]
    schema = {"symbol": pl.String, "time": pl.Int64, "price": pl.Float64, "size": pl.Int32}
    return pl.DataFrame(rows, schema, orient="row").with_columns(
        pl.col("time").cast(pl.Datetime("ns", "UTC"))
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("keyed", [True, False], ids=["keyed", "keyless"])
def test_all_readers_agree_after_every_operation(lake: lakehouse.Lake, layout: str, keyed: bool) -> None:
    key = ("symbol", "time", "size") if keyed else ()
    product = lake.create("market_data.ticks", like=ticks(range(1)), key=key, layout=layout)
    product.append(ticks(range(0, 400, 40)))
    assert_all_read_the_same(product)
    product.upsert(ticks(range(120, 250, 40), 7.0, SYMBOLS[:4]))
    product.update(ticks(range(290, 300), 9.0, ["日経225"]))
    assert_all_read_the_same(product)
    product.delete("BRK/B", start=100 * NS_PER_DAY, end=250 * NS_PER_DAY)
    product.delete(["NA", "ibm"])
    assert_all_read_the_same(product)
    product.restore(2)
    assert_all_read_the_same(product)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_strange_symbols_survive_in_every_layout(lake: lakehouse.Lake, layout: str) -> None:
    product = lake.create("market_data.ticks", like=ticks(range(1)), key=(), layout=layout)
    product.append(ticks(range(3)))
    for read in (by_deltalake, by_polars, by_duckdb):
        counts = dict(read(product).group_by("symbol").len().rows())
        assert counts == dict.fromkeys(SYMBOLS, 6)
    for symbol in SYMBOLS:
        assert product.read(symbol).num_rows == 6


def test_every_type_is_the_same_for_every_reader(lake: lakehouse.Lake) -> None:
    names = {"bool": "b", "date": "d", "timestamp[us]": "us", "timestamp[ns]": "ns"}
    kinds = [kind for kind in TYPES if kind != "string"]
    columns = [Column(names.get(kind, kind), kind) for kind in kinds]
    ends = (Column("symbol", "string", nullable=False), Column("time", "timestamp[us]", nullable=False))
    schema = TableSchema((*ends, *columns, Column("text", "string")), symbol="symbol", time="time")
    product = lake.create(Contract(ProductName.parse("features.types"), "1.0.0", schema))
    instants = pl.Series([0, 1, -1, 1_700_000_000_123_456], dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    values: dict[str, Any] = {
        "symbol": ["A", "A", "NA", "A"],
        "time": instants,
        "text": ["", None, "NA", "é"],
    }
    values |= {f"int{bits}": [2 ** (bits - 1) - 1, None, -(2 ** (bits - 1)), 0] for bits in (8, 16, 32, 64)}
    values |= {f"float{bits}": [float("nan"), None, -0.0, float("-inf")] for bits in (32, 64)}
    values |= {
        "b": [True, None, False, True],
        "d": [date(1969, 12, 31), None, date(2262, 1, 1), date(2024, 2, 29)],
    }
    values |= {
        "us": instants,
        "ns": pl.Series([1, None, -1, 2**62], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")),
    }
    overrides = {
        f"{kind}{bits}": getattr(pl, f"{kind.title()}{bits}")
        for kind, bits in (("int", 8), ("int", 16), ("int", 32), ("float", 32))
    }
    product.append(pl.DataFrame(values, schema_overrides=overrides))
    assert_all_read_the_same(product)


def test_a_product_of_dates_reads_the_same(lake: lakehouse.Lake) -> None:
    days = [date(2023, 12, 28) + timedelta(days=day) for day in range(8)]
    frame = pl.DataFrame({"symbol": ["IBM"] * 8, "date": days, "close": [float(day) for day in range(8)]})
    product = lake.create(
        "market_data.closes", like=frame, key=("symbol", "date"), layout="date=year,symbol=identity"
    )
    product.append(frame)
    product.upsert(frame.with_columns(close=pl.col("close") * 2).tail(3))
    assert_all_read_the_same(product)


def test_columns_of_a_later_contract_are_null_in_old_files_for_every_reader(lake: lakehouse.Lake) -> None:
    product = lake.create(
        "market_data.ticks", like=ticks(range(1)), key=(), layout="date=month,symbol=row_groups"
    )
    product.append(ticks(range(2)))
    schema = product.contract.schema
    wider = TableSchema((*schema.columns, Column("venue", "string")), schema.symbol, schema.time, schema.key)
    contract = product.contract
    later = lake.apply(Contract(contract.name, "1.1.0", wider, contract.owners, layout=contract.layout))
    later.append(ticks(range(50, 52)).with_columns(venue=pl.lit("XTKS")))
    assert later.read().to_polars()["venue"].null_count() == 36
    assert_all_read_the_same(later)


def test_all_readers_agree_across_a_checkpoint(lake: lakehouse.Lake) -> None:
    product = lake.create(
        "market_data.ticks", like=ticks(range(1)), key=(), layout="date=month,symbol=identity"
    )
    for day in range(101):
        product.append(ticks(range(day, day + 1), symbols=["NA", "日経225"]))
    product.delete("NA", end=50 * NS_PER_DAY)
    assert (Path(table_url(product)) / "_delta_log" / f"{100:020}.checkpoint.parquet").exists()
    assert_all_read_the_same(product)
    fresh = lakehouse.open(lake.url)["market_data.ticks"]
    assert (fresh.version, fresh.digest, fresh.rows) == (102, product.digest, product.rows)
    assert fresh.verify().ok
    assert_all_read_the_same(fresh)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_log_may_be_lost_up_to_its_checkpoint(
    lake: lakehouse.Lake, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A foreign clean-up may delete log entries that a checkpoint covers: head, rows and digest stay."""
    monkeypatch.setattr(replay, "CHECKPOINT_EVERY", 5)
    product = lake.create("market_data.ticks", like=ticks(range(1)), key=(), layout=layout)
    for day in range(5):
        product.append(ticks(range(day, day + 1)))
    product.delete(["NA", "BRK/B"], end=2 * NS_PER_DAY)
    for entry in sorted((Path(table_url(product)) / "_delta_log").glob("*.json"))[:5]:
        entry.unlink()
    fresh = lakehouse.open(lake.url)["market_data.ticks"]
    assert (fresh.version, fresh.digest) == (6, product.digest)
    fresh.append(ticks(range(9, 10)))
    assert (fresh.version, fresh.verify().ok) == (7, True)
    assert_all_read_the_same(fresh)


def test_the_sequence_is_a_column_that_foreign_readers_see(lake: lakehouse.Lake) -> None:
    product = lake.create("market_data.ticks", like=ticks(range(1)), key=(), layout=LAYOUTS[0])
    product.append(ticks(range(1), symbols=["NA"]))
    assert by_deltalake(product).sort(SEQUENCE).select("size", SEQUENCE).rows() == [(2, 0), (1, 1)]
