"""Many processes commit to one product at once: how many a second, how long the slowest takes, none lost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import deltalake

from benchmarks.place import new_product
from benchmarks.scale import Scale
from benchmarks.table import Row, below, duration, verdict
from benchmarks.timing import ROOT, Samples
from benchmarks.writers import PRODUCT, ROWS, frame_of

LEAST_PER_SECOND = 40
LIMIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Race:
    """What several writers measured together."""

    latency: Samples
    """of each commit"""
    seconds: float
    """from the first start to the last end"""

    @property
    def per_second(self) -> float:
        """Commits of all writers a second."""
        return len(self.latency.seconds) / self.seconds


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Yield the rate and the latency of the lake, then those of plain deltalake with fewer commits."""
    product = new_product(folder / "concurrency", PRODUCT)
    race = _race("lake", product.table.store.url, scale.writers, scale.commits_of_a_writer)
    count = scale.writers * scale.commits_of_a_writer
    what = f"{scale.writers} processes x {scale.commits_of_a_writer} commits on one product"
    landed = min(len({commit.idempotency_key for commit in product.history()} - {None}), product.rows // ROWS)
    lost = count + scale.writers - landed  # each writer made one commit before the race
    yield Row(f"{what}: lost", f"{lost} of {count:,}", "0", verdict(met=lost == 0))
    rate = f"{race.per_second:.0f} commits/s in all"
    met = verdict(met=race.per_second >= LEAST_PER_SECOND)
    yield Row(what, rate, f">= {LEAST_PER_SECOND} commits/s", met)
    note = f" (p50 {duration(race.latency.p50)}, worst {duration(race.latency.percentile(100))})"
    yield below(f"{what}: p99 of a commit", race.latency.p99, LIMIT_S, note=note)
    yield _plain_deltalake(scale, folder / "concurrency-peer")


def _plain_deltalake(scale: Scale, place: Path) -> Row:
    deltalake.write_deltalake(str(place), frame_of(0, 0).slice(0, 0))
    race = _race("deltalake", str(place), scale.writers, scale.commits_of_a_peer)
    found = deltalake.DeltaTable(str(place)).to_pyarrow_table(columns=["symbol"]).num_rows // ROWS
    lost = len(race.latency.seconds) + scale.writers - found
    p50, p99, worst = (duration(race.latency.percentile(share)) for share in (50, 99, 100))
    result = f"{race.per_second:.0f} commits/s in all (p50 {p50}, p99 {p99}, worst {worst}; {lost} lost)"
    return Row(f"The same by plain deltalake, x {scale.commits_of_a_peer} commits", result)


def _race(peer: str, place: str, writers: int, count: int) -> Race:
    """Let writers begin at the same moment, each a process."""
    with ExitStack() as started:
        processes = [_start(started, peer, place, str(me), str(count)) for me in range(writers)]
        for process in processes:
            _line(process)
        start = time.perf_counter()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        latencies = [json.loads(_line(process)) for process in processes]
        seconds = time.perf_counter() - start
    return Race(Samples.of(each for latency in latencies for each in latency), seconds)


def _start(started: ExitStack, *arguments: str) -> subprocess.Popen[str]:
    command, pipe = [sys.executable, "-m", "benchmarks.writers", *arguments], subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
    started.enter_context(process)
    started.callback(process.kill)
    return process


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()
