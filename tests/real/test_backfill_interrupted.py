"""A backfill killed in the middle goes on where it stopped, and ends where an uninterrupted one ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import lakehouse

Locate = Callable[[str], Path]
CHILD = """
import sys
import lakehouse
from lakehouse.ingest.backfill import batches as backfill

backfill.ROWS_PER_COMMIT = 1  # one chunk a commit
folder, product, source, recipe = sys.argv[1:]

def tell(progress):
    print(progress.done, flush=True)

lakehouse.open(folder).backfill(product, source, recipe=recipe, progress=tell)
"""


@dataclass(frozen=True)
class Job:
    """A backfill of several chunks."""

    product: str
    path: str
    recipe: str
    chunks: int


MINUTES = Job("market_data.bars_1m", "lean/equity/usa/minute", "lean_equity_minute", 25)
TRADES = Job("market_data.trades", "lean/equity/usa/tick", "lean_equity_trade_tick", 5)


def run(job: Job, lake: lakehouse.Lake, locate: Locate) -> Any:
    return lake.backfill(job.product, locate(job.path), recipe=job.recipe)


def kill_after(commits: int, job: Job, folder: str, locate: Locate) -> None:
    """Run a backfill in a process of its own, and kill it when it says that so many commits are done."""
    command = [sys.executable, "-c", CHILD, folder, job.product, str(locate(job.path)), job.recipe]
    root = Path(lakehouse.__file__).parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as child:
        assert child.stdout is not None
        while child.stdout.readline().strip() not in (str(commits), ""):
            pass
        child.kill()


@pytest.mark.parametrize(
    ("job", "commits"),
    [(MINUTES, 1), (MINUTES, 9), (MINUTES, 20), (TRADES, 2)],
    ids=["bars-1", "bars-9", "bars-20", "trades without a key-2"],
)
def test_the_next_run_loads_only_the_missing_chunks(
    lake: lakehouse.Lake, contracts: Any, shared_data: Locate, tmp_path: Path, job: Job, commits: int
) -> None:
    product = lake.apply(contracts[job.product])
    kill_after(commits, job, lake.url, shared_data)
    landed = product.history()
    assert commits <= sum(commit.operation == "backfill" for commit in landed) < job.chunks
    assert product.verify().ok
    report = run(job, lake, shared_data)
    assert (report.skipped, report.failures) == (len(landed) - 1, ())
    assert report.committed == job.chunks - report.skipped
    assert report.accepted == product.rows - sum(commit.accepted for commit in landed)
    whole = lakehouse.open(tmp_path / "whole", create=True)
    whole.apply(contracts[job.product])
    straight = run(job, whole, shared_data)
    assert (report.rows, report.digest) == (straight.rows, straight.digest)


def test_a_killed_run_shows_only_whole_commits(
    lake: lakehouse.Lake, contracts: Any, shared_data: Locate
) -> None:
    product = lake.apply(contracts[MINUTES.product])
    kill_after(5, MINUTES, lake.url, shared_data)
    assert product.read().num_rows == product.rows == sum(commit.accepted for commit in product.history())
    for commit in product.history():
        assert commit.rows_in == commit.accepted + commit.quarantined + commit.duplicates
