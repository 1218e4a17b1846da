from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lakehouse

Run = Callable[..., Any]
BARS = "market_data.bars_1d"


def corrected(bars: Run, vendor: Path) -> None:
    """Let the vendor correct a price: version 2."""
    path = vendor / "AAPL.csv"
    path.write_text(path.read_text().replace("185.64", "185.99"))
    assert bars("ingest", BARS, path, "--mode", "upsert").code == 0


def test_snapshot_names_the_present_versions(bars: Run) -> None:
    made = bars("snapshot", "2026-q3", "--message", "as traded", "--json").json

    assert [(row["product"], row["version"], row["rows"]) for row in made["products"]] == [(BARS, 1, 5)]
    assert lakehouse.open(".").snapshots()[0].message == "as traded"


def test_snapshot_takes_a_version(bars: Run, vendor: Path) -> None:
    corrected(bars, vendor)
    made = bars("snapshot", "before", f"{BARS}@1", "--json").json

    assert made["products"][0]["version"] == 1


def test_snapshots_lists_them_oldest_first(bars: Run) -> None:
    bars("snapshot", "z")
    bars("snapshot", "a")

    assert [row["snapshot"] for row in bars("snapshots", "--json").json] == ["z", "a"]
    assert "z" in bars("snapshots").out


def test_no_snapshot_yet_says_how_to_make_one(bars: Run) -> None:
    assert "lake snapshot NAME" in bars("snapshots").out


def test_a_checkout_shows_what_it_holds(bars: Run) -> None:
    bars("snapshot", "s")
    (row,) = bars("checkout", "s", "--json").json["products"]

    assert (row["product"], row["version"], row["digest"]) == (BARS, 1, lakehouse.open(".")[BARS].digest)


def test_a_checkout_answers_sql_as_it_was(bars: Run, vendor: Path) -> None:
    bars("snapshot", "s")
    corrected(bars, vendor)
    text = f"select max(close) as top from {BARS}"

    assert bars("checkout", "s", "--sql", text, "--json").json == [{"top": 185.64}]
    assert bars("sql", text, "--json").json == [{"top": 185.99}]


def test_a_checkout_at_a_time(bars: Run, vendor: Path) -> None:
    first = lakehouse.open(".")[BARS].history()[0].time
    corrected(bars, vendor)

    assert bars("checkout", first, "--json").json["products"][0]["version"] == 1


def test_lock_writes_a_file_that_checkout_opens_from_anywhere(
    bars: Run, vendor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bars("lock", "b.lock", "--json").json
    corrected(bars, vendor)
    monkeypatch.chdir(vendor)
    shown = bars("checkout", "../here/b.lock", "--json").json

    assert [row["version"] for row in shown["products"]] == [1]
    assert [row["digest"] for row in shown["products"]] == [row["digest"] for row in made["products"]]


def test_lock_takes_a_snapshot_and_is_left_alone_the_second_time(bars: Run, vendor: Path) -> None:
    bars("snapshot", "s")
    corrected(bars, vendor)
    first = bars("lock", "b.lock", "--snapshot", "s")
    text = Path("b.lock").read_text()

    assert (first.code, bars("lock", "b.lock", "--snapshot", "s").code, Path("b.lock").read_text()) == (
        0,
        0,
        text,
    )


def test_lock_replaces_a_lock_of_other_data_only_when_told(bars: Run, vendor: Path) -> None:
    bars("lock", "b.lock")
    corrected(bars, vendor)

    assert bars("lock", "b.lock").code == 1
    assert bars("lock", "b.lock", "--overwrite", "--json").json["products"][0]["version"] == 2


def test_lock_refuses_a_snapshot_that_is_none(bars: Run) -> None:
    ran = bars("lock", "b.lock", "--snapshot", "2024-01-01")

    assert ran.code == 1
    assert "Unknown snapshot '2024-01-01'" in ran.err
    assert not Path("b.lock").exists()


def test_export_makes_a_lake_that_the_lock_opens(
    bars: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bars("lock", "b.lock", "--json").json
    ran = bars("export", "b.lock", tmp_path / "copy", "--json").json
    monkeypatch.chdir(tmp_path / "copy")
    shown = bars("checkout", "../here/b.lock", "--json").json

    assert ran["lake"] == shown["lake"] == str(tmp_path / "copy")
    assert [row["digest"] for row in shown["products"]] == [row["digest"] for row in made["products"]]


def test_a_snapshot_is_exported_with_a_lock_of_its_own(
    bars: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars("snapshot", "s")
    bars("checkout", "s", "--export", tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")

    assert bars("checkout", "lake.lock", "--json").json["products"][0]["rows"] == 5
    assert bars("verify", "--lock", "lake.lock").code == 0


def test_export_refuses_a_target_that_is_a_lake(bars: Run) -> None:
    bars("lock", "b.lock")
    ran = bars("export", "b.lock", ".")

    assert ran.code == 1
    assert "There is a lake at" in ran.err


@pytest.mark.parametrize("pinned", [(), (BARS,), ("--snapshot", "s"), ("--lock", "b.lock"), ("--quick",)])
def test_verify_proves_a_sound_lake(bars: Run, pinned: tuple[str, ...]) -> None:
    bars("snapshot", "s")
    bars("lock", "b.lock")
    ran = bars("verify", *pinned, "--json")

    assert (ran.code, ran.json["ok"], ran.json["rows"], ran.json["problems"]) == (0, True, 5, [])


@pytest.mark.parametrize("pinned", [(), ("--snapshot", "s"), ("--lock", "b.lock")])
def test_verify_names_a_missing_file_and_exits_with_one(bars: Run, pinned: tuple[str, ...]) -> None:
    bars("snapshot", "s")
    bars("lock", "b.lock")
    (file,) = Path("partitions").rglob("part-*.parquet")
    file.unlink()
    ran = bars("verify", *pinned, "--json")

    assert (ran.code, ran.json["ok"]) == (1, False)
    assert ran.json["problems"][0]["path"] == file.as_posix()


def test_verify_prints_the_problems_as_a_table(bars: Run) -> None:
    (file,) = Path("partitions").rglob("part-*.parquet")
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"X")
    ran = bars("verify")

    assert ran.code == 1
    assert "1 problem" in ran.out
    assert "the bytes were altered" in ran.out


def test_verify_takes_products_or_a_pin_and_not_both(bars: Run) -> None:
    bars("snapshot", "s")

    assert bars("verify", BARS, "--snapshot", "s").code == 1


@pytest.mark.parametrize("words", [(f"{BARS}@one",), (f"{BARS}@1", "market_data.other"), (BARS, BARS)])
def test_products_to_pin_that_can_mean_nothing_are_refused(bars: Run, words: tuple[str, ...]) -> None:
    ran = bars("snapshot", "s", *words)

    assert (ran.code, lakehouse.open(".").snapshots()) == (1, [])


def test_a_lock_of_another_lake_is_refused(bars: Run, tmp_path: Path) -> None:
    bars("lock", "b.lock")
    bars("init", tmp_path / "other")
    ran = bars("checkout", "b.lock", "--lake", tmp_path / "other")

    assert ran.code == 1
    assert "The lock was made in the lake" in ran.err
