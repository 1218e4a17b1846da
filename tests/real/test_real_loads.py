"""Every feed lands whole, is counted, and lands once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

FEEDS = [
    "futures", "adjusted", "fx", "fx days",
    "instrumentconfig", "moreinstrumentinfo", "rollconfig", "spreadcosts",
    "ibm trades", "ibm quotes", "equity minutes", "equity hours", "equity days",
    "eurusd ticks", "eurusd seconds", "eurusd minutes",
    "vix", "xrp trades", "xrp minutes", "xrp five minutes", "nautilus ticks",
]  # fmt: skip


def on_disk(root: Path) -> dict[str, tuple[int, int]]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {
        path.relative_to(root).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns) for path in files
    }


@pytest.mark.parametrize("feed", FEEDS)
def test_every_row_is_accepted_quarantined_or_a_duplicate(real: Any, feed: str) -> None:
    report = real.load(feed)
    assert report.ok
    assert report.rows_in == real.feeds[feed].rows
    assert report.rows_in == report.accepted + report.quarantined + report.duplicates
    for commit in real.lake[report.product].history():
        assert commit.rows_in == commit.accepted + commit.quarantined + commit.duplicates


@pytest.mark.parametrize("feed", FEEDS)
def test_a_repeated_backfill_writes_nothing(real: Any, feed: str) -> None:
    chunks = real.load(feed).chunks
    product = real.lake[real.feeds[feed].product]
    before = (product.version, product.digest, on_disk(Path(real.lake.url)))
    again = real.backfill(feed)
    assert (again.skipped, again.committed, again.rows_in, again.versions) == (chunks, 0, 0, ())
    assert (product.version, product.digest, on_disk(Path(real.lake.url))) == before


@pytest.mark.parametrize("feed", FEEDS)
def test_the_digest_is_that_of_the_stored_rows(real: Any, feed: str) -> None:
    product = real.lake[real.load(feed).product]
    found = product.verify()
    assert found.ok, found.problems
    assert product.read().num_rows == product.rows


@pytest.mark.parametrize("feed", ["fx", "equity days", "equity hours", "eurusd ticks", "eurusd seconds"])
def test_short_and_long_files_share_one_commit(real: Any, feed: str) -> None:
    assert len(real.load(feed).versions) == 1
