from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lakehouse
from lakehouse.cli import main as entry

Run = Callable[..., Any]
BARS = "market_data.bars_1d"


def test_an_error_is_a_message_and_a_hint_on_standard_error(bars: Run) -> None:
    ran = bars("show", "market_data.bars_1")

    assert (ran.code, ran.out) == (1, "")
    assert (
        ran.err == f"lake: Unknown product 'market_data.bars_1'. Known: {BARS}.\nhint: Did you mean {BARS}?\n"
    )


def test_an_error_under_json_leaves_standard_output_empty(bars: Run) -> None:
    ran = bars("show", "market_data.nothing", "--json")

    assert (ran.code, ran.out) == (1, "")


@pytest.mark.parametrize("place", ["before", "after", "environment"])
def test_a_traceback_is_shown_when_asked_for(bars: Run, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = {
        "before": ("--traceback", "show", "a.b"),
        "after": ("show", "a.b", "--traceback"),
        "environment": ("show", "a.b"),
    }
    if place == "environment":
        monkeypatch.setenv("LAKEHOUSE_TRACEBACK", "1")
    ran = bars(*words[place])

    assert ran.code == 1
    assert "Traceback (most recent call last)" in ran.err
    assert "NotFoundError" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("ls", "--nonsense"),
        ("show",),
        ("ingest", BARS),
        ("ingest", BARS, "a.csv", "--mode", "replace"),
        ("diff", BARS, "one"),
        ("sql", "select 1", "--rows", "-1"),
        ("checkout", "s", "--sql", "select 1", "--export", "x"),
        ("verify", "--lock", "a", "--snapshot", "b"),
        ("query", "vwap", "--nonsense", "symbol=IBM"),
        ("ls", "--", "extra", "words"),
    ],
)
def test_wrong_usage_exits_with_two_and_shows_the_usage(lake: Run, words: tuple[str, ...]) -> None:
    ran = lake(*words)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("usage: lake")


def test_a_bug_asks_for_a_report_and_is_told_from_an_error(
    bars: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lakehouse.lake.Lake, "products", lambda self: 1 / 0)
    ran = bars("ls")

    assert ran.code == 70
    assert "ZeroDivisionError" in ran.err
    assert "Please report it" in ran.err
    assert "Traceback" not in ran.err


def test_an_interrupt_exits_with_130(bars: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: object) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(lakehouse.lake.Lake, "products", interrupt)

    assert bars("ls") == type(bars("ls"))(130, "", "lake: Interrupted.\n")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no head on Windows")
def test_a_reader_that_goes_away_is_no_error(bars: Run, spawn: Run) -> None:
    with spawn("sql", "select range as n from range(200000)") as process:
        assert process.stdout.readline().strip() == "n"
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 141
    assert err == ""


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_any_letter_goes_to_an_output_of_any_encoding(bars: Run, away: Run, encoding: str) -> None:
    text = "select '日経225' as name, 'é' as letter, '😀' as sign"
    ran = subprocess.run(
        [sys.executable, "-m", "lakehouse.cli.main", "sql", text],
        capture_output=True,
        check=True,
        env=environment(PYTHONIOENCODING=encoding),
    )

    assert b"225" in ran.stdout
    assert ("日経225" in ran.stdout.decode(encoding, "replace")) == (encoding == "utf-8")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_json_is_the_same_document_in_any_encoding(bars: Run, encoding: str) -> None:
    import json

    text = "select '日経225' as name, 'é' as letter, '😀' as sign"
    ran = subprocess.run(
        [sys.executable, "-m", "lakehouse.cli.main", "sql", text, "--json"],
        capture_output=True,
        check=True,
        env=environment(PYTHONIOENCODING=encoding),
    )

    assert json.loads(ran.stdout.decode(encoding)) == [{"name": "日経225", "letter": "é", "sign": "😀"}]


def environment(**changes: str) -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **changes}


def test_words_after_an_option_belong_to_the_list_before_it(bars: Run) -> None:
    options = entry.parse(["query", "vwap", "--json", "symbol=IBM", "--rows", "3", "start=2024-01-02"])

    assert (options.name, options.arguments, options.rows) == ("vwap", ["symbol=IBM", "start=2024-01-02"], 3)


def test_what_follows_two_dashes_is_passed_to_the_shell_untouched() -> None:
    options = entry.parse(["shell", "market_data.bars_1d", "--", "-c", "select 1", "--", "--json"])

    assert (options.products, options.passed) == ([BARS], ["-c", "select 1", "--", "--json"])
    assert "json" not in options


def test_the_demo_has_a_grammar_of_its_own() -> None:
    assert entry.parse(["demo", "--data", "folder", "--out", "x"]).passed == [
        "--data",
        "folder",
        "--out",
        "x",
    ]


def test_sql_that_begins_with_a_comment_is_no_option(bars: Run) -> None:
    assert bars("sql", "-- how many\nselect 1 as one", "--json").json == [{"one": 1}]
