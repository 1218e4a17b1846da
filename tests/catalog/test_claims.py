"""Leases and intents as documents: what is newest counts, and what can not be read is an error."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.catalog.claims import (
    INTENTS,
    LEASES,
    Held,
    Intent,
    Lease,
    delete_lease,
    encode_intent,
    encode_lease,
    list_intents,
    list_leases,
)
from lakehouse.catalog.process import this_process
from lakehouse.errors import ConflictError, IntegrityError
from lakehouse.store import Entry, LocalStore, Store

TABLE = "partitions/market_data/bars/v1"


def lease(session: str, number: int) -> Lease:
    tables = {TABLE: Held(number, (1, 2))}
    return Lease(session, number, this_process(), "ada", "2024-01-02T00:00:00Z", 900.0, tables, ("m",))


def put(store: Store, *leases: Lease) -> None:
    for each in leases:
        store.put_if_absent(each.path, encode_lease(each))


def test_the_newest_renewal_of_each_session_counts(store: Store) -> None:
    put(store, *(lease("aa", number) for number in (9, 10, 11)), lease("bb", 1))
    assert list_leases(store) == {"aa": lease("aa", 11), "bb": lease("bb", 1)}


def test_a_deleted_lease_leaves_those_of_sessions_with_a_similar_name(store: Store) -> None:
    put(store, lease("aa", 1), lease("aa", 2), lease("aab", 1))
    delete_lease(store, "aa")
    assert list(list_leases(store)) == ["aab"]


class Churning(LocalStore):
    """Sessions end and renew between the listing of their leases and the look at them."""

    left, number = 3, 1

    def list(self, prefix: str) -> Iterator[Entry]:
        found = list(super().list(prefix))
        if prefix == LEASES and self.left:
            self.left -= 1
            self.number += 1
            put(self, lease("aa", self.number))
            for entry in found:
                self.delete(entry.path)
        return iter(found)


def test_a_lease_that_is_renewed_meanwhile_is_found_and_one_that_ended_is_not(store: Store) -> None:
    churning = Churning(store._root)  # type: ignore[attr-defined]
    put(churning, lease("aa", 1), lease("ended", 1))
    assert list_leases(churning) == {"aa": lease("aa", 4)}


def test_leases_that_never_stand_still_are_an_error(store: Store) -> None:
    churning = Churning(store._root)  # type: ignore[attr-defined]
    churning.left = 1_000
    put(churning, lease("aa", 1))
    with pytest.raises(ConflictError, match="change faster than they can be read"):
        list_leases(churning)


@pytest.mark.parametrize("name", ["x", "x.json", "x.y.json", "x.1.txt", ".1.json/x"])
def test_a_name_that_is_no_lease_is_an_error(store: Store, name: str) -> None:
    if name.startswith("."):
        name = f"a{name}"
    store.put_if_absent(f"{LEASES}/{name}", b"{}")
    with pytest.raises(IntegrityError, match="is no lease"):
        list_leases(store)


@pytest.mark.parametrize("table", ["partitions/a/b/v1/x", "../a/b/v1", "partitions/a/b/w1", ""])
def test_an_intent_for_what_is_no_table_is_an_error(store: Store, table: str) -> None:
    store.put_if_absent(f"{INTENTS}/x.json", encode_intent(Intent("aa", table)))
    with pytest.raises(IntegrityError, match="is no intent"):
        list_intents(store)


@given(since=st.none() | st.integers(0, 9), versions=st.sets(st.integers(0, 9)))
def test_a_lease_reads_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, since: int | None, versions: set[int]
) -> None:
    store = LocalStore(tmp_path_factory.mktemp("lake"))
    given_lease = dataclasses.replace(lease("aa", 1), tables={TABLE: Held(since, tuple(sorted(versions)))})
    put(store, given_lease)
    assert list_leases(store) == {"aa": given_lease}
