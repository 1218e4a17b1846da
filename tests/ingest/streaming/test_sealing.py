"""Sealing: rules over many rows, keys, and what else happens to a product while rows are in its tail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lakehouse
from lakehouse.catalog.rule import Rule
from lakehouse.schema import Column

from .conftest import SCHEMA, START_NS, Ticks

if TYPE_CHECKING:
    from tests.conftest import S3Server


def test_a_rule_over_many_rows_flags_at_sealing_also_where_its_level_is_reject(
    make_ticks: Callable[..., Ticks],
) -> None:
    ticks = make_ticks(rules=(Rule("in_order", "monotonic_time", level="reject"),))
    with ticks.lake.stream(ticks.name) as stream:
        for number in (1, 3, 2, 4):
            stream.write(ticks.tick(number))
        assert ticks.tail() == [1, 3, 2, 4]
        commit = stream.seal()
    assert commit is not None
    assert (commit.accepted, commit.quarantined) == (3, 1)
    assert ticks.version() == [1, 3, 4]


def test_a_key_that_is_stored_with_other_values_flags_and_an_equal_row_is_a_duplicate(
    make_ticks: Callable[..., Ticks],
) -> None:
    ticks = make_ticks(schema=replace(SCHEMA, key=("symbol", "time")))
    ticks.product.append(ticks.frame([0, 1]))
    with ticks.lake.stream(ticks.name) as stream:
        stream.write(ticks.tick(0))
        stream.write(ticks.tick(1, price=7.0))
        stream.write(ticks.tick(2))
        stream.write(ticks.tick(2))
        stream.write(ticks.tick(3) | {"symbol": None})
        commit = stream.seal()
    assert commit is not None
    assert (commit.rows_in, commit.accepted, commit.quarantined, commit.duplicates) == (5, 1, 2, 2)
    assert ticks.version() == [0, 1, 2]
    bad = ticks.product.quarantine.read(commit.version).to_polars()
    assert bad["_broke_unique_key"].to_list() == [True, False]


def test_a_column_that_came_with_a_later_contract_is_null_in_earlier_rows(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        stream.write(ticks.tick(0))
        contract = ticks.product.contract
        wider = replace(SCHEMA, columns=(*SCHEMA.columns, Column("flag", "string")))
        ticks.lake.apply(replace(contract, version="1.1.0", schema=wider))
        ticks.product.append({name: [value] for name, value in _row(ticks, 1).items()})
        assert ticks.tail() == [0]
        stream.write(ticks.tick(2))
    assert ticks.version() == [0, 1, 2]
    assert ticks.product.read().to_polars()["flag"].to_list() == [None, "x", None]


def _row(ticks: Ticks, number: int) -> dict[str, object]:
    return ticks.frame([number]).to_dicts()[0] | {"flag": "x", "size": number}


def test_a_repeated_restore_does_not_bring_sealed_rows_back(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        stream.write(ticks.tick(0))
        stream.seal()
        stream.write(ticks.tick(1))
        stream.seal()
        ticks.product.restore(1)
        assert (ticks.version(), ticks.tail()) == ([0], [])
        stream.write(ticks.tick(2))
        assert (ticks.version(), ticks.tail()) == ([0], [2])
    assert ticks.version() == [0, 2]


def test_watermarks_outlive_a_checkpoint_of_the_log(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        stream.write(ticks.tick(0))
        stream.seal()
        before = dict(ticks.product.state().transactions)
        ticks.product.table.write_checkpoint()
        assert dict(ticks.product.state().transactions) == before
        assert list(before.values()) == [1]


def test_the_key_of_a_watermark_is_not_for_users(ticks: Ticks) -> None:
    with pytest.raises(ValueError, match="Not an idempotency key"):
        ticks.product.append(ticks.frame([0]), idempotency_key="tail:x")


def test_garbage_collection_and_doctor_leave_a_living_tail_alone(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        for number in range(3):
            stream.write(ticks.tick(number))
            stream.seal() if number == 1 else None
        ticks.lake.gc(dry_run=False, grace="0s", history="0s")
        assert ticks.lake.doctor().ok
        assert (ticks.version(), ticks.tail()) == ([0, 1], [2])
    assert ticks.version() == [0, 1, 2]


def test_rows_of_a_date_column_and_of_no_time_at_all_seal(make_ticks: Callable[..., Ticks]) -> None:
    columns = (Column("symbol", "string", nullable=False), Column("size", "int64"))
    ticks = make_ticks(schema=replace(SCHEMA, columns=columns, time=None), rules=())
    with ticks.lake.stream(ticks.name) as stream:
        stream.write({"symbol": "A", "size": START_NS})
        assert ticks.tail() == [START_NS]
    assert ticks.version() == [START_NS]


def test_snapshots_and_locks_seal_first(ticks: Ticks, tmp_path: Path) -> None:
    dead = ticks.lake.stream(ticks.name)
    dead.write(ticks.tick(0))
    dead.abandon()
    with ticks.lake.stream(ticks.name) as stream:
        stream.write(ticks.tick(1))
        ticks.lake.snapshot("now")
        stream.write(ticks.tick(2))
        assert ticks.sizes(ticks.lake.checkout("now")[ticks.name]) == [0, 1]
        lakehouse.open(ticks.lake.url).lock(tmp_path / "lake.lock")
        stream.write(ticks.tick(3))
        assert ticks.sizes(ticks.lake.checkout(tmp_path / "lake.lock")[ticks.name]) == [0, 1, 2]
        assert ticks.tail() == [3]


def test_the_tail_of_a_lake_in_a_bucket_is_local_until_it_is_sealed(
    s3_server: S3Server, ticks: Ticks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**s3_server.environment, "LAKEHOUSE_TAILS": str(tmp_path / "tails")}.items():
        monkeypatch.setenv(name, value)
    lake = lakehouse.open(f"s3://{s3_server.new_bucket()}/lake", create=True)
    lake.create(ticks.product.contract)
    remote = Ticks(lake)
    with lake.stream(remote.name) as stream:
        stream.write(remote.tick(0))
        assert remote.tail() == [0]
        assert [file.suffix for file in tmp_path.glob("tails/*/partitions/*/*/v1/_tail/*/*.log")] == [".log"]
        stream.seal()
        assert (remote.version(), remote.tail()) == ([0], [])
        stream.write(remote.tick(1))
    assert remote.version() == [0, 1]
    assert not any("_tail" in entry.path for entry in lake.store.list("partitions"))


def test_a_lake_that_is_made_anew_in_a_bucket_gets_no_rows_of_its_predecessor(
    s3_server: S3Server, ticks: Ticks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the lake of another server with a bucket of this name."""
    for name, value in {**s3_server.environment, "LAKEHOUSE_TAILS": str(tmp_path / "tails")}.items():
        monkeypatch.setenv(name, value)
    url = f"s3://{s3_server.new_bucket()}/lake"
    for made in range(2):
        remote = Ticks(lakehouse.open(url, create=True))
        remote.lake.create(ticks.product.contract)
        assert (remote.lake.seal(), remote.tail()) == ([], [])
        stream = remote.lake.stream(remote.name)
        stream.write(remote.tick(made))
        stream.abandon()  # as if its process had died
        for entry in list(remote.lake.store.list("")):
            remote.lake.store.delete(entry.path)
