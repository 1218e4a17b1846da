from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lakehouse

Run = Callable[..., Any]
BARS = "market_data.bars_1d"


def test_list_names_the_commit_and_the_rules(bars: Run) -> None:
    (row,) = bars("quarantine", "list", BARS, "--json").json

    assert (row["version"], row["rows"], row["rules"], row["replayed"]) == (1, 1, "ohlc: 1", False)


def test_read_shows_the_rows_with_the_rules_they_broke(bars: Run) -> None:
    (row,) = bars("quarantine", "read", BARS, 1, "--json").json

    assert (row["symbol"], row["high"], row["low"], row["_broke_ohlc"]) == ("IBM", 158.0, 161.5, True)


def test_read_of_a_commit_that_refused_nothing(bars: Run) -> None:
    ran = bars("quarantine", "read", BARS, 7)

    assert ran.code == 1
    assert "Known: 1" in ran.err


def test_replay_takes_corrected_rows_as_read_wrote_them(bars: Run) -> None:
    """The flags that `read` adds may stay in the file."""
    refused = bars("quarantine", "read", BARS, 1, "--csv").out
    Path("fixed.csv").write_text(refused.replace("158.0,161.5", "161.5,158.0"))
    done = bars("quarantine", "replay", BARS, 1, "fixed.csv", "--json").json

    assert (done["accepted"], done["quarantined"], done["operation"]) == (1, 0, "replay")
    assert lakehouse.open(".")[BARS].rows == 6


def test_replay_without_a_file_takes_the_rows_as_they_came(bars: Run) -> None:
    ran = bars("quarantine", "replay", BARS, 1)

    assert ran.code == 0
    assert f"1 row broke a rule again; see them: lake quarantine read {BARS} 2" in ran.out


def test_a_second_replay_says_that_it_was_done(bars: Run) -> None:
    bars("quarantine", "replay", BARS, 1)

    assert "was replayed before, by version 2" in bars("quarantine", "replay", BARS, 1).out
    assert lakehouse.open(".")[BARS].version == 2


def test_the_group_alone_is_wrong_usage(bars: Run) -> None:
    assert bars("quarantine").code == 2
