from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lakehouse

Run = Callable[..., Any]
BARS = "market_data.bars_1d"
NOTHING = "Nothing was written; do it with --apply."


@pytest.fixture
def two(bars: Run, vendor: Path) -> Run:
    """Run `lake` in a lake where version 2 brings a late bar of AAPL, in a file of its own."""
    path = vendor / "AAPL.csv"
    header = path.read_text().splitlines()[0]
    path.write_text(f"{header}\n2024-01-01,186,188,185,187,100\n")
    assert bars("ingest", BARS, path).code == 0
    return bars


def version() -> int:
    return lakehouse.open(".")[BARS].version


def test_compact_explains_and_does_nothing(two: Run) -> None:
    out = two("compact", BARS).out

    assert "2 of 2 become 1" in out
    assert "small files" in out
    assert NOTHING in out
    assert version() == 2


def test_compact_acts_when_told(two: Run) -> None:
    before = lakehouse.open(".")[BARS].digest
    done = two("compact", BARS, "--apply", "--message", "tidy", "--json").json
    commit = lakehouse.open(".")[BARS].history()[0]

    assert (done["dry_run"], done["commits"], done["files_before"], done["files_after"]) == (False, [3], 2, 1)
    assert [(merge["files"], merge["rows"], merge["why"]) for merge in done["merges"]] == [
        (2, 6, "small files")
    ]
    assert (commit.operation, commit.author, commit.message) == ("compact", "tester", "tidy")
    assert lakehouse.open(".")[BARS].digest == before


def test_compact_of_a_tidy_product_says_so(bars: Run) -> None:
    assert f"{BARS} is well laid out: 1 file." in bars("compact", BARS, "--apply").out


def test_retain_explains_and_names_who_holds_the_bytes(two: Run) -> None:
    two("snapshot", "q1")
    ran = two("retain", BARS, "--before", "2024-01-03")

    assert "3; 3 stay" in ran.out
    assert "2024-01-01 to 2024-01-02" in ran.out
    assert "snapshot  q1" in ran.out
    assert NOTHING in ran.out
    assert version() == 2


def test_retain_acts_when_told(two: Run) -> None:
    done = two("retain", BARS, "--before", "2024-01-03", "--apply", "--json").json

    assert (done["rows"], done["rows_left"], done["commit"], done["held"]) == (3, 3, 3, [])
    assert lakehouse.open(".")[BARS].rows == 3


def test_retain_refuses_to_count_back_over_everything(two: Run) -> None:
    ran = two("retain", BARS, "--keep", "1d", "--apply")

    assert ran.code == 1
    assert "would take out all 6 rows" in ran.err
    assert version() == 2


def test_retain_of_nothing_says_so(two: Run) -> None:
    assert "No row of" in two("retain", BARS, "--keep", "290y", "--apply").out


def test_retain_without_a_policy(two: Run) -> None:
    ran = two("retain", BARS)
    assert (ran.code, "declares a retention" in ran.err) == (1, True)
    assert two("retain", BARS, "--keep", "1y", "--before", "2024-01-01").code == 2


def test_restore_explains_and_does_nothing(two: Run) -> None:
    out = two("restore", BARS, 1).out

    assert "go       1 row in 1 file" in out
    assert NOTHING in out
    assert version() == 2


def test_restore_makes_an_old_version_the_newest(two: Run) -> None:
    before = lakehouse.open(".")[BARS].table.at(1).digest
    done = two("restore", BARS, 1, "--message", "undo", "--apply", "--json").json
    commit = lakehouse.open(".")[BARS].history()[0]

    assert (done["commit"], done["to_version"], done["digest"]) == (3, 1, before)
    assert (commit.version, commit.operation, commit.message, commit.digest) == (3, "restore", "undo", before)
    assert f"{BARS} is at version 1 already." in two("restore", BARS, 1, "--apply").out


def test_restore_takes_snapshots_and_lock_files(two: Run) -> None:
    two("snapshot", "q1")
    two("lock", "q1.lock")
    two("restore", BARS, 1, "--apply")

    for to in ("q1", "q1.lock"):
        assert two("restore", BARS, to, "--json").json["to_version"] == 2


@pytest.mark.parametrize("to", ["-1", "one", "1.5"])
def test_restore_of_what_is_not_there(two: Run, to: str) -> None:
    assert two("restore", BARS, to, "--apply").code in (1, 2)
    assert version() == 2
