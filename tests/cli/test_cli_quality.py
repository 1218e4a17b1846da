from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import lakehouse

Run = Callable[..., Any]
BARS = "market_data.bars_1d"


def test_quality_shows_the_score_the_rules_and_the_worst_partitions(bars: Run) -> None:
    ran = bars("quality", BARS)

    assert ran.code == 0
    assert "score     0.833333" in ran.out
    assert "ohlc" in ran.out.partition("Rules that rows break:")[2]
    assert "IBM" in ran.out.partition("Worst partitions:")[2]


def test_quality_as_json(bars: Run) -> None:
    found = bars("quality", BARS, "--symbols", "IBM", "--end", "2024-01-05", "--json").json

    assert (found["stored"], found["refused"], found["symbols"]) == (2, 1, ["IBM"])
    assert found["failures"] == [{"rule": "ohlc", "level": "quarantine", "stored": 0, "refused": 1}]
    assert found["worst"][0]["score"] == 2 / 3


def test_quality_records_unless_told_otherwise(bars: Run) -> None:
    bars("quality", BARS, "--no-record")
    assert "quality.scores" not in lakehouse.open(".").products()
    bars("quality", BARS)
    assert lakehouse.open(".")["quality.scores"].history()[0].author == "tester"


def test_fail_below_sets_the_exit_code(bars: Run) -> None:
    assert bars("quality", BARS, "--no-record", "--fail-below", 0.9).code == 1
    assert bars("quality", BARS, "--no-record", "--fail-below", 0.9, "--last", "1d").code == 1


@pytest.mark.parametrize("score", ["nan", "2", "-0.1", "high"])
def test_fail_below_takes_a_score(bars: Run, score: str) -> None:
    """No score is below NaN: the alarm would never ring."""
    ran = bars("quality", BARS, f"--fail-below={score}")
    assert (ran.code, "is not a number from 0 to 1" in ran.err) == (2, True)


def test_fail_below_refuses_a_late_product_whatever_its_score(bars: Run) -> None:
    assert bars("quality", BARS, "--no-record", "--fail-below", 0).code == 0
    lake = lakehouse.open(".")
    lake.apply(replace(lake[BARS].contract, version="1.1.0", freshness="1d"))
    ran = bars("quality", BARS, "--no-record", "--fail-below", 0)

    assert re.search("^late +true", ran.out, re.MULTILINE)
    assert ran.code == 1


def test_snapshot_refuses_below_a_minimum(bars: Run) -> None:
    ran = bars("snapshot", "q1", "--minimum-quality", 0.99)

    assert ran.code == 1
    assert "scores 0.833333 (ohlc: 1; worst: IBM" in ran.err
    assert bars("snapshot", "q1", "--minimum-quality", 0.8).code == 0


def test_quality_of_all_products_is_one_line_each(bars: Run) -> None:
    lakehouse.open(".").create("market_data.empty", like=lakehouse.open(".")[BARS].read())
    bars("quality", BARS)
    found = bars("quality", "--json").json

    assert [(row["product"], row["score"]) for row in found] == [(BARS, 5 / 6), ("market_data.empty", None)]
    assert bars("quality", "--fail-below", 0.8).code == 0
    assert bars("quality", "--fail-below", 0.9).code == 1
    assert "market_data.empty" in bars("quality").out
