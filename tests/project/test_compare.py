"""The comparison with the peers: who is ranked, what is a ratio, and where the table goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.compare.environments import find_peerbench
from benchmarks.compare.names import OURS, READS
from benchmarks.compare.report import differences, everything, means, ratios
from benchmarks.compare.results import Results, load_results, odd_ones
from benchmarks.readme import put_between


def phase(answer: int, *times: float) -> dict[str, Any]:
    return {"R2": {"ms": list(times), "digest": {"rows": answer}}, "_peak_mb": 10.0 * answer}


def same(left: Any, right: Any) -> bool:
    return bool(left == right)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    measured = {
        OURS[0]: [phase(1, 2.0, 4.0), phase(1, 6.0)],
        "arcticdb": [phase(1, 8.0)],
        "chdb_parquet": [phase(2, 1.0)],
        "delta_arrow": [{"R2": "ERR broken", "_peak_mb": 1.0}],
        "numba_mem": [phase(1, 0.5)],
    }
    for name, phases in measured.items():
        for number, one in enumerate(phases):
            (tmp_path / f"{name}.read{number}.json").write_text(json.dumps(one))
    (tmp_path / f"{OURS[0]}.write.json").write_text(json.dumps({"W1": 3.0, "bytes": 5e6, "W3": None}))
    return load_results(tmp_path, measured, ["R2", "R3"], same)


def test_the_figure_is_the_median_over_all_rounds(results: Results) -> None:
    assert results.figures["R2"][OURS[0]] == 4.0
    assert results.figures["bytes"] == {OURS[0]: 5.0}
    assert "W3" not in results.figures


def test_neither_a_wrong_answer_nor_the_limit_is_the_best_peer(results: Results) -> None:
    assert results.best("R2") == ("arcticdb", 8.0)
    assert results.ratio("R2", OURS[0]) == 0.5
    assert results.ratio("R2", OURS[0], "numba_mem") == 8.0


def test_a_row_that_no_peer_has_is_without_a_ratio(results: Results) -> None:
    assert results.ratio("W1", OURS[0]) is None
    assert results.mean_ratio(["R2", "W1"], OURS[0]) is None
    assert results.mean_ratio(["R2"], OURS[0]) == 0.5


def test_odd_answers_and_errors_are_told(results: Results) -> None:
    assert differences(results) == [
        "R2, chdb_parquet: another answer than most",
        "R2, delta_arrow: ERR broken",
    ]
    assert odd_ones({"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 2}}, same) == ["a"]


def test_the_tables_show_ratio_target_and_mark(results: Results) -> None:
    table = ratios(results, {"R2": "one day", "R3": "five minutes"})
    assert "| R2 | one day | 4 |  | arcticdb 8 | 0.50 |  | <= 1: met |" in table
    assert "R3" not in table
    assert "| R2 | 4 (0.5) | 8 (1) | 1! (0.12) | 0.5 (0.062) |" in everything(
        results, {"R2": ""}, [OURS[0], "arcticdb", "chdb_parquet", "numba_mem"]
    )


def test_a_missed_target_is_named() -> None:
    figures = {row: {OURS[1]: 6.0, "arcticdb": 10.0} for row in READS}
    assert list(means(Results(figures))) == [
        "cache warm, worst of R: 0.60 x the best peer (target 0.5: **MISSED**)"
    ]


def test_a_table_takes_the_place_between_its_marks(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- peers -->\nold\n<!-- /peers -->\nb\n")
    put_between(readme, "peers", "| new |\n")
    assert readme.read_text() == "a\n<!-- peers -->\n| new |\n<!-- /peers -->\nb\n"


def test_a_readme_without_marks_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("no marks")
    put_between(readme, "peers", "| new |")
    assert readme.read_text() == "no marks"
    assert "<!-- peers -->" in capsys.readouterr().err


def test_without_the_peers_scripts_the_run_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no peerbench in .*--peerbench"):
        find_peerbench(tmp_path)
