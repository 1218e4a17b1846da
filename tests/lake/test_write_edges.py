"""Writes whose rows were all refused, keys without a time, and products that nobody has written."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

import lakehouse
from lakehouse.catalog.rule import Rule
from lakehouse.errors import ArgumentError, KeyConflictError
from lakehouse.partitions.parquet_files import write_data_files
from lakehouse.times import NS_PER_DAY

Bars = Callable[..., pl.DataFrame]

POSITIVE = (Rule("price_positive", "positive", ("price",), {}),)


def fills(*rows: tuple[str, int, float], symbol: str = "A") -> pl.DataFrame:
    """Make fills of (id, day, price)."""
    times = pl.Series([row[1] * NS_PER_DAY for row in rows], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))
    values = {"fill_id": [row[0] for row in rows], "price": [row[2] for row in rows]}
    return pl.DataFrame({"symbol": [symbol] * len(rows), "time": times, **values})


@pytest.fixture
def by_id(lake: lakehouse.Lake) -> lakehouse.Product:
    """Give a product whose key is neither symbol nor time, with one row in version 1."""
    made = lake.create("operations.fills", like=fills(("x", 0, 1.0)), key=("fill_id",))
    made.append(fills(("x", 0, 1.0)))
    return made


def rows_of(product: lakehouse.Product) -> list[tuple[object, ...]]:
    return product.read(columns=["symbol", "fill_id", "price"]).to_polars().rows()


@pytest.mark.parametrize("far", [fills(("x", 400, 2.0)), fills(("x", 0, 2.0), symbol="B")])
def test_a_key_is_unique_over_all_times_and_symbols(by_id: lakehouse.Product, far: pl.DataFrame) -> None:
    with pytest.raises(KeyConflictError, match="fill_id=x"):
        by_id.append(far)
    with pytest.raises(KeyConflictError, match="fill_id=x"):
        by_id.update(far)
    commit = by_id.upsert(far)
    assert (commit.accepted, commit.removed) == (1, 1)
    assert rows_of(by_id) == far.select("symbol", "fill_id", "price").rows()


def test_a_key_that_moved_within_the_updated_range_is_replaced(by_id: lakehouse.Product) -> None:
    commit = by_id.update(fills(("x", 5, 3.0)), start="1970-01-01", end="1970-02-01")
    assert (commit.accepted, commit.removed) == (1, 1)
    assert rows_of(by_id) == [("A", "x", 3.0)]


def test_a_writer_of_a_far_time_sees_a_key_that_landed_after_its_plan(
    by_id: lakehouse.Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = lakehouse.open(by_id.table.store.url)["operations.fills"]

    def land_between(*planned: object, writer: str) -> object:
        monkeypatch.undo()
        other.append(fills(("y", 900, 2.0)))
        return write_data_files(*planned, writer=writer)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr("lakehouse.ingest.write.write_data_files", land_between)
    with pytest.raises(KeyConflictError, match="fill_id=y"):
        by_id.append(fills(("y", 0, 1.0)))
    assert by_id.rows == 2


@pytest.mark.parametrize("verb", ["append", "upsert", "update"])
@pytest.mark.parametrize("roles", ["symbol and time", "time", "symbol", "none"])
def test_a_write_whose_rows_were_all_refused_takes_nothing_out(
    lake: lakehouse.Lake, verb: str, roles: str
) -> None:
    """Without a symbol column it emptied the product: what no row was named by stood for all rows."""
    missing = {"symbol and time": [], "time": ["symbol"], "symbol": ["time"], "none": ["symbol", "time"]}
    good = fills(("x", 0, 1.0), ("y", 1, 2.0)).drop(missing[roles])
    product = lake.create("operations.fills", like=good, key=(), rules=POSITIVE)
    product.append(good)
    bad = good.with_columns(price=-pl.col("price"))
    if verb == "update" and "time" in missing[roles]:
        with pytest.raises(ArgumentError, match="no time column"):
            product.update(bad)
        return
    commit = getattr(product, verb)(bad)
    assert (commit.accepted, commit.quarantined, commit.removed) == (0, 2, 0)
    assert product.rows == 2
    assert product.digest == product.history()[1].digest


def test_an_update_of_a_range_with_refused_rows_alone_keeps_the_range(lake: lakehouse.Lake) -> None:
    good = fills(("x", 0, 1.0), ("y", 1, 2.0)).drop("symbol")
    product = lake.create("operations.fills", like=good, key=(), rules=POSITIVE)
    product.append(good)
    commit = product.update(good.with_columns(price=pl.lit(-1.0)), start="1970-01-01", end="1971-01-01")
    assert (commit.quarantined, commit.removed, product.rows) == (2, 0, 2)


def test_a_delete_from_a_product_that_nobody_wrote_is_an_empty_commit(
    lake: lakehouse.Lake, bars: Bars
) -> None:
    product = lake.create("market_data.bars_1m", like=bars())
    commit = product.delete("IBM")
    assert (commit.version, commit.removed, product.rows) == (1, 0, 0)
    assert product.append(bars()).rows == 6


def test_a_first_write_that_is_refused_leaves_no_table(lake: lakehouse.Lake, bars: Bars) -> None:
    product = lake.create("market_data.bars_1m", like=bars())
    with pytest.raises(ArgumentError, match="outside"):
        product.update(bars(), start="2030-01-01", end="2031-01-01")
    assert list(lake.store.list("partitions")) == []
    assert product.history() == []
