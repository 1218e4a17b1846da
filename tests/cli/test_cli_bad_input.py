"""Bad input: a clear error of our own type, exit code 1, and the lake as it was."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lakehouse

Run = Callable[..., Any]
BARS = "market_data.bars_1d"


@pytest.fixture
def unchanged(bars: Run) -> Iterator[Run]:
    """Run `lake` in the lake of bars, and check afterwards that it is as it was."""
    before = state()
    yield bars
    assert state() == before


def state() -> dict[str, bytes]:
    """Return every file of the lake but locks, claims of processes and what the test itself wrote."""
    files = (path for folder in ("catalog", "partitions", "queries") for path in Path(folder).rglob("*"))
    return {
        path.as_posix(): path.read_bytes()
        for path in files
        if path.is_file() and not path.name.startswith(".") and path.parent.name not in ("leases", "intents")
    }


def refused(ran: Any, *texts: str) -> None:
    """Check that the command failed as it should."""
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("lake: ")
    assert "Traceback" not in ran.err
    for text in texts:
        assert text in ran.err


@pytest.mark.parametrize(
    "command",
    ["show", "history", "ingest", "backfill", "diff", "restore", "quarantine list", "layout advise"],
)
def test_an_unknown_product(unchanged: Run, vendor: Path, command: str) -> None:
    rest: dict[str, list[object]] = {
        "ingest": [vendor / "AAPL.csv"],
        "backfill": [vendor],
        "diff": [0, 1],
        "restore": [1],
    }

    refused(
        unchanged(*command.split(), "market_data.bars_2d", *rest.get(command, [])),
        "Unknown product",
        f"Did you mean {BARS}?",
    )


@pytest.mark.parametrize(
    "name", ["bars", "a.b.c", "Market.Bars", "../x.y", "market_data/bars_1d", "", "con.aux"]
)
def test_a_name_that_is_no_product_name(unchanged: Run, vendor: Path, name: str) -> None:
    refused(unchanged("create", name, "--like", vendor / "AAPL.csv"), "Not a product name")


def test_a_second_product_of_the_same_name(unchanged: Run, vendor: Path) -> None:
    refused(unchanged("create", BARS, "--like", vendor / "IBM.csv", "--symbol-from-name"), "exists already")


def test_a_start_after_the_end(unchanged: Run, vendor: Path) -> None:
    refused(
        unchanged("backfill", BARS, vendor, "--start", "2024-02-01", "--end", "2024-01-01"),
        "is after the end",
    )


@pytest.mark.parametrize("time", ["yesterday", "2024-13-01", "1500-01-01"])
def test_a_time_that_can_not_be_read(unchanged: Run, vendor: Path, time: str) -> None:
    refused(unchanged("backfill", BARS, vendor, "--start", time))


@pytest.mark.parametrize("name", ["../escape", "a/b", "..", "x.", "nul", "a\\b", "", "a" * 101])
def test_a_snapshot_name_that_leads_out_of_the_catalog(unchanged: Run, name: str) -> None:
    refused(unchanged("snapshot", name), "Not a name for a snapshot")


def test_a_snapshot_name_that_is_taken(bars: Run) -> None:
    bars("snapshot", "s")
    before = state()

    refused(bars("snapshot", "S"), "There is a snapshot 's' already")
    assert state() == before


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "nothing"])
def test_a_query_that_is_not_there(unchanged: Run, name: str) -> None:
    refused(unchanged("query", name))


def test_a_source_that_is_not_there(unchanged: Run) -> None:
    refused(unchanged("backfill", BARS, "nowhere/*.csv"), "There is no file, folder or template of files")


def test_a_recipe_that_is_not_there(unchanged: Run, vendor: Path) -> None:
    refused(unchanged("backfill", BARS, vendor, "--recipe", "nothing"))


def test_a_truncated_parquet_file(unchanged: Run, vendor: Path) -> None:
    path = vendor / "T.parquet"
    lakehouse.open(".")[BARS].read().to_polars().write_parquet(path)
    path.write_bytes(path.read_bytes()[:-100])

    refused(unchanged("ingest", BARS, path), "T.parquet", "truncated or damaged")


def test_an_empty_file(unchanged: Run, vendor: Path) -> None:
    (vendor / "E.csv").write_bytes(b"")

    refused(unchanged("ingest", BARS, vendor / "E.csv"), "is empty (0 bytes)")


def test_a_file_that_lacks_a_column(unchanged: Run, vendor: Path) -> None:
    (vendor / "M.csv").write_text("open,close\n1,2\n")

    refused(unchanged("ingest", BARS, vendor / "M.csv"), "has no column for 'date'")


def test_a_file_with_a_column_too_many(unchanged: Run, vendor: Path) -> None:
    text = (vendor / "AAPL.csv").read_text().replace("volume", "volume,colour").replace("00\n", "00,red\n")
    (vendor / "X.csv").write_text(text)

    refused(unchanged("ingest", BARS, vendor / "X.csv"), "colour")


def test_a_contract_that_is_not_there_or_is_none(unchanged: Run, tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")

    refused(unchanged("apply", tmp_path / "missing.yaml"), "Can not read the contract")
    refused(unchanged("apply", tmp_path / "binary.yaml"), "is not UTF-8 text")


def test_a_sample_that_is_not_there_or_is_none(unchanged: Run, tmp_path: Path) -> None:
    (tmp_path / "page.csv").write_text("<html>Not found</html>")

    refused(unchanged("create", "a.b", "--like", tmp_path / "missing.csv"), "Can not open")
    refused(unchanged("create", "a.b", "--like", tmp_path / "page.csv"), "is HTML or XML")


@pytest.mark.parametrize("words", [("symbol",), ("=IBM",), ("a=1", "a=2")])
def test_an_argument_that_is_no_pair(unchanged: Run, words: tuple[str, ...]) -> None:
    refused(unchanged("query", "vwap", *words), "argument")


def test_a_folder_that_is_no_lake(lake: Run, tmp_path: Path) -> None:
    refused(lake("ls", "--lake", tmp_path), "There is no lake at", "lake init")
    assert not (tmp_path / "catalog").exists()


def test_a_bucket_of_another_cloud(lake: Run) -> None:
    refused(lake("ls", "--lake", "gs://bucket/lake"), "Can not open gs:// lakes")


def test_a_lock_file_that_was_edited(bars: Run) -> None:
    bars("lock", "b.lock")
    path = Path("b.lock")
    path.write_text(path.read_text().replace("rows = 5", "rows = 6"))

    refused(bars("checkout", "b.lock"), "truncated or was edited")


def test_a_file_that_is_no_lock(unchanged: Run, vendor: Path) -> None:
    refused(unchanged("checkout", vendor / "AAPL.csv"), "is no lock")


@pytest.mark.skipif(sys.platform == "win32", reason="folders of Windows can be written by their owner")
def test_a_lake_on_a_read_only_disk(bars: Run, vendor: Path) -> None:
    """Root may write anywhere, so that the test stands on a folder that is a file."""
    blocked = Path("blocked")
    blocked.write_text("")

    refused(bars("init", blocked / "lake"))
    refused(bars("lock", blocked / "b.lock"))
