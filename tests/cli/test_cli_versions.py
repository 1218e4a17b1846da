from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
BARS = "market_data.bars_1d"


@pytest.fixture
def two(bars: Run, vendor: Path) -> Run:
    """Run `lake` in a lake where version 2 corrects a price of version 1."""
    path = vendor / "AAPL.csv"
    path.write_text(path.read_text().replace("185.64", "185.99"))
    assert bars("ingest", BARS, path, "--mode", "upsert", "--message", "correction").code == 0
    return bars


def test_history_lists_commits_newest_first(two: Run) -> None:
    rows = two("history", BARS, "--json").json

    assert [(row["version"], row["operation"]) for row in rows] == [
        (2, "upsert"),
        (1, "backfill"),
        (0, "create"),
    ]
    assert (rows[0]["author"], rows[0]["message"]) == ("tester", "correction")


def test_history_balances_in_each_commit(two: Run) -> None:
    for row in two("history", BARS, "--json").json:
        assert row["rows_in"] == row["accepted"] + row["quarantined"] + row["duplicates"]


def test_history_takes_a_limit(two: Run) -> None:
    assert [row["version"] for row in two("history", BARS, "--limit", 1, "--json").json] == [2]


def test_history_of_a_product_without_commits(lake: Run) -> None:
    lake("init", "--starter")

    assert "has no commit yet" in lake("history", "market_data.trades").out


def test_diff_shows_what_changed_by_key(two: Run) -> None:
    found = two("diff", BARS, 1, 2, "--json").json

    assert (found["added"], found["removed"]) == ([], [])
    assert (
        found["changed"][0] | {"symbol": "AAPL", "close_before": 185.64, "close_after": 185.99}
        == found["changed"][0]
    )


def test_diff_against_the_newest_version_is_the_default(two: Run) -> None:
    assert two("diff", BARS, 1, "--json").json == two("diff", BARS, 1, 2, "--json").json


def test_diff_counts_and_shows_rows_as_text(two: Run) -> None:
    out = two("diff", BARS, 0, 1).out

    assert "version 0 to 1: 5 added, 0 removed, 0 changed" in out
    assert out.count("AAPL") == 3


def test_diff_of_a_version_that_is_not_there(two: Run) -> None:
    ran = two("diff", BARS, 1, 9)

    assert ran.code == 1
    assert "has no version 9: its versions are 0 to 2" in ran.err


@pytest.mark.parametrize("version", ["-1", "one", "1.5"])
def test_a_version_that_is_no_number_is_wrong_usage(two: Run, version: str) -> None:
    assert two("diff", BARS, version).code == 2


def test_diff_of_two_locks_and_of_two_snapshots(two: Run) -> None:
    for version, name in ((1, "old"), (2, "new")):
        assert two("snapshot", name, f"{BARS}@{version}").code == 0
        assert two("lock", f"{name}.lock", "--snapshot", name).code == 0
    locks = two("diff", "old.lock", "new.lock", "--json").json["products"]
    assert locks == two("diff", "--snapshots", "old", "new", "--json").json["products"]

    (entry,) = locks
    assert (entry["product"], entry["status"], entry["before"], entry["after"]) == (BARS, "changed", 1, 2)
    (change,) = entry["changes"]
    assert (change["_change"], change["symbol"], change["_columns"]) == ("changed", "AAPL", ["close"])
    assert (change["_version"], change["_operation"], change["_message"]) == (2, "upsert", "correction")


def test_diff_names_the_commits_behind_rows_as_text(two: Run) -> None:
    out = two("diff", BARS, 1, 2).out

    assert "behind them:" in out
    assert "correction" in out


def test_diff_of_equal_snapshots_says_so(two: Run) -> None:
    two("snapshot", "one")

    assert f"{BARS}: equal" in two("diff", "--snapshots", "one", "one").out


@pytest.mark.parametrize("words", [(), ("a.lock",), (BARS, 1, 2, 3), (BARS, 1, "--snapshots", "a", "b")])
def test_diff_of_something_else_is_wrong_usage(two: Run, words: tuple[object, ...]) -> None:
    assert two("diff", *words).code == 2


def test_diff_of_two_words_that_are_snapshots_names_the_option(two: Run) -> None:
    ran = two("diff", "june", "july")

    assert ran.code == 2
    assert "two snapshots are given with --snapshots A B" in ran.err
