"""Histories that Yahoo broke and yfinance mended: what the rules find, as `benchmarks.quality` prints it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality import RULES, SCHEMA, Findings, defects, examine, histories, read
from lakehouse.ingest.rules import evaluate_rules

Shared = Callable[[str], Path]


@pytest.fixture(scope="module")
def findings(shared_data: Shared) -> tuple[Findings, Findings]:
    """Give what the rules find in the broken histories, and in the controls."""
    return examine(shared_data("yfinance_repair"))


def test_every_defect_is_found(findings: tuple[Findings, Findings]) -> None:
    broken, _ = findings
    found = {name: (each.flags, each.right, each.found) for name, each in broken.rules.items()}
    assert broken.defects == 74
    assert found == {
        "impossible_bar": (52, 52, 52),
        "real_price": (0, 0, 0),
        "real_volume": (0, 0, 0),
        "spike": (11, 1, 1),
        "jump": (3, 1, 1),
        "adjustment": (25, 17, 16),
        "large_dividend": (7, 7, 8),
        "doubled_dividend": (2, 2, 3),
        "any": (93, 73, 74),
    }


def test_wrong_flags_are_real_moves_and_a_weekly_file_that_is_not_consistent(shared_data: Shared) -> None:
    """In the weekly file of AV.L the adjusted close takes each dividend a week later than the dividend."""
    wrong: dict[str, set[str]] = {}
    for name, bad, fixed in histories(shared_data("yfinance_repair")):
        right = [] if fixed is None else [row for edge in defects(bad, fixed) for row in edge]
        for rule, flag in evaluate_rules(bad, RULES[3:], SCHEMA).items():
            if set(np.flatnonzero(flag.to_numpy()).tolist()) - set(right):
                wrong.setdefault(rule, set()).add(name.split("-1")[0])
    assert wrong == {
        "spike": {"JENYX", "KME-MI", "EA"},
        "jump": {"CLC-L"},
        "adjustment": {"AV-L"},
    }


def test_histories_without_a_wrong_dividend_raise_no_false_alarm(
    findings: tuple[Findings, Findings], shared_data: Shared
) -> None:
    """One row is flagged: a print 15 % below its neighbours at four in the morning, without a volume."""
    _, control = findings
    assert control.rows == 1_643
    assert {name: each.flags for name, each in control.rules.items() if each.flags} == {"spike": 1, "any": 1}
    frame = read(shared_data("yfinance_repair/EA-15m-no-bad-divs.csv"))
    place = int(np.flatnonzero(evaluate_rules(frame, RULES, SCHEMA)["spike"].to_numpy())[0])
    before, flagged, after = frame["close"][place - 1 : place + 2].round(2).to_list()
    assert (before, flagged, after) == (201.13, 169.88, 201.99)
    assert frame["time"][place] == datetime(2026, 5, 27, 8, tzinfo=UTC)
    assert frame["volume"][place] == 0


@pytest.mark.parametrize(
    ("pair", "rows"),
    [
        ("4063-T-1d-bad-div", 1),
        ("ABDP-L-1d-bad-div", 5),
        ("CLC-L-1d-bad-div", 3),
        ("JENYX-1d-cg-double-count", 5),
    ],
)
def test_each_wrong_dividend_is_found_on_its_own_day(shared_data: Shared, pair: str, rows: int) -> None:
    frame = read(shared_data(f"yfinance_repair/{pair}.csv"))
    fixed = read(shared_data(f"yfinance_repair/{pair}-fixed.csv"))
    assert evaluate_rules(frame, RULES, SCHEMA)["adjustment"].sum() == rows
    assert evaluate_rules(fixed, RULES, SCHEMA)["adjustment"].sum() == 0
