"""Compaction merges what is worth merging, says so first, and changes no row."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deltalake
import polars as pl
import pytest

import lakehouse
from lakehouse.errors import NotFoundError
from lakehouse.partitions import encoding

NAME = "market_data.ticks"
Make = Callable[..., lakehouse.Product]

APPENDS = [
    [("A", 0, 1), ("B", 1, 2)],
    [("A", 2, 3), ("C/Δ", 40, float("nan"))],
    [("A", 2, 3), ("A", 0.5, 5)],
]
"""Small files, a late row, a repeated one; two in January 1970, and one row in February."""


def log_of(product: lakehouse.Product, version: int) -> list[dict[str, Any]]:
    path = Path(product.table.store.url, product.table.path, "_delta_log", f"{version:020}.json")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_dry_run_says_what_it_would_do_and_does_nothing(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    report = lake.compact(NAME)

    assert (report.files, report.files_before, report.files_after, report.rows) == (4, 3, 1, 5)
    assert [(merge.partition, merge.why) for merge in report.merges] == [
        ("date=1970-01-01/", ("small files",))
    ]
    assert (report.dry_run, report.commits, made.version) == (True, (), 3)
    assert "3 of 4 files become 1" in repr(report)
    assert "dry run: nothing was written" in repr(report)


def test_rows_their_order_and_the_digest_stay(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    rows, digest = made.read().to_arrow(), made.digest
    report = lake.compact(NAME, dry_run=False, author="ann", message="tidy")

    assert report.commits == (4,)
    assert len(made.state().files) == 2
    assert str(made.read().to_arrow().to_pydict()) == str(rows.to_pydict())  # NaN is not equal to itself
    assert made.digest == digest
    assert made.verify().ok


def test_the_commit_counts_no_row(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    lake.compact(NAME, dry_run=False, author="ann", message="tidy")
    commit = made.history()[0]

    assert (commit.operation, commit.author, commit.message) == ("compact", "ann", "tidy")
    assert (commit.rows_in, commit.accepted, commit.quarantined, commit.duplicates, commit.removed) == (
        0,
    ) * 5
    assert commit.rows == 6


def test_the_second_of_two_does_nothing(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    lake.compact(NAME, dry_run=False)
    report = lake.compact(NAME, dry_run=False)

    assert (report.merges, report.commits, made.version) == ((), (), 4)
    assert "its 2 files are well laid out" in repr(report)


def test_a_product_that_was_never_written_has_nothing_to_compact(lake: lakehouse.Lake, product: Make) -> None:
    made = product()
    assert lake.compact(NAME, dry_run=False).commits == ()
    assert not made.table.exists


def test_a_product_without_rows_has_nothing_to_compact(lake: lakehouse.Lake, product: Make) -> None:
    made = product([("A", 0, 1)])
    made.delete("A")
    assert lake.compact(NAME, dry_run=False).files == 0
    assert made.version == 2


def test_one_row_in_one_file_is_left_alone(lake: lakehouse.Lake, product: Make) -> None:
    made = product([("A", 0, 1)])
    before = made.state().files
    assert lake.compact(NAME, dry_run=False).commits == ()
    assert made.state().files == before


def test_an_unknown_product(lake: lakehouse.Lake, product: Make) -> None:
    product()
    with pytest.raises(NotFoundError, match=r"market_data\.tick'"):
        lake.compact("market_data.tick")


def test_old_versions_snapshots_and_locks_read_as_before(
    lake: lakehouse.Lake, product: Make, tmp_path: Path
) -> None:
    made = product(*APPENDS)
    lake.snapshot("before")
    lake.lock(tmp_path / "before.lock")
    old = {version: made.table.at(version).digest for version in range(4)}
    lake.compact(NAME, dry_run=False)

    assert {version: len(made.read(version=version)) for version in range(4)} == {0: 0, 1: 2, 2: 4, 3: 6}
    assert {version: made.table.at(version).digest for version in range(4)} == old
    assert lake.checkout("before").verify().ok
    assert lakehouse.checkout(tmp_path / "before.lock").verify().ok


def test_other_readers_of_delta_see_the_same_rows(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    lake.compact(NAME, dry_run=False)
    path = f"{lake.url}/{made.table.path}"
    ours = made.read().to_polars().with_columns(pl.col("time").cast(pl.Int64)).sort("symbol", "time")

    for theirs in (
        pl.DataFrame(pl.from_arrow(deltalake.DeltaTable(path).to_pyarrow_table())),
        pl.read_delta(path),
    ):
        found = theirs.select(ours.columns).with_columns(pl.col("symbol").cast(pl.String))
        assert found.sort("symbol", "time").equals(ours, null_equal=True)


def test_delta_is_told_that_no_data_changed(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    lake.compact(NAME, dry_run=False)
    flags = {
        (kind, action[kind]["dataChange"])
        for action in log_of(made, 4)
        for kind in ("add", "remove")
        if kind in action
    }
    assert flags == {("add", False), ("remove", False)}
    assert all(action["add"]["dataChange"] for action in log_of(made, 1) if "add" in action)


def test_late_rows_are_sorted_into_the_large_file_they_belong_to(
    lake: lakehouse.Lake, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large file with an earlier and a later row of the late one's symbol, and one that is beside them."""
    monkeypatch.setattr("lakehouse.maintenance.merges.is_small", lambda file, _: file.rows == 1)
    made = product(
        [("A", 0, 1), ("A", 9, 1)],
        [("B", 0, 1), ("B", 9, 1)],
        [("A", 5, 1)],
    )
    untouched = next(file.path for file in made.state().files if file.min_symbol == "B")
    report = lake.compact(NAME, dry_run=False)

    assert [(len(merge.files), merge.why) for merge in report.merges] == [(2, ("late rows",))]
    assert untouched in [file.path for file in made.state().files]
    assert sorted(file.rows for file in made.state().files) == [2, 3]


def test_files_that_only_touch_or_interleave_in_time_are_left_alone(
    lake: lakehouse.Lake, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their boxes of symbols and times overlap, but no symbol's times do."""
    monkeypatch.setattr("lakehouse.maintenance.merges.is_small", lambda *_: False)
    product([("A", 0, 1), ("B", 5, 1), ("C", 9, 1)], [("A", 1, 1), ("B", 5, 2), ("C", 10, 1)])
    assert lake.compact(NAME).merges == ()


def test_an_early_file_that_only_touches_a_large_one_is_left_alone(
    lake: lakehouse.Lake, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakehouse.maintenance.merges.is_small", lambda file, _: file.rows == 2)
    product([("A", 5, 1), ("A", 7, 1), ("A", 9, 1)], [("A", 1, 1), ("A", 5, 2)])
    assert lake.compact(NAME).merges == ()


def test_files_that_overlap_only_after_a_merge_are_merged_too(
    lake: lakehouse.Lake, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first two overlap in X, and what becomes of them holds all times of A, the third one's too."""
    monkeypatch.setattr("lakehouse.maintenance.merges.is_small", lambda *_: False)
    made = product(
        [("A", 0, 1), ("A", 10, 1), ("X", 0, 1), ("X", 20, 1)],
        [("A", 20, 1), ("A", 30, 1), ("X", 10, 1), ("X", 30, 1)],
        [("A", 12, 1), ("A", 15, 1)],
    )
    assert lake.compact(NAME, dry_run=False).commits == (4, 5)
    assert len(made.state().files) == 1
    assert lake.compact(NAME).merges == ()


def test_row_groups_that_cut_no_symbol_are_cut(
    lake: lakehouse.Lake, product: Make, ticks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = product()
    rows = [(symbol, slot / 2**15, 1.0) for symbol in "AB" for slot in range(encoding.OWN_ROW_GROUP)]
    with monkeypatch.context() as before:
        before.setattr(encoding, "own_row_group", lambda _: 2**20)
        made.append(ticks(rows))
    report = lake.compact(NAME, dry_run=False)

    assert [merge.why for merge in report.merges] == [("row groups that cut no symbol",)]
    assert lake.compact(NAME).merges == ()
    assert made.verify().ok


def test_a_column_of_a_later_contract_is_null_in_what_was_written_before(
    lake: lakehouse.Lake, product: Make, ticks: Any
) -> None:
    made = product(*APPENDS[:2])
    columns = (*made.schema.columns, lakehouse.Column("venue", "string"))
    schema = dataclasses.replace(made.contract.schema, columns=columns)
    wide = lake.apply(dataclasses.replace(made.contract, version="1.1.0", schema=schema))
    wide.append(ticks([("A", 3, 4)]).with_columns(venue=pl.lit("X")))
    digest = wide.digest
    lake.compact(NAME, dry_run=False)

    assert wide.digest == digest
    assert wide.read("A").to_polars()["venue"].to_list() == [None, None, "X"]
    assert wide.verify().ok
