from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lakehouse.store import LocalStore

Run = Callable[..., Any]

BARS = "market_data.bars_1d"


@pytest.fixture
def file(bars: Run, tmp_path: Path) -> Path:
    """Return a data file of the head of a lake of bars."""
    return next((tmp_path / "here/partitions/market_data/bars_1d/v1").rglob("part-*.parquet"))


def test_a_healthy_lake_exits_with_0(bars: Run) -> None:
    ran = bars("doctor")
    assert ran.code == 0
    assert "healthy (1 table, " in ran.out


def test_a_finding_exits_with_1_and_says_what_to_do(bars: Run, file: Path) -> None:
    file.unlink()
    ran = bars("doctor", BARS, "--quick")
    assert ran.code == 1
    assert "missing-file  partitions/market_data/bars_1d/v1/" in ran.out
    assert "advice: " in ran.out


def test_json_names_each_finding(bars: Run, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])
    ran = bars("doctor", "--json", "--quick")
    [finding] = ran.json["findings"]
    assert (ran.code, ran.json["ok"], finding["kind"]) == (1, False, "wrong-size")
    assert {"path", "what", "expected", "got", "consequence", "repair", "advice"} < finding.keys()


def test_apply_puts_a_file_back_from_a_backup(bars: Run, file: Path, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "here", tmp_path / "backup")
    good = file.read_bytes()
    file.write_bytes(b"torn")
    assert bars("doctor", "--source", tmp_path / "backup").code == 1
    assert file.read_bytes() == b"torn"
    ran = bars("doctor", "--apply", "--source", tmp_path / "backup")
    assert ran.code == 0
    assert "repaired: put-copy" in ran.out
    assert file.read_bytes() == good


def test_a_lake_whose_own_document_is_broken_is_looked_at(bars: Run, tmp_path: Path) -> None:
    (tmp_path / "here/catalog/lake.json").write_text("{")
    ran = bars("doctor", "--lake", tmp_path / "here")
    assert ran.code == 1
    assert "broken-document  catalog/lake.json" in ran.out


def test_a_lake_whose_own_document_is_missing_is_looked_at(bars: Run, tmp_path: Path) -> None:
    (tmp_path / "here/catalog/lake.json").unlink()
    ran = bars("doctor", "--lake", tmp_path / "here")
    assert ran.code == 1
    assert "catalog/lake.json is missing" in ran.out


def test_an_empty_folder_is_no_lake(lake: Run, tmp_path: Path) -> None:
    ran = lake("doctor", "--lake", tmp_path / "nothing")
    assert ran.code == 1
    assert "There is no lake at" in ran.err


def test_probe_tries_the_store_out_and_leaves_nothing(bars: Run, tmp_path: Path) -> None:
    ran = bars("doctor", "--quick", "--probe", "--json")
    assert (ran.code, ran.json["probe"]["safe"], ran.json["ok"]) == (0, True, True)
    assert not list((tmp_path / "here/catalog").glob("probes/*"))


def test_a_store_that_lets_two_writers_win_exits_with_1(bars: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def overwrite(self: LocalStore, path: str, data: bytes) -> None:
        (Path(self.url) / path).parent.mkdir(parents=True, exist_ok=True)
        (Path(self.url) / path).write_bytes(data)

    monkeypatch.setattr(LocalStore, "put_if_absent", overwrite)
    ran = bars("doctor", "--quick", "--probe")
    assert ran.code == 1
    assert "NOT SAFE for a lake" in ran.out
