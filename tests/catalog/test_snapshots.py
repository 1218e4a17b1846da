from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pytest

from lakehouse.catalog.pinned import read_manifest
from lakehouse.catalog.snapshots import list_snapshots, load_snapshot, publish_snapshot, snapshot_names
from lakehouse.errors import AlreadyExistsError, ArgumentError, IntegrityError, NotFoundError
from lakehouse.names import ProductName
from lakehouse.store import Store

BARS, TRADES = ProductName("market_data", "bars"), ProductName("market_data", "trades")
MANIFEST = b"the files of a version"


@dataclass(frozen=True)
class Facts:
    major: int = 1
    version: int = 7
    contract_version: str = "1.0.0"
    rows: int = 5
    digest: str = "ab" * 16


def test_a_snapshot_comes_back_with_its_manifests(store: Store) -> None:
    products = {TRADES: (Facts(version=3), b"other"), BARS: (Facts(), MANIFEST)}
    made = publish_snapshot(store, "2026-q3", products, author="ada", message="for the paper")
    found = load_snapshot(store, "2026-q3")
    assert found == made
    assert [product.name for product in found.products] == [BARS, TRADES]
    assert read_manifest(store, found[BARS]) == MANIFEST
    assert (found.author, found.message, found[TRADES].version) == ("ada", "for the paper", 3)


def test_a_manifest_is_named_by_its_content(store: Store) -> None:
    made = publish_snapshot(store, "q3", {BARS: (Facts(), MANIFEST)}, author="ada")
    sha256 = hashlib.sha256(MANIFEST).hexdigest()
    assert made[BARS].manifest == f"catalog/snapshots/q3/market_data.bars.{sha256[:12]}.parquet"
    assert made[BARS].manifest_sha256 == sha256


def test_a_name_is_given_once(store: Store) -> None:
    made = publish_snapshot(store, "q3", {BARS: (Facts(), MANIFEST)}, author="ada")
    for name in ("q3", "Q3"):
        with pytest.raises(AlreadyExistsError, match="There is a snapshot 'q3' already"):
            publish_snapshot(store, name, {BARS: (Facts(version=8), b"new")}, author="eve")
    assert load_snapshot(store, "q3") == made


def test_an_attempt_that_crashed_does_not_block_the_name(store: Store) -> None:
    sha256 = hashlib.sha256(MANIFEST).hexdigest()
    store.put_if_absent(f"catalog/snapshots/q3/market_data.bars.{sha256[:12]}.parquet", MANIFEST)
    store.put_if_absent("catalog/snapshots/q3/market_data.bars.000000000000.parquet", b"an older try")
    assert snapshot_names(store) == ()
    publish_snapshot(store, "q3", {BARS: (Facts(), MANIFEST)}, author="ada")
    assert read_manifest(store, load_snapshot(store, "q3")[BARS]) == MANIFEST


def test_other_bytes_under_the_name_of_a_manifest_are_noticed(store: Store) -> None:
    sha256 = hashlib.sha256(MANIFEST).hexdigest()
    store.put_if_absent(f"catalog/snapshots/q3/market_data.bars.{sha256[:12]}.parquet", b"something else")
    with pytest.raises(IntegrityError, match="is not the one that was pinned"):
        publish_snapshot(store, "q3", {BARS: (Facts(), MANIFEST)}, author="ada")
    assert snapshot_names(store) == ()


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", "con", "a b", "x" * 101, "end."])
def test_a_name_that_some_disk_refuses_is_refused(store: Store, name: str) -> None:
    with pytest.raises(ArgumentError, match="Not a name for a snapshot"):
        publish_snapshot(store, name, {BARS: (Facts(), MANIFEST)}, author="ada")
    with pytest.raises(ArgumentError, match="Not a name for a snapshot"):
        load_snapshot(store, name)


def test_a_snapshot_of_nothing_is_refused(store: Store) -> None:
    with pytest.raises(ArgumentError, match="at least one product"):
        publish_snapshot(store, "q3", {}, author="ada")


def test_snapshots_are_listed_oldest_first(store: Store) -> None:
    for name in ("b", "c", "a"):
        publish_snapshot(store, name, {BARS: (Facts(), MANIFEST)}, author="ada")
    assert [snapshot.name for snapshot in list_snapshots(store)] == ["b", "c", "a"]
    assert snapshot_names(store) == ("a", "b", "c")


def test_an_unknown_snapshot_names_the_known_ones(store: Store) -> None:
    made = publish_snapshot(store, "2026-q3", {BARS: (Facts(), MANIFEST)}, author="ada")
    with pytest.raises(NotFoundError, match=r"Unknown snapshot '2026-q4'.*\n.*2026-q3"):
        load_snapshot(store, "2026-q4")
    with pytest.raises(NotFoundError, match=r"Unknown product of snapshot 2026-q3: 'market_data.trades'"):
        made[TRADES]


def test_a_missing_or_changed_manifest_is_an_integrity_error(store: Store) -> None:
    product = publish_snapshot(store, "q3", {BARS: (Facts(), MANIFEST)}, author="ada")[BARS]
    store.delete(product.manifest)
    with pytest.raises(IntegrityError, match=r"of market_data.bars is missing"):
        read_manifest(store, product)
    store.put_if_absent(product.manifest, b"forged")
    with pytest.raises(IntegrityError, match="is not the one that was pinned"):
        read_manifest(store, product)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"rows": 5', b'"rows": "5"'),
        (b'"rows": 5', b'"lines": 5'),
        (b'"name": "q3"', b'"name": "q4"'),
        (b'"catalog/snapshots/q3/', b'"../'),
        (b"market_data.bars", b"BARS"),
        (b'"ada"', b"null"),
        (b"}", b""),
    ],
)
def test_a_broken_document_is_an_integrity_error(store: Store, old: bytes, new: bytes) -> None:
    publish_snapshot(store, "q3", {BARS: (Facts(), MANIFEST)}, author="ada")
    data = store.get("catalog/snapshots/q3.json")
    store.delete("catalog/snapshots/q3.json")
    store.put_if_absent("catalog/snapshots/q3.json", data.replace(old, new, 1))
    with pytest.raises(IntegrityError, match=r"catalog/snapshots/q3\.json"):
        load_snapshot(store, "q3")


def test_an_author_whose_name_is_no_unicode_is_kept_readable(store: Store) -> None:
    made = publish_snapshot(store, "q3", {BARS: (Facts(), MANIFEST)}, author="ad\udce4", message="é")
    assert load_snapshot(store, "q3") == made
    assert (made.author, made.message) == ("ad?", "é")
