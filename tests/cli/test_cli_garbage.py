from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lakehouse

Run = Callable[..., Any]
BARS = "market_data.bars_1d"


@pytest.fixture
def corrected(bars: Run, vendor: Path) -> Run:
    """Run `lake` in a lake where version 2 replaces the file of version 1, and nobody reads."""
    path = vendor / "AAPL.csv"
    path.write_text(path.read_text().replace("185.64", "185.99"))
    assert bars("ingest", BARS, path, "--mode", "upsert").code == 0
    gc.collect()
    return bars


def files() -> int:
    return sum(1 for _ in Path("partitions").rglob("part-*.parquet"))


def now(run: Run) -> dict[str, Any]:
    report: dict[str, Any] = run("gc", "--apply", "--grace", "0s", "--history", "0s", "--json").json
    return report


def test_gc_says_what_is_dead_and_deletes_nothing(corrected: Run) -> None:
    before = files()
    out = corrected("gc", "--history", "0s").out

    assert "1 file" in out
    assert "Nothing was written; do it with --apply." in out
    assert files() == before


def test_gc_deletes_what_nothing_reaches(corrected: Run) -> None:
    before = files()
    report = now(corrected)

    assert (report["dry_run"], report["deleted_files"], report["dead_files"]) == (False, 1, 1)
    assert files() == before - 1
    assert corrected("verify", "--json").code == 0


def test_gc_keeps_the_history_by_default(corrected: Run) -> None:
    report = corrected("gc", "--apply", "--grace", "0s", "--json").json

    assert (report["deleted_files"], report["kept"]) == (0, {"history": 1})


def test_gc_waits_for_the_grace(corrected: Run) -> None:
    before = files()
    report = corrected("gc", "--apply", "--history", "0s", "--json").json

    assert (report["dead_files"], report["deleted_files"], report["waiting_files"]) == (1, 0, 1)
    assert files() == before


def test_a_span_that_can_not_be_read_is_refused(corrected: Run) -> None:
    ran = corrected("gc", "--grace", "soon")

    assert ran.code == 1
    assert "Not a grace: 'soon'" in ran.err


def test_a_lock_keeps_its_files_until_it_is_unpinned(corrected: Run) -> None:
    corrected("lock", "old.lock", f"{BARS}@1")
    gc.collect()
    assert now(corrected)["deleted_files"] == 0
    (pin,) = corrected("pins", "--json").json
    assert (pin["author"], pin["products"]) == ("tester", f"{BARS}@1")
    said = corrected("unpin", pin["pin"], "--json").json
    assert (said["dry_run"], said["kind"], said["files"]) == (True, "lock", 1)
    assert lakehouse.checkout("old.lock", root=".").verify().ok
    gc.collect()

    assert corrected("unpin", pin["pin"], "--apply", "--message", "done").code == 0
    assert now(corrected)["deleted_files"] == 2, "the data file and the manifest"
    assert corrected("doctor").code == 0
    ran = corrected("checkout", "old.lock")
    assert ran.code == 1
    assert "was dropped by tester" in ran.err
    assert "done" in ran.err


def test_a_snapshot_is_dropped_only_explicitly(corrected: Run) -> None:
    corrected("snapshot", "old", f"{BARS}@1")
    gc.collect()
    assert "would be dropped" in corrected("drop", "old").out
    assert now(corrected)["kept"] == {"snapshot old (tester)": 1}
    gc.collect()

    assert corrected("drop", "old", "--apply").code == 0
    assert now(corrected)["deleted_files"] == 2, "the data file and the manifest"
    assert corrected("snapshots", "--json").json == []
    assert "a dropped name stays taken" in corrected("snapshot", "old").err


def test_no_pin_yet_says_so(bars: Run) -> None:
    assert bars("pins").out.strip() == "No lock file was handed out yet."


def test_unpin_takes_the_lock_file(corrected: Run) -> None:
    assert corrected("lock", "a.lock").code == 0
    ran = corrected("unpin", "a.lock", "--apply", "--json")

    assert (ran.code, ran.json["kind"], ran.json["products"]) == (0, "lock", [f"{BARS}@2"])
    assert corrected("pins", "--json").json == []
