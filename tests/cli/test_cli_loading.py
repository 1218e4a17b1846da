from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lakehouse

Run = Callable[..., Any]
BARS = "market_data.bars_1d"


@pytest.fixture
def empty(lake: Run, vendor: Path) -> Run:
    """Run `lake` in a lake with an empty product."""
    lake("init")
    lake("create", BARS, "--like", vendor / "AAPL.csv", "--symbol-from-name")
    return lake


def test_backfill_reports_what_it_did(empty: Run, vendor: Path) -> None:
    report = empty("backfill", BARS, vendor, "--json").json

    assert (report["rows_in"], report["accepted"], report["quarantined"], report["duplicates"]) == (
        6,
        5,
        1,
        0,
    )
    assert (report["chunks"], report["committed"], report["ok"], report["rules"]) == (2, 2, True, {"ohlc": 1})


def test_backfill_tells_where_the_refused_rows_are(empty: Run, vendor: Path) -> None:
    out = empty("backfill", BARS, vendor).out

    assert f"1 row went to quarantine (ohlc: 1); see them: lake quarantine read {BARS}" in out


def test_a_repeated_backfill_writes_nothing(empty: Run, vendor: Path) -> None:
    empty("backfill", BARS, vendor)
    report = empty("backfill", BARS, vendor, "--json").json

    assert (report["committed"], report["skipped"], report["versions"]) == (0, 2, [])


def test_backfill_takes_symbols_and_an_interval(empty: Run, vendor: Path) -> None:
    chosen = ("--symbols", "AAPL", "--start", "2024-01-03", "--end", "2024-01-04")
    report = empty("backfill", BARS, vendor, *chosen, "--json").json

    assert (report["rows_in"], report["rows"]) == (1, 1)


def test_backfill_takes_a_recipe_file(empty: Run, tmp_path: Path) -> None:
    path = tmp_path / "headerless" / "MSFT.csv"
    path.parent.mkdir()
    path.write_text("20240102,3738600,3758700,3667700,3708700,25258600\n")
    recipe = tmp_path / "recipe.yaml"
    prices = ", ".join(f"{name}: 10000" for name in ("open", "high", "low", "close"))
    recipe.write_text(f"columns: [time, open, high, low, close, volume]\ndivide: {{{prices}}}\n")
    ran = empty("backfill", BARS, path.parent, "--recipe", recipe)
    (row,) = empty("sql", f"select symbol, close from {BARS}", "--json").json

    assert (ran.code, row) == (0, {"symbol": "MSFT", "close": 370.87})


def test_backfill_exits_with_one_where_a_chunk_failed_and_loads_the_others(empty: Run, vendor: Path) -> None:
    (vendor / "BAD.parquet").write_bytes(b"PAR1 and then nothing")
    ran = empty("backfill", BARS, vendor)

    assert ran.code == 1
    assert "1 chunk failed:" in ran.out
    assert "BAD.parquet" in ran.out
    assert lakehouse.open(".")[BARS].rows == 5


def test_a_failed_chunk_stands_in_the_json_report(empty: Run, vendor: Path) -> None:
    (vendor / "BAD.parquet").write_bytes(b"PAR1 and then nothing")
    ran = empty("backfill", BARS, vendor, "--json")

    assert (ran.code, ran.json["ok"]) == (1, False)
    assert ran.json["failures"][0]["files"] == ["BAD.parquet"]


def test_backfill_records_author_and_message(empty: Run, vendor: Path) -> None:
    empty("backfill", BARS, vendor, "--author", "ada", "--message", "first load")
    commit = lakehouse.open(".")[BARS].history()[0]

    assert (commit.author, commit.message, commit.source) == ("ada", "first load", str(vendor))


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has neither named pipes in folders nor SIGINT for children"
)
def test_an_interrupted_backfill_says_how_to_resume_and_exits_with_130(
    empty: Run, vendor: Path, spawn: Run
) -> None:
    """The source ends in a named pipe, so that the run surely is in the middle when the signal comes.

    polars restarts system calls that a signal interrupts, so the pipe is closed for the read to end.
    """
    pipe = vendor / "zzz.csv"
    os.mkfifo(pipe)
    with spawn("backfill", BARS, vendor) as process:
        writer = pipe.open("w")  # returns once the command has opened it
        process.send_signal(signal.SIGINT)
        writer.close()
        out, err = process.communicate(timeout=60)
    pipe.unlink()

    assert (process.returncode, out) == (130, "")
    assert "resume by running the same command again" in err
    assert "Traceback" not in err
    assert empty("backfill", BARS, vendor).code == 0


def test_ingest_appends_one_commit_a_file(empty: Run, vendor: Path) -> None:
    done = empty("ingest", BARS, vendor / "AAPL.csv", vendor / "IBM.csv", "--json").json

    assert [(row["version"], row["accepted"], row["quarantined"]) for row in done["files"]] == [
        (1, 3, 0),
        (2, 2, 1),
    ]
    assert (done["rows_in"], done["accepted"], done["quarantined"], done["rows"]) == (6, 5, 1, 5)


def test_ingest_skips_a_file_that_was_loaded_before(empty: Run, vendor: Path) -> None:
    empty("ingest", BARS, vendor / "AAPL.csv")
    done = empty("ingest", BARS, vendor / "AAPL.csv", "--json").json

    assert (done["files"][0]["skipped"], done["rows_in"], done["version"]) == (True, 0, 1)


def test_a_backfill_skips_what_was_ingested_and_the_reverse(empty: Run, vendor: Path) -> None:
    empty("ingest", BARS, vendor / "AAPL.csv")
    report = empty("backfill", BARS, vendor, "--json").json
    done = empty("ingest", BARS, vendor / "IBM.csv", "--json").json

    assert (report["skipped"], report["committed"], done["files"][0]["skipped"]) == (1, 1, True)


def test_ingest_again_writes_a_file_once_more(empty: Run, vendor: Path) -> None:
    empty("ingest", BARS, vendor / "AAPL.csv")
    done = empty("ingest", BARS, vendor / "AAPL.csv", "--again", "--json").json

    assert (done["files"][0]["skipped"], done["duplicates"]) == (False, 3)


def test_ingest_never_doubles_the_rows_of_a_product_without_a_key(lake: Run, tmp_path: Path) -> None:
    """A part of the file is in already, and no key tells which rows."""
    path = tmp_path / "IBM.csv"
    path.write_text("symbol,time,price\nIBM,2024-01-02T09:30:00Z,161.5\nIBM,2024-01-03T09:30:00Z,160.1\n")
    lake("init")
    lake("create", "market_data.ticks", "--like", path)
    lake("backfill", "market_data.ticks", path, "--end", "2024-01-03")
    ran = lake("ingest", "market_data.ticks", path)

    assert ran.code == 1
    assert "rows would double" in ran.err
    assert lakehouse.open(".")["market_data.ticks"].rows == 1


def test_ingest_refuses_other_values_of_a_key_and_upsert_takes_them(bars: Run, vendor: Path) -> None:
    path = vendor / "AAPL.csv"
    path.write_text(path.read_text().replace("185.64", "185.99"))
    refused = bars("ingest", BARS, path)
    done = bars("ingest", BARS, "--mode", "upsert", path, "--json").json

    assert refused.code == 1
    assert "AAPL.csv: 1 keys are stored" in refused.err
    assert (done["version"], done["accepted"], done["duplicates"]) == (2, 1, 2)


def test_ingest_says_how_far_it_came(empty: Run, vendor: Path) -> None:
    ran = empty("ingest", BARS, vendor / "AAPL.csv", vendor / "missing.csv")
    broken = vendor / "BAD.csv"
    broken.write_text("nothing,of,use\n1,2,3\n")
    stopped = empty("ingest", BARS, vendor / "AAPL.csv", broken)

    assert (ran.code, lakehouse.open(".")[BARS].version) == (1, 1)
    assert "missing.csv" in ran.err
    assert "BAD.csv" in stopped.err
    assert "The 1 before it is in." in stopped.err
