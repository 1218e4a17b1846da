"""Leases, intents, garbage collection and transactions in a bucket, with real processes that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

import lakehouse
from lakehouse.catalog.claims import list_leases
from lakehouse.catalog.session import session_of
from lakehouse.errors import NotFoundError

if TYPE_CHECKING:
    from tests.conftest import S3Server

NAME, OTHER = "market_data.bars_1m", "market_data.ticks"
KEY = ("symbol", "time")
ROOT = Path(__file__).parents[2]

Bars = Callable[..., pl.DataFrame]

# Writes what it is told line by line, and says as JSON what was acknowledged; `die` ends it within its write.
WORKER = """
import json, os, signal, sys
import polars as pl
import lakehouse
from lakehouse.partitions.table import Table
lake = lakehouse.open(sys.argv[1])
product = lake["market_data.bars_1m"]
frame = product.read("IBM").to_polars()
kept = []
print("ready", flush=True)
for line in sys.stdin:
    verb, number = json.loads(line)
    if verb == "die":
        Table.commit = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    if verb == "hold":
        kept.append(product.scan(version=number))
        print(json.dumps(number), flush=True)
    elif verb == "read":
        print(json.dumps(kept[0].read().to_polars()["open"].unique().to_list()), flush=True)
    else:
        rows = frame.with_columns(symbol=pl.lit(f"{verb}{number}"), open=pl.lit(60 + number / 8))
        commit = (product.upsert if number % 2 else product.append)(rows, idempotency_key=f"{verb}{number}")
        print(json.dumps(commit.version), flush=True)
"""


@pytest.fixture(scope="module")
def bucket(s3_server: S3Server) -> Iterator[str]:
    """Give a new bucket, and set the variables with which this process and its children reach it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (s3_server.environment | {"PYTHONPATH": str(ROOT)}).items():
            patch.setenv(name, value)
        yield s3_server.new_bucket()


@pytest.fixture
def lake(bucket: str, bars: Bars) -> lakehouse.Lake:
    """Give a lake with a product whose prices were 100 in version 1 and are 60 in version 2."""
    made = lakehouse.open(f"s3://{bucket}/lakes/{uuid.uuid4().hex}", create=True)
    product = made.create(NAME, like=bars(), key=KEY, layout="date=month,symbol=row_groups")
    product.append(bars())
    product.upsert(bars(price=60.0))
    return made


class Worker:
    """Another process at the lake."""

    def __init__(self, url: str) -> None:
        command, pipe = [sys.executable, "-c", WORKER, url], subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ)
        assert self.hear_line() == "ready\n"

    def say(self, verb: str, number: int) -> None:
        """Tell it to do something, and do not wait."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([verb, number]) + "\n")
        self.process.stdin.flush()

    def hear_line(self) -> str:
        """Wait for a line; an empty one means that it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def end(self, sign: signal.Signals | None = None) -> None:
        """Let it end in order, or by a signal."""
        if sign is not None:
            self.process.send_signal(sign)
        self.process.communicate(timeout=60)


@pytest.fixture
def worker(lake: lakehouse.Lake) -> Iterator[Callable[[], Worker]]:
    """Give a function that starts a process at the lake; all are gone after the test."""
    started: list[Worker] = []

    def start() -> Worker:
        started.append(Worker(lake.url))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.end()


def collect(lake: lakehouse.Lake) -> lakehouse.GarbageReport:
    session_of(lake.store).renew()
    return lake.gc(dry_run=False, grace="0s", history="0s")


def test_a_collection_spares_what_is_pinned_and_what_another_process_reads(
    lake: lakehouse.Lake, worker: Callable[[], Worker], tmp_path: Path
) -> None:
    lake.lock(tmp_path / "new.lock", [NAME])
    reader = worker()
    reader.say("hold", 1)
    assert reader.hear_line() == "1\n"
    assert collect(lake).deleted_files == 0
    reader.say("read", 0)
    assert json.loads(reader.hear_line()) == [100.0]
    reader.end()
    assert collect(lake).deleted_files > 0
    assert lakehouse.checkout(tmp_path / "new.lock").verify().ok
    assert lake.doctor().findings == ()


def test_a_killed_reader_and_a_killed_writer_leave_nothing(
    lake: lakehouse.Lake, worker: Callable[[], Worker]
) -> None:
    reader, writer = worker(), worker()
    reader.say("hold", 1)
    reader.hear_line()
    reader.end(signal.SIGKILL)
    writer.say("die", 1)
    assert writer.hear_line() == ""
    before = {entry.path for entry in lake.store.list("partitions") if entry.path.endswith(".parquet")}
    live = {file.path for file in lake[NAME].state().files}
    report = collect(lake)
    after = {entry.path for entry in lake.store.list("partitions") if entry.path.endswith(".parquet")}
    assert (report.dead_sessions, after) == (2, live)
    assert len(before - live) >= 2
    assert len(list_leases(lake.store)) == 1
    assert [commit.operation for commit in lake[NAME].history()][:2] == ["fence", "upsert"]


def test_nothing_acknowledged_is_lost_beside_maintenance(
    lake: lakehouse.Lake, worker: Callable[[], Worker]
) -> None:
    workers = {name: worker() for name in ("X", "Y", "Z")}
    said: dict[str, list[int]] = {name: [] for name in workers}
    for number in range(4):
        for name, each in workers.items():
            each.say(name, number)
        lake.compact(NAME, dry_run=False)
        collect(lake)
        for name, each in workers.items():
            said[name].append(int(each.hear_line()))
    versions = [version for each in said.values() for version in each]
    assert len(set(versions)) == 12
    rows = lakehouse.open(lake.url)[NAME].read().to_polars()
    for name in workers:
        for number in range(4):
            assert rows.filter(symbol=f"{name}{number}")["open"].to_list() == [60 + number / 8] * 3
    assert rows.height == 6 + 36
    collect(lake)
    assert lake.verify().ok


def test_a_transaction_is_named_and_compared(lake: lakehouse.Lake, bars: Bars) -> None:
    lake.create(OTHER, like=bars(), key=KEY)
    lake.snapshot("before", [NAME])
    with lake.transaction("after") as transaction:
        transaction[NAME].upsert(bars(("IBM",), days=1, price=70.0))
        transaction[OTHER].append(bars())
    found = lake.diff("before", "after")
    assert {entry.product: entry.status for entry in found.products} == {NAME: "changed", OTHER: "added"}
    lake.drop_snapshot("before", dry_run=False, message="done")
    with pytest.raises(NotFoundError, match=r"was dropped by .*done"):
        lake.checkout("before")
    assert lake.checkout("after").verify().ok
