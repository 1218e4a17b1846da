"""A lake with everything in it that a doctor looks at, and ways to damage it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import lakehouse
from lakehouse.times import NS_PER_DAY

ROOT = Path(__file__).parents[3]
BARS = "market_data.bars_1d"

Bars = Callable[..., pl.DataFrame]

_WRITER = """
import os, sys, time
import polars as pl
import lakehouse
from lakehouse.partitions.table import Table
lake = lakehouse.open(sys.argv[1])
frame = pl.read_parquet(sys.argv[2])
def stop(*rest):
    print("written", flush=True)
    time.sleep(600)
Table.commit = stop
lake[sys.argv[3]].append(frame)
"""


def make_bars(
    symbols: tuple[str, ...] = ("IBM", "BRK/B"), days: int = 3, *, first: int = 19_724
) -> pl.DataFrame:
    """Return daily bars; the price tells the day."""
    times = [(first + day) * NS_PER_DAY for day in range(days)]
    count = days * len(symbols)
    return pl.DataFrame(
        {
            "symbol": [symbol for symbol in symbols for _ in times],
            "time": pl.Series(times * len(symbols), dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")),
            "close": [float(first + row) for row in range(count)],
            "volume": list(range(count)),
        }
    )


def fill(root: Path) -> lakehouse.Lake:
    """Make a lake with history, a snapshot, a lock, refused rows, two layouts and a checkpoint."""
    lake = lakehouse.open(root, create=True)
    lake.add_domain(lakehouse.Domain("market_data", owners=("desk",)))
    rules = (lakehouse.Rule("above_zero", "positive", ("close",)),)
    bars = lake.create(
        BARS, like=make_bars(), key=("symbol", "time"), layout="date=year,symbol=row_groups", rules=rules
    )
    bars.append(make_bars())
    bars.append(make_bars(first=19_800).with_columns(close=pl.lit(-1.0)))
    lake.snapshot("first")
    bars.upsert(make_bars(days=2).with_columns(close=pl.lit(7.0)))
    ticks = lake.create("market_data.ticks", like=make_bars(), layout="date=day,symbol=identity")
    ticks.append(make_bars())
    lake.lock(root.parent / "lake.lock")
    bars.delete("IBM")
    bars.append(make_bars(("AAPL",)))
    bars.upsert(make_bars(("AAPL",)).with_columns(close=pl.lit(9.0)))
    bars.table.write_checkpoint()
    return lake


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> lakehouse.Lake:
    """Give a lake with everything in it, to be copied without its claims."""
    return fill(tmp_path_factory.mktemp("template") / "lake")


@pytest.fixture
def lake(template: lakehouse.Lake, tmp_path: Path) -> lakehouse.Lake:
    """Give a lake with everything in it."""
    claims = shutil.ignore_patterns("leases", "intents")
    shutil.copytree(template.url, tmp_path / "lake", ignore=claims)
    shutil.copy(Path(template.url).parent / "lake.lock", tmp_path / "lake.lock")
    return lakehouse.open(tmp_path / "lake")


@pytest.fixture
def dying_writer(tmp_path: Path) -> Callable[..., None]:
    """Give a function that starts a writer and kills it when its files are there and its commit is not."""

    def kill(root: str, product: str = BARS) -> None:
        frame = tmp_path / "frame.parquet"
        make_bars(("DEAD",)).write_parquet(frame)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        line = [sys.executable, "-c", _WRITER, root, str(frame), product]
        with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "written\n"
            process.kill()

    return kill


@pytest.fixture
def bars() -> Bars:
    """Give a function that makes daily bars."""
    return make_bars
