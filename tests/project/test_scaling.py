"""The scaling curves: their charts and tables, and the processes that are timed."""

from __future__ import annotations

from pathlib import Path

import pytest

import lakehouse
from benchmarks.data import trades
from benchmarks.place import new_product
from benchmarks.scaling import by_processes
from benchmarks.scaling.curves import Chart, Curve, draw, to_markdown
from benchmarks.scaling.probe import QUESTIONS, ask

CHART = Chart("rows", "Time over rows", "rows", "ms", [10, 1_000], [Curve("read", [1.5, 2.0])])


def test_equal_curves_give_equal_files(tmp_path: Path) -> None:
    first = draw(CHART, tmp_path).read_bytes()
    assert draw(CHART, tmp_path).read_bytes() == first
    assert b"Time over rows" in first


def test_a_chart_has_its_numbers_in_a_table() -> None:
    assert "![Time over rows](charts/rows.svg)" in to_markdown(CHART)
    assert "| rows | 10 | 1,000 |" in to_markdown(CHART)
    assert "| read, ms | 1.5 | 2 |" in to_markdown(CHART)


@pytest.mark.parametrize("kind", ["reader", "writer"])
def test_processes_race_on_one_product(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_processes, "DAYS", 4)
    monkeypatch.setattr(by_processes, "ROWS", 1_000)
    product = by_processes.make_product(tmp_path / "lake")
    before = product.rows
    assert by_processes.race(kind, tmp_path / "lake", 2, 1) > 0
    written = 2 * 2 * 10 if kind == "writer" else 0  # each process makes one commit to warm up, and one more
    assert lakehouse.open(tmp_path / "lake")[by_processes.NAME].rows == before + written


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_streaming_question_tells_time_and_peak(question: str, tmp_path: Path) -> None:
    new_product(tmp_path / "lake", "market_data.trades").append(trades(2_000, 0, names=["A", "B"]))
    seconds, peak = ask(tmp_path / "lake", "market_data.trades", question)
    assert seconds > 0
    assert 10 < peak < 2_000
