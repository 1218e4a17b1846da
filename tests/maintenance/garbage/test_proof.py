"""The second look: dead is only what the log itself calls dead, and what no root reaches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lakehouse
from lakehouse.catalog.session import session_of
from lakehouse.maintenance.proof import proven_dead
from lakehouse.maintenance.sessions import fence

NAME = "market_data.ticks"
TABLE = "partitions/market_data/ticks/v1"

Act = Callable[..., Any]


@pytest.fixture
def old(lake: lakehouse.Lake) -> set[str]:
    """Give the files of version 1, which the head does not have, at a lake that holds none of them."""
    files = {file.path for file in lake[NAME].state(version=1).files}
    session_of(lake.store).release()
    return files


def test_what_an_entry_removed_is_dead(lake: lakehouse.Lake, old: set[str]) -> None:
    assert proven_dead(lake.store, old, {}) == old


def test_what_the_history_has_is_not(lake: lakehouse.Lake, old: set[str]) -> None:
    assert proven_dead(lake.store, old, {TABLE: 1}) == set()


def test_what_the_head_has_is_not(lake: lakehouse.Lake) -> None:
    live = {file.path for file in lake[NAME].state().files}
    assert proven_dead(lake.store, live, {}) == set()


def test_what_a_snapshot_has_is_not(lake: lakehouse.Lake, old: set[str]) -> None:
    lake.snapshot("s", {NAME: 1})
    session_of(lake.store).release()
    assert proven_dead(lake.store, old, {}) == set()


def test_what_a_lease_names_is_not(lake: lakehouse.Lake, old: set[str], root: Path) -> None:
    reader = lakehouse.open(root)
    held = reader[NAME].scan(version=1)
    assert proven_dead(lake.store, old, {}) == set()
    session_of(reader.store).release()
    assert proven_dead(lake.store, old, {}) == old
    assert held.read().num_rows == 4


def test_a_file_of_which_the_log_knows_nothing_is_not(lake: lakehouse.Lake) -> None:
    unknown = {f"{TABLE}/part-00-1.parquet", f"{TABLE}/mine.parquet", f"{TABLE}/_quarantine/00-1.parquet"}
    assert proven_dead(lake.store, unknown, {}) == set()


def test_a_file_of_a_fenced_session_that_no_commit_names_is(lake: lakehouse.Lake) -> None:
    fence(lake[NAME].table, "00", author="ada")
    unknown = {
        f"{TABLE}/part-00-1.parquet",
        f"{TABLE}/part-01-1.parquet",
        f"{TABLE}/_quarantine/00-1.parquet",
    }
    assert proven_dead(lake.store, unknown, {}) == unknown - {f"{TABLE}/part-01-1.parquet"}


@pytest.mark.parametrize("version", [0, 1, 2])
def test_what_can_not_be_read_proves_nothing(
    lake: lakehouse.Lake, old: set[str], root: Path, version: int
) -> None:
    (root / f"{TABLE}/_delta_log/{version:020}.json").write_text("{torn")
    assert proven_dead(lake.store, old, {TABLE: 0}) == set()
