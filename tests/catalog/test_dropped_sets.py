"""A snapshot or pin that is dropped leaves its document and a tombstone, and its name is never used again."""

from __future__ import annotations

import pytest

from lakehouse.catalog import pins, snapshots
from lakehouse.catalog.pinned import dropped_names
from lakehouse.catalog.snapshots import drop_snapshot, list_snapshots, load_snapshot, publish_snapshot
from lakehouse.errors import AlreadyExistsError, ArgumentError, NotFoundError
from lakehouse.names import ProductName
from lakehouse.store import Store

NAME = ProductName("market_data", "bars")


class Facts:
    major, version, contract_version, rows, digest = 1, 3, "1.0.0", 10, "0" * 32


PRODUCTS = {NAME: (Facts(), b"manifest")}


def make(store: Store, name: str = "q3") -> None:
    publish_snapshot(store, name, PRODUCTS, author="ada")


def test_a_dropped_snapshot_is_gone_and_says_who_dropped_it(store: Store) -> None:
    make(store)
    drop_snapshot(store, "q3", author="grace", message="too large")
    assert list_snapshots(store) == []
    with pytest.raises(NotFoundError, match=r"'q3' was dropped by grace at 20.*: too large"):
        load_snapshot(store, "q3")


def test_its_document_stays(store: Store) -> None:
    make(store)
    before = store.get("catalog/snapshots/q3.json")
    drop_snapshot(store, "q3", author="grace", message="")
    assert store.get("catalog/snapshots/q3.json") == before
    assert dropped_names(store, snapshots.FOLDER) == ("q3",)


@pytest.mark.parametrize("name", ["q3", "Q3"])
def test_a_dropped_name_is_never_used_again(store: Store, name: str) -> None:
    make(store)
    drop_snapshot(store, "q3", author="grace", message="")
    with pytest.raises(AlreadyExistsError, match="dropped name stays taken"):
        make(store, name)


def test_what_was_dropped_can_not_be_dropped_again(store: Store) -> None:
    make(store)
    drop_snapshot(store, "q3", author="grace", message="")
    with pytest.raises(NotFoundError, match="dropped by grace"):
        drop_snapshot(store, "q3", author="ada", message="")


def test_what_never_was_can_not_be_dropped(store: Store) -> None:
    with pytest.raises(NotFoundError, match="Unknown snapshot"):
        drop_snapshot(store, "q3", author="grace", message="")
    assert list(store.list(snapshots.FOLDER)) == []


def test_no_snapshot_takes_the_name_of_a_tombstone(store: Store) -> None:
    with pytest.raises(ArgumentError, match=r"must not end in \.dropped"):
        make(store, "q3.dropped")


def test_a_dropped_pin_says_so_where_its_lock_is_read(store: Store) -> None:
    pin = pins.publish_pin(store, PRODUCTS, author="ada")
    pins.check_pin(store, pin.id)
    pins.drop_pin(store, pin.id, author="grace", message="paper withdrawn")
    with pytest.raises(NotFoundError, match=r"dropped by grace at .*: paper withdrawn"):
        pins.check_pin(store, pin.id)
    assert pins.list_pins(store) == ()
