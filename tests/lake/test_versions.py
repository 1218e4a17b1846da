"""History, old versions, differences, restore, and contracts that grow."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import polars as pl
import pytest

import lakehouse
from lakehouse.errors import AlreadyExistsError, ContractError, NotFoundError

Bars = Callable[..., pl.DataFrame]


def test_history_tells_what_each_commit_did(product: lakehouse.Product, bars: Bars) -> None:
    product.upsert(
        bars(("IBM",), price=50.0), author="ada", source="vendor", message="restated", idempotency_key="fix-1"
    )
    newest, first, created = product.history()
    assert (created.operation, first.operation, newest.operation) == ("create", "append", "upsert")
    assert (newest.author, newest.source, newest.message, newest.idempotency_key) == (
        "ada",
        "vendor",
        "restated",
        "fix-1",
    )
    assert (newest.accepted, newest.removed, newest.rows) == (3, 3, 6)
    assert newest.digest == product.digest
    assert newest.version == product.version == 2


def test_an_idempotency_key_works_once(product: lakehouse.Product, bars: Bars) -> None:
    first = product.upsert(bars(("IBM",), price=50.0), idempotency_key="fix-1")
    again = product.upsert(bars(("IBM",), price=70.0), idempotency_key="fix-1")
    assert again.repeated
    assert not first.repeated
    assert dataclasses.replace(again, repeated=False) == first
    assert product.version == first.version


def test_a_key_is_still_known_after_a_checkpoint(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars
) -> None:
    product.append(bars(("AAPL",)), idempotency_key="load-1")
    for number in range(100):
        product.delete("NONE", message=str(number))
    fresh = lakehouse.open(lake.url)["market_data.bars_1m"]
    assert fresh.append(bars(("AAPL",)), idempotency_key="load-1").repeated


def test_differences_are_by_key(product: lakehouse.Product, bars: Bars) -> None:
    product.upsert(bars(("IBM",), days=1, price=50.0))
    product.append(bars(("AAPL",), days=2))
    product.delete("BRK/B")
    found = product.diff(1)
    assert found.added.to_polars()["symbol"].to_list() == ["AAPL", "AAPL"]
    assert found.removed.to_polars()["symbol"].to_list() == ["BRK/B"] * 3
    changed = found.changed.to_polars()
    assert changed.select("symbol", "open_before", "open_after").rows() == [("IBM", 100.0, 50.0)]
    assert not product.diff(2, 2)
    assert bool(found)


def test_differences_without_a_key_count_repeats(lake: lakehouse.Lake, bars: Bars) -> None:
    ticks = lake.create("market_data.ticks", like=bars(), key=())
    one = bars(("IBM",), days=1)
    ticks.append(pl.concat([one, one]))
    ticks.append(one)
    found = ticks.diff(1)
    assert (len(found.added), len(found.removed), len(found.changed)) == (1, 0, 0)


def test_a_version_that_is_not_there_is_named(product: lakehouse.Product) -> None:
    with pytest.raises(NotFoundError, match="no version 7: its versions are 0 to 1"):
        product.read(version=7)
    with pytest.raises(NotFoundError, match="no version -1"):
        product.read(version=-1)


def test_restore_is_a_commit_of_its_own(product: lakehouse.Product, bars: Bars) -> None:
    before = product.digest
    product.upsert(bars(price=50.0))
    product.restore(1)
    assert product.digest == before
    assert product.version == 3
    assert product.read(version=2).to_polars()["open"].unique().to_list() == [50.0]


def with_column(contract: lakehouse.Contract, version: str, column: lakehouse.Column) -> lakehouse.Contract:
    schema = dataclasses.replace(contract.schema, columns=(*contract.schema.columns, column))
    return dataclasses.replace(contract, version=version, schema=schema)


def test_a_new_nullable_column_is_null_in_old_rows(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars
) -> None:
    digest = product.digest
    grown = lake.apply(with_column(product.contract, "1.1.0", lakehouse.Column("vwap", "float64")))
    assert grown.digest == digest, "null adds nothing to the digest"
    grown.append(bars(("AAPL",)).with_columns(vwap=pl.lit(1.5)))
    rows = grown.read().to_polars()
    assert rows.group_by("symbol").agg(pl.col("vwap").first()).sort("symbol").rows() == [
        ("AAPL", 1.5),
        ("BRK/B", None),
        ("IBM", None),
    ]
    assert lake.sql("select count(vwap) as n from market_data.bars_1m").to_polars().item() == 3
    assert grown.verify().ok
    grown.upsert(bars(("IBM",), price=70.0).with_columns(vwap=pl.lit(2.5)))
    assert grown.read("IBM").to_polars()["vwap"].to_list() == [2.5] * 3
    assert grown.verify().ok


def test_a_writer_under_the_old_contract_is_told_so(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars
) -> None:
    grown = lake.apply(with_column(product.contract, "1.1.0", lakehouse.Column("vwap", "float64")))
    grown.append(bars(("AAPL",)).with_columns(vwap=pl.lit(1.5)))
    with pytest.raises(ContractError, match=r"is under contract 1\.1\.0, and this writer holds 1\.0\.0"):
        product.append(bars(("MSFT",)))


def test_a_breaking_change_needs_a_major_version_and_gets_a_table_of_its_own(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars
) -> None:
    lake.snapshot("before")
    required = with_column(product.contract, "1.1.0", lakehouse.Column("vwap", "float64", nullable=False))
    with pytest.raises(ContractError, match="vwap"):
        lake.apply(required)
    renewed = lake.apply(dataclasses.replace(required, version="2.0.0"))
    assert renewed.rows == 0
    renewed.append(bars().with_columns(vwap=pl.lit(1.0)))
    assert lake["market_data.bars_1m"].schema.names[-1] == "vwap"
    assert lake.product("market_data.bars_1m", major=1).rows == 6
    assert lake.checkout("before")["market_data.bars_1m"].schema.names[-1] == "volume"


def test_applying_the_same_contract_twice_changes_nothing(
    lake: lakehouse.Lake, product: lakehouse.Product
) -> None:
    assert lake.apply(product.contract).version == 1


def test_domains_have_owners_and_retention(lake: lakehouse.Lake) -> None:
    desk = lakehouse.Domain("market_data", owners=("ada",), description="Prices.", retention="10y")
    lake.add_domain(desk)
    lake.add_domain(desk)
    assert lake.domains() == [desk]
    with pytest.raises(AlreadyExistsError, match="market_data"):
        lake.add_domain(dataclasses.replace(desk, owners=("bob",)))
