"""Restore explains first, and takes versions, snapshots and locks, whose manifests need no log."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lakehouse
from lakehouse.errors import ArgumentError, ContractError, IntegrityError, NotFoundError
from lakehouse.partitions.layout import Layout

NAME = "market_data.ticks"
APPENDS = [[("A", 0, 1), ("B", 9, 2)], [("A", 35, 3)]]

Make = Callable[..., lakehouse.Product]


def test_a_dry_run_says_what_would_come_and_go(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    made.delete("A", "1970-01-01", "1970-02-01")
    report = lake.restore(NAME, 2)

    assert (report.to, report.to_version, report.version, report.commit) == ("version 2", 2, 3, None)
    assert (report.files_come, report.rows_come, report.files_go, report.rows_go) == (1, 2, 1, 1)
    assert (report.rows, report.digest, report.same_rows) == (3, made.table.at(2).digest, False)
    assert made.version == 3
    assert "come: 2 rows in 1 files" in repr(report)


@pytest.mark.parametrize("kind", ["version", "snapshot", "lock", "lock as text"])
def test_each_way_to_name_an_old_state(
    lake: lakehouse.Lake, product: Make, tmp_path: Path, kind: str
) -> None:
    made = product(*APPENDS)
    lake.snapshot("q1")
    lock = lake.lock(tmp_path / "q1.lock")
    made.delete("A")
    path = tmp_path / "q1.lock"
    to: dict[str, Any] = {"version": 2, "snapshot": "q1", "lock": path, "lock as text": str(path)}
    said = {"version": "", "snapshot": " of snapshot q1"}
    report = lake.restore(NAME, to[kind], dry_run=False, author="ann", message="undo")
    commit = made.history()[0]

    assert report.commit == commit.version == 4
    assert (commit.operation, commit.author, commit.message) == ("restore", "ann", "undo")
    assert commit.source == report.to == f"version 2{said.get(kind, f' of lock {lock.pin}')}"
    assert (made.rows, made.digest) == (3, made.table.at(2).digest)
    assert made.verify().ok


def test_the_second_of_two_does_nothing(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    assert lake.restore(NAME, 1, dry_run=False).commit == 3
    report = lake.restore(NAME, 1, dry_run=False)
    assert (report.commit, made.version) == (None, 3)
    assert "it is that already" in repr(report)


def test_a_state_of_before_a_compaction_has_the_same_rows(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS, [("A", 1, 4)])
    lake.compact(NAME, dry_run=False)
    report = lake.restore(NAME, 3, dry_run=False)
    assert (report.same_rows, report.files_come, report.files_go, report.commit) == (True, 2, 1, 5)
    assert made.rows == 4


@pytest.mark.parametrize("append_after", [False, True])
def test_a_snapshot_is_restored_where_the_log_is_gone(
    lake: lakehouse.Lake, product: Make, ticks: Any, append_after: bool
) -> None:
    digest = product(*APPENDS).digest
    lake.snapshot("q1")
    shutil.rmtree(Path(lake.url, lake[NAME].table.path, "_delta_log"))
    again = lakehouse.open(lake.url)
    if append_after:
        again[NAME].append(ticks([("C", 0, 1)]))
    assert again.restore(NAME, "q1", dry_run=False).rows == 3

    found = lakehouse.open(lake.url)[NAME]
    assert (found.rows, found.digest) == (3, digest)
    assert found.verify().ok
    assert found.state().layout == lake.checkout("q1")[NAME].state().layout


def test_what_is_not_there(lake: lakehouse.Lake, product: Make, ticks: Any) -> None:
    product(*APPENDS)
    lake.create("market_data.other", like=ticks([("A", 0, 1)]), key=())
    lake.snapshot("q1", [NAME])
    with pytest.raises(NotFoundError, match="has no version 9"):
        lake.restore(NAME, 9)
    with pytest.raises(NotFoundError, match="Unknown snapshot 'q2'"):
        lake.restore(NAME, "q2")
    with pytest.raises(NotFoundError, match="There is no lock file"):
        lake.restore(NAME, Path("nowhere.lock"))
    with pytest.raises(NotFoundError, match=r"product of this checkout 'market_data\.other'"):
        lake.restore("market_data.other", "q1")
    with pytest.raises(NotFoundError, match="was never written"):
        lake.restore("market_data.other", 0)


@pytest.mark.parametrize("to", [True, None, 1.0])
def test_what_names_no_state(lake: lakehouse.Lake, product: Make, to: Any) -> None:
    product(*APPENDS)
    with pytest.raises(ArgumentError, match="Can not restore"):
        lake.restore(NAME, to)


def test_another_major_version_is_refused(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    lake.snapshot("q1")
    lake.apply(dataclasses.replace(made.contract, version="2.0.0"))
    with pytest.raises(ContractError, match="is of major version 1, and the newest contract is of 2"):
        lake.restore(NAME, "q1")


def test_another_layout_comes_back_with_its_files(lake: lakehouse.Lake, product: Make) -> None:
    """Somebody lost the log, and began the table anew in another layout."""
    made = product(*APPENDS)
    lake.snapshot("q1")
    rows = made.read().to_arrow()
    shutil.rmtree(Path(lake.url, made.table.path, "_delta_log"))
    lakehouse.open(lake.url)[NAME].table.create(Layout("year"))
    again = lakehouse.open(lake.url)
    assert "the layout becomes date=month,symbol=row_groups" in repr(again.restore(NAME, "q1"))
    again.restore(NAME, "q1", dry_run=False)
    assert str(again[NAME].state().layout) == "date=month,symbol=row_groups"
    assert again[NAME].read().to_arrow().equals(rows)


def test_a_version_of_before_a_wider_contract_is_restored(
    lake: lakehouse.Lake, product: Make, ticks: Any
) -> None:
    made = product(*APPENDS)
    columns = (*made.schema.columns, lakehouse.Column("venue", "string"))
    schema = dataclasses.replace(made.contract.schema, columns=columns)
    wide = lake.apply(dataclasses.replace(made.contract, version="1.1.0", schema=schema))
    wide.append(ticks([("A", 3, 4)]).with_columns(venue=None).cast({"venue": str}))
    lake.restore(NAME, 2, dry_run=False)
    assert wide.read().to_polars()["venue"].to_list() == [None] * 3
    assert wide.digest == made.table.at(2).digest


def test_a_state_of_which_a_file_is_gone_is_refused(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    made.delete("A")
    Path(lake.url, made.table.at(2).files[0].path).unlink()
    for restore in (lambda: lake.restore(NAME, 2, dry_run=False), lambda: made.restore(2)):
        with pytest.raises(IntegrityError, match="1 files of version 2 are gone"):
            restore()
    assert made.version == 3


def test_a_lock_of_another_lake_is_refused(lake: lakehouse.Lake, product: Make, tmp_path: Path) -> None:
    product(*APPENDS)
    other = lakehouse.open(tmp_path / "other", create=True)
    other.create(NAME, like=lake[NAME].read(), key=()).append(lake[NAME].read())
    other.lock(tmp_path / "other.lock")
    with pytest.raises(IntegrityError, match="The lock was made in the lake"):
        lake.restore(NAME, tmp_path / "other.lock")
