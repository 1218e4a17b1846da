"""A final list belongs to one run of a collector, until that run is proven to be over."""

from __future__ import annotations

import dataclasses
import multiprocessing
from pathlib import Path

import pytest

from lakehouse.catalog import condemned as lists
from lakehouse.catalog.condemned import (
    collecting,
    files_being_deleted,
    list_condemned,
    lists_of_strangers,
    mark_final,
    publish_condemned,
    remove_condemned,
    remove_stray_marks,
)
from lakehouse.catalog.process import this_process
from lakehouse.errors import IntegrityError
from lakehouse.store import LocalStore, Store

FILE = "partitions/a/b/v1/part-0-1.parquet"


@pytest.fixture
def condemned(store: Store) -> lists.Condemned:
    return publish_condemned(store, [FILE], {}, author="ada")


def test_a_list_is_read_as_it_was_published(store: Store, condemned: lists.Condemned) -> None:
    assert list_condemned(store) == [condemned]
    assert condemned.age_ns >= 0


def test_files_are_being_deleted_from_the_mark_to_the_end(store: Store, condemned: lists.Condemned) -> None:
    assert not files_being_deleted(store)
    with collecting() as run:
        assert mark_final(store, condemned, run=run, author="ada")
        assert files_being_deleted(store) == {FILE}
        remove_condemned(store, condemned)
    assert not files_being_deleted(store)
    assert not list(store.list(lists.FOLDER))


def test_a_second_run_may_not_work_on_the_list_of_a_first(store: Store, condemned: lists.Condemned) -> None:
    with collecting() as first, collecting() as second:
        assert mark_final(store, condemned, run=first, author="ada")
        assert not mark_final(store, condemned, run=second, author="bob")


def test_a_run_that_is_over_is_followed_by_the_next_of_its_process(
    store: Store, condemned: lists.Condemned
) -> None:
    with collecting() as first:
        assert mark_final(store, condemned, run=first, author="ada")
    with collecting() as second:
        assert mark_final(store, condemned, run=second, author="bob")


def _mark_and_end(url: str) -> None:
    store = LocalStore(Path(url))
    (condemned,) = list_condemned(store)
    with collecting() as run:
        assert mark_final(store, condemned, run=run, author="child")


def test_only_one_run_follows_a_process_that_ended(store: Store, condemned: lists.Condemned) -> None:
    child = multiprocessing.get_context("spawn").Process(target=_mark_and_end, args=(store.url,))
    child.start()
    child.join()
    assert child.exitcode == 0
    with collecting() as second, collecting() as third:
        assert mark_final(store, condemned, run=second, author="ada")
        assert not mark_final(store, condemned, run=third, author="bob")
        remove_condemned(store, condemned)
    assert not list(store.list(lists.FOLDER))


def test_a_list_that_was_worked_off_can_not_be_marked(store: Store, condemned: lists.Condemned) -> None:
    remove_condemned(store, condemned)
    with collecting() as run:
        assert not mark_final(store, condemned, run=run, author="ada")
    assert not list(store.list(lists.FOLDER))


def test_marks_whose_list_is_gone_are_cleared_away(store: Store, condemned: lists.Condemned) -> None:
    with collecting() as run:
        assert mark_final(store, condemned, run=run, author="ada")
    store.delete(condemned.path)
    remove_stray_marks(store)
    assert not list(store.list(lists.FOLDER))


def test_the_list_of_a_collector_on_another_machine_is_a_strangers(
    store: Store, condemned: lists.Condemned, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = dataclasses.replace(this_process(), machine="other pid:[1]")
    monkeypatch.setattr(lists, "this_process", lambda: elsewhere)
    with collecting() as run:
        assert mark_final(store, condemned, run=run, author="ada")
    monkeypatch.undo()
    assert lists_of_strangers(store) == {condemned.id}
    with collecting() as run:
        assert not mark_final(store, condemned, run=run, author="bob")


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '{"format": 1, "id": 1}'])
def test_a_broken_list_is_an_error_and_not_an_empty_one(store: Store, text: str) -> None:
    store.put_if_absent(f"{lists.FOLDER}/x.json", text.encode())
    with pytest.raises(IntegrityError):
        list_condemned(store)
