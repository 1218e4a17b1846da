"""Plans, resumed and restated backfills, and their status, from the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BARS = "market_data.bars_1d"

Run = Callable[..., Any]


@pytest.fixture
def empty(lake: Run, vendor: Path) -> Run:
    """Run `lake` in a lake with an empty product."""
    assert lake("init").code == 0
    assert lake("create", BARS, "--like", vendor / "AAPL.csv", "--symbol-from-name").code == 0
    return lake


def test_a_plan_writes_nothing(empty: Run, vendor: Path) -> None:
    plan = empty("backfill", BARS, vendor, "--plan", "--json").json
    assert (plan["chunks"], plan["done"], plan["pending"]) == (2, 0, 2)
    assert [each["file"] for each in plan["pending_chunks"]] == ["AAPL.csv", "IBM.csv"]
    assert "nothing was written" in empty("backfill", BARS, vendor, "--plan").out
    assert empty("backfills", "--json").json == []
    empty("backfill", BARS, vendor)
    after = empty("backfill", BARS, vendor, "--plan", "--json").json
    assert (after["id"], after["done"], after["pending_chunks"]) == (plan["id"], 2, [])


def test_the_status_keeps_why_a_chunk_failed_until_it_is_loaded(empty: Run, vendor: Path) -> None:
    whole = (vendor / "IBM.csv").read_text()
    (vendor / "IBM.csv").write_text("price\n1\n")
    assert empty("backfill", BARS, vendor).code == 1
    for command in ("backfills", "backfill-status"):
        (status,) = empty(command, BARS, "--json").json
        assert (status["chunks"], status["done"], status["failed"], status["ok"]) == (2, 1, 1, False)
        assert status["failures"][0]["files"] == ["IBM.csv"]
    shown = empty("backfills").out
    assert "1 chunk failed" in shown
    assert "IBM.csv" in shown
    again = empty("backfill", BARS, vendor, "--retry-failed", "--json").json
    assert (again["committed"], again["skipped"], len(again["failures"])) == (0, 1, 1)
    (vendor / "IBM.csv").write_text(whole)
    assert empty("backfill", BARS, vendor).code == 0


def test_only_what_failed_before_is_tried_again(empty: Run, vendor: Path) -> None:
    reply = empty("backfill", BARS, vendor, "--retry-failed", "--json")
    report = reply.json
    assert (reply.code, report["committed"], report["skipped"], report["pending"]) == (1, 0, 0, 2)
    assert "2 not tried" in empty("backfill", BARS, vendor, "--retry-failed").out


def test_restate_replaces_a_range(empty: Run, vendor: Path) -> None:
    empty("backfill", BARS, vendor)
    text = (vendor / "AAPL.csv").read_text()
    (vendor / "AAPL.csv").write_text(text.replace("185.64", "185.00").replace("181.91", "181.00"))
    chosen = ("--restate", "--symbols", "AAPL", "--start", "2024-01-02", "--end", "2024-01-03")
    commit = empty("backfill", BARS, vendor, *chosen, "--json").json
    assert (commit["operation"], commit["accepted"], commit["removed"]) == ("restate", 1, 1)
    sql = f"select close from {BARS} where symbol = 'AAPL' order by date"
    assert [row["close"] for row in empty("sql", sql, "--json").json] == [185.0, 184.25, 181.91]
    assert "removed" in empty("backfill", BARS, vendor, *chosen).out


def test_processes_and_workers_are_chosen(empty: Run, vendor: Path) -> None:
    report = empty("backfill", BARS, vendor, "--executor", "processes", "--workers", 1, "--json").json
    assert (report["committed"], report["quarantined"]) == (2, 1)


def test_sessions_without_rows_are_named(empty: Run, vendor: Path) -> None:
    chosen = ("--calendar", "XNYS", "--start", "2024-01-01", "--end", "2024-01-07")
    report = empty("backfill", BARS, vendor, *chosen, "--json").json
    assert report["missing"] == ["2024-01-05"]
    assert "no row in 1 session: 2024-01-05" in empty("backfill", BARS, vendor, *chosen).out


def test_a_plan_and_a_restatement_exclude_each_other(empty: Run, vendor: Path) -> None:
    assert empty("backfill", BARS, vendor, "--plan", "--restate").code == 2


def test_a_list_of_symbols_that_is_empty_does_not_mean_all(empty: Run, vendor: Path) -> None:
    for symbols in ("", ","):
        reply = empty("backfill", BARS, vendor, "--restate", "--symbols", symbols)
        assert (reply.code, "names no symbol" in reply.err) == (1, True)


@pytest.mark.parametrize("size", ["nan", "inf", "0", "-3", "much"])
def test_a_size_that_means_nothing_is_refused(empty: Run, vendor: Path, size: str) -> None:
    reply = empty("backfill", BARS, vendor, f"--commit-mb={size}")
    assert (reply.code, "is not a number of megabytes above 0" in reply.err) == (2, True)
