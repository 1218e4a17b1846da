"""The demo keeps its promises on the sample, can be run again, and touches nothing that is not its own."""

from __future__ import annotations

from pathlib import Path

import pytest

import lakehouse
from lakehouse.demo import correction
from lakehouse.demo.main import main

pytest.importorskip("bokeh_sampledata", reason="the extra demo is not installed")
pytest.importorskip("matplotlib", reason="the extra demo is not installed")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the demo on its sample once, and give the folder that it wrote."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    assert main(["--out", str(folder)]) == 0
    return folder


def test_lock_of_the_demo_opens_the_data_before_the_correction(out: Path) -> None:
    name = "market_data.bars_1d"
    past, head = lakehouse.checkout(out / "lake.lock")[name], lakehouse.open(out / "lake")[name]
    assert past.rows == head.rows == 12_154
    assert past.digest == head.history()[-2].digest != head.digest


def test_no_broken_row_lands(out: Path) -> None:
    bars = lakehouse.open(out / "lake")["market_data.bars_1d"]
    assert bars.symbols().to_polars()["symbol"].to_list() == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
    assert bars.quarantine.list().to_polars()["rows"].to_list() == [5]


def test_chart_is_a_picture(out: Path) -> None:
    assert (out / "equity.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_second_run_replaces_its_own_files_only(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    first = lakehouse.open(out / "lake").id
    assert main(["--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n  kept    ") == 6
    assert "BROKEN" not in printed
    assert lakehouse.open(out / "lake").id != first
    assert (out / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_folder_of_somebody_else_is_refused_and_untouched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "precious.parquet").touch()
    assert main(["--out", str(tmp_path)]) == 1
    assert "the demo did not make it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["lake", "precious.parquet"]


def test_promise_that_is_not_kept_gives_exit_code_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(correction, "FACTOR", 1.0)  # a correction that corrects nothing
    assert main(["--out", str(tmp_path)]) == 1
    assert "BROKEN  the head has other rows" in capsys.readouterr().out
