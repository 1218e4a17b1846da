"""Several products under one name: all of it or no name, and a failed one says what landed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import polars as pl
import pytest

import lakehouse
from lakehouse.errors import (
    AlreadyExistsError,
    ArgumentError,
    ConflictError,
    KeyConflictError,
    NotFoundError,
    SchemaError,
    StorageError,
    TransactionError,
)
from lakehouse.ingest import verbs
from lakehouse.ingest.write import Provenance, commit_plan
from lakehouse.transaction import Transaction

Bars = Callable[..., pl.DataFrame]
Pair = tuple[lakehouse.Product, lakehouse.Product]
NAMES = ("market_data.a", "market_data.b")
KEY = ("symbol", "time")


@pytest.fixture
def pair(lake: lakehouse.Lake, bars: Bars) -> Pair:
    """Give two products of three days each, in version 1."""
    first, second = (lake.create(name, like=bars(), key=KEY) for name in NAMES)
    first.append(bars())
    second.append(bars())
    return first, second


@pytest.fixture
def after_check(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Give a function that lets something happen after the transaction was checked, before its commits."""
    check = Transaction._check

    def install(happen: Callable[[], object]) -> None:
        def checked(self: Transaction) -> None:
            check(self)
            happen()

        monkeypatch.setattr(Transaction, "_check", checked)

    return install


def versions(*products: lakehouse.Product) -> list[int]:
    return [product.version for product in products]


def load(
    lake: lakehouse.Lake, *writes: tuple[int, pl.DataFrame, str | None], name: str = "load"
) -> Transaction:
    """Append frames to products by their number, each under an idempotency key, in one transaction."""
    with lake.transaction(name, message="q3", author="ann") as transaction:
        for number, frame, key in writes:
            transaction[NAMES[number]].append(frame, idempotency_key=key)
    return transaction


def test_the_name_stands_for_what_the_transaction_wrote(lake: lakehouse.Lake, pair: Pair, bars: Bars) -> None:
    with lake.transaction("load", message="q3", author="ann") as transaction:
        transaction[NAMES[0]].append(bars(("X",)))
        transaction[NAMES[1]].upsert(bars(price=7.0))
        transaction[NAMES[0]].delete("IBM")
        assert versions(*pair) == [1, 1]
    assert [commit.operation for commit in transaction.commits] == ["append", "upsert", "delete"]
    pair[0].append(bars(("later",)))
    past = lake.checkout("load")
    assert past.digests == {NAMES[0]: transaction.commits[2].digest, NAMES[1]: transaction.commits[1].digest}
    assert sorted(past[NAMES[0]].read().to_polars()["symbol"].unique()) == ["BRK/B", "X"]
    record = pair[1].history()[0]
    assert (record.transaction, record.author, record.message) == ("load", "ann", "q3")


def test_other_products_are_named_at_their_present_versions(
    lake: lakehouse.Lake, pair: Pair, bars: Bars
) -> None:
    with lake.transaction("load", others=[NAMES[1]]) as transaction:
        transaction[NAMES[0]].append(bars(("X",)))
    assert lake.checkout("load").digests == {NAMES[0]: pair[0].digest, NAMES[1]: pair[1].digest}


def test_rows_pass_the_gate_in_the_block(lake: lakehouse.Lake, pair: Pair, bars: Bars) -> None:
    """So the error is that of the write itself, and the block that raises writes nothing."""
    with pytest.raises(SchemaError, match="time"):
        load(lake, (0, bars(("X",)), None), (1, bars(("X",)).drop("time"), None))
    assert versions(*pair) == [1, 1]
    assert lake.snapshots() == []


def test_a_key_that_conflicts_is_found_before_anything_is_written(
    lake: lakehouse.Lake, pair: Pair, bars: Bars
) -> None:
    with pytest.raises(KeyConflictError, match=r"market_data\.b"):
        load(lake, (0, bars(("X",)), None), (1, bars(price=30.0), None))
    assert versions(*pair) == [1, 1]


def test_what_landed_before_a_failure_is_taken_back(
    lake: lakehouse.Lake, pair: Pair, bars: Bars, after_check: Callable[..., None]
) -> None:
    before = pair[0].digest
    after_check(lambda: lakehouse.open(lake.url)[NAMES[1]].append(bars(("X",), price=10.0)))
    with pytest.raises(TransactionError, match=r"version 2 of market_data\.a was taken back by version 3"):
        load(lake, (0, bars(("X",)), None), (1, bars(("X",), price=20.0), None))
    assert pair[0].digest == before
    assert versions(*pair) == [3, 2]
    assert lake.snapshots() == []


def test_an_error_before_anything_landed_is_the_error_itself(
    lake: lakehouse.Lake, pair: Pair, bars: Bars, after_check: Callable[..., None]
) -> None:
    after_check(lambda: lakehouse.open(lake.url)[NAMES[0]].append(bars(("X",), price=10.0)))
    with pytest.raises(KeyConflictError, match=r"market_data\.a"):
        load(lake, (0, bars(("X",), price=20.0), None), (1, bars(("X",)), None))
    assert versions(*pair) == [2, 1]


def test_what_others_built_on_stays_and_is_reported(
    lake: lakehouse.Lake, pair: Pair, bars: Bars, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> object:
        lakehouse.open(lake.url)[NAMES[0]].append(bars(("Y",)))
        raise AlreadyExistsError("There is a snapshot 'load' already.")

    monkeypatch.setattr("lakehouse.transaction.snapshot_states", refuse)
    with pytest.raises(TransactionError, match=r"version 2 of market_data\.a stays: .* at version 3, not 2"):
        load(lake, (0, bars(("X",)), None))
    assert set(pair[0].read().to_polars()["symbol"]) == {"BRK/B", "IBM", "X", "Y"}


def test_a_repeated_write_is_named_and_never_taken_back(
    lake: lakehouse.Lake, pair: Pair, bars: Bars, after_check: Callable[..., None]
) -> None:
    done = pair[0].append(bars(("X",)), idempotency_key="feed-1")
    load(lake, (0, bars(("X",)), "feed-1"))
    assert lake.checkout("load").digests == {NAMES[0]: done.digest}
    after_check(lambda: lakehouse.open(lake.url)[NAMES[1]].append(bars(("X",), price=10.0)))
    with pytest.raises(TransactionError, match=r"market_data\.a was there already, and stays"):
        load(lake, (0, bars(("X",)), "feed-1"), (1, bars(("X",), price=20.0), None), name="again")
    assert pair[0].version == done.version


def test_a_name_that_is_taken_is_refused_before_the_block(lake: lakehouse.Lake, pair: Pair) -> None:
    lake.snapshot("load")
    with pytest.raises(AlreadyExistsError, match="'load'"):
        lake.transaction("load")


def test_a_transaction_that_writes_nothing_is_refused(lake: lakehouse.Lake) -> None:
    with pytest.raises(ArgumentError, match="has written nothing"):
        load(lake)


def test_a_transaction_is_used_once(lake: lakehouse.Lake, pair: Pair, bars: Bars) -> None:
    transaction = load(lake, (0, bars(("X",)), None))
    with pytest.raises(TransactionError, match="is over"):
        transaction[NAMES[0]].append(bars(("Y",)))
    with pytest.raises(TransactionError, match="is over"):
        transaction.__enter__()


def test_an_unknown_product_is_named_at_once(lake: lakehouse.Lake) -> None:
    with pytest.raises(NotFoundError, match="Unknown product"):
        lake.transaction("load")["market_data.c"]


def test_what_others_wrote_just_before_the_commit_is_not_taken_back_with_it(
    lake: lakehouse.Lake, pair: Pair, bars: Bars, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version before ours was once looked up before our commit: a write of others in between was lost."""
    calls: list[Any] = []

    def late(table: Any, *rest: Any) -> Any:
        calls.append(table)
        others = lakehouse.open(lake.url)
        if len(calls) == 1:
            commit_plan(others[NAMES[0]].table, *verbs_of(others, bars(("Y",))))
            return commit_plan(table, *rest)
        raise ConflictError("Others won.")

    def verbs_of(others: lakehouse.Lake, frame: pl.DataFrame) -> tuple[Any, ...]:
        made = verbs.append(others[NAMES[0]].table, others[NAMES[0]].contract, frame, Provenance())
        return made.prepared, made.provenance, made.operation, made.planner

    monkeypatch.setattr("lakehouse.ingest.verbs.commit_plan", late)
    with pytest.raises(TransactionError, match=r"version 3 of market_data\.a was taken back by version 4"):
        load(lake, (0, bars(("X",)), None), (1, bars(("X",)), None))
    assert set(pair[0].read().to_polars()["symbol"]) == {"BRK/B", "IBM", "Y"}


def test_several_writes_of_one_product_are_taken_back_together(
    lake: lakehouse.Lake, pair: Pair, bars: Bars, after_check: Callable[..., None]
) -> None:
    before = pair[0].digest
    after_check(lambda: lakehouse.open(lake.url)[NAMES[1]].append(bars(("X",), price=10.0)))
    with pytest.raises(TransactionError) as failed:
        load(lake, (0, bars(("X",)), None), (0, bars(("Y",)), None), (1, bars(("X",), price=20.0), None))
    assert "stays" not in failed.value.message
    assert pair[0].digest == before


def test_a_transaction_that_was_taken_back_can_be_repeated(
    lake: lakehouse.Lake, pair: Pair, bars: Bars, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its keys once counted as done, so that the second time reported success and wrote nothing."""
    with monkeypatch.context() as patch:
        patch.setattr("lakehouse.transaction.snapshot_states", Mock(side_effect=StorageError("full")))
        with pytest.raises(TransactionError, match="taken back"):
            load(lake, (0, bars(("X",)), "feed-1"))
    pair[0].table.write_checkpoint()
    commits = load(lakehouse.open(lake.url), (0, bars(("X",)), "feed-1")).commits
    assert not commits[0].repeated
    assert "X" in set(pair[0].read().to_polars()["symbol"])


def test_a_name_that_landed_although_the_disk_failed_does_not_outlive_the_transaction(
    lake: lakehouse.Lake, pair: Pair, bars: Bars, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commits were taken back, and the name of what had failed stood all the same."""
    put = type(lake.store).put_if_absent

    def failing(self: Any, path: str, data: bytes) -> None:
        put(self, path, data)
        if path == "catalog/snapshots/load.json":
            raise StorageError("The folder could not be synced.")

    with monkeypatch.context() as patch:
        patch.setattr(type(lake.store), "put_if_absent", failing)
        with pytest.raises(TransactionError, match="publishes no name"):
            load(lake, (0, bars(("X",)), None))
    assert lake.snapshots() == []
    assert load(lake, (0, bars(("X",)), None)).snapshot is not None
