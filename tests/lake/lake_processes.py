"""Real processes that work on a lake, for tests: run as a script, never imported.

It reads jobs from its standard input, one JSON list a line. It starts a process for each job of the list,
lets all begin at the same moment, waits for all, and answers with a JSON list of exit codes. Where processes
can be forked the modules are imported once, and a process costs milliseconds.

A job has the `url` of a lake, `steps` to take, and a file `out` that gets a JSON line as soon as a step has
returned: what it says was acknowledged. It may have `die_at`, the number of the fault point at which the
process ends (see `fault_points`; 0 only counts them), `kill_after`, seconds after which it is killed, and
`constants` of the library to set.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import deltalake
import filelock
import open_data_contract_standard.model
import polars as pl
import yaml

import lakehouse
import lakehouse.checkouts
import lakehouse.export
import lakehouse.lake
import lakehouse.maintenance.compact
import lakehouse.maintenance.retain
import lakehouse.pinning
from lakehouse.catalog.contract import Contract
from lakehouse.ingest import quarantine, restore, sources, write
from lakehouse.ingest.backfill import batches as backfill
from lakehouse.partitions import replay
from lakehouse.partitions.table import Table
from lakehouse.queries import scan
from lakehouse.store import durable
from lakehouse.store.local import LocalStore
from lakehouse.times import NS_PER_DAY

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

    from lakehouse.maintenance.compact import CompactReport

DIED = 9
# Imported lazily by the library, and here once for all processes.
FOREIGN = (deltalake, filelock, open_data_contract_standard.model, yaml)
LAZY = (
    quarantine,
    restore,
    sources,
    scan,
    lakehouse.checkouts,
    lakehouse.export,
    lakehouse.lake,
    lakehouse.maintenance.compact,
    lakehouse.maintenance.retain,
    lakehouse.pinning,
)

# After which of its steps the disk is another than before; a folder that is made is synced in its parent.
CALLS: tuple[tuple[Any, str], ...] = (
    *((durable, name) for name in ("sync", "link", "sync_folder")),
    (LocalStore, "delete"),
    (Table, "write_checkpoint"),
)
BLOCKS = ("stage", "lock")

PRODUCT = "market_data.ticks"

Job = dict[str, Any]


def frame(rows: list[list[Any]]) -> pl.DataFrame:
    """Make ticks of [symbol, slot, price, size], a slot being ten days."""
    times = pl.Series([row[1] * 10 * NS_PER_DAY for row in rows], dtype=pl.Int64).cast(
        pl.Datetime("ns", "UTC")
    )
    values = {"price": [float(row[2]) for row in rows], "size": [row[3] for row in rows]}
    return pl.DataFrame({"symbol": [row[0] for row in rows], "time": times, **values})


def perform(lake: lakehouse.Lake, step: dict[str, Any]) -> Any:
    """Take one step; the step itself is the message of the commit."""
    given = {"message": json.dumps(step), "idempotency_key": step.get("key")}
    match step["do"]:
        case "create":
            return lake.create(PRODUCT, like=frame([["A", 0, 1.0, 1]]), key=step["columns"])
        case "apply":
            return lake.apply(Contract.from_yaml(step["contract"]))
        case "snapshot":
            return lake.snapshot(step["name"])
        case "lock":
            return lake.lock(step["file"])
        case "export":
            return lake.export(step["file"], step["target"])
        case "backfill":
            return lake.backfill(PRODUCT, step["source"])
        case "compact":
            return compact(lake, step.get("until", {}), json.dumps(step))
        case "retain":
            return lake.retain(PRODUCT, before=step["slot"] * 10 * NS_PER_DAY, dry_run=False)
        case "delete":
            start, end = (slot * 10 * NS_PER_DAY for slot in step["slots"])
            return lake[PRODUCT].delete(step["symbols"], start, end, **given)
        case "restore":
            return lake[PRODUCT].restore(step["version"], **given)
        case "replay":
            return lake[PRODUCT].quarantine.replay(step["version"], frame(step["rows"]))
        case "correct":
            return lake[PRODUCT].quarantine.correct(
                step["version"], lambda rows: rows.with_columns(price=1.0)
            )
        case verb:
            return getattr(lake[PRODUCT], verb)(frame(step["rows"]), **given)


def compact(lake: lakehouse.Lake, until: dict[str, int], message: str) -> CompactReport:
    """Compact once, and again until the product has come so far; the report names all commits."""
    report = lake.compact(PRODUCT, dry_run=False, message=message)
    commits = [*report.commits]
    while any(getattr(lake[PRODUCT], name) < value for name, value in until.items()):
        commits += lake.compact(PRODUCT, dry_run=False, message=message).commits
    return dataclasses.replace(report, commits=tuple(commits))


def work(job: Job, begin: Barrier) -> None:
    """Take the steps of a job, once all processes are there."""
    for name, value in job.get("constants", {}).items():
        module = {"CHECKPOINT_EVERY": replay, "ROWS_PER_COMMIT": backfill, "ATTEMPTS": write}[name]
        setattr(module, name, value)
    out = os.open(job["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    begin.wait(60)
    with fault_points(job.get("die_at")) as counted:
        for step in job["steps"]:
            said = attempt(job["url"], step)
            os.write(out, (json.dumps(said | {"points": counted}) + "\n").encode())


def attempt(url: str, step: dict[str, Any]) -> dict[str, Any]:
    """Take a step, and say how it went."""
    started = time.monotonic()
    try:
        result = perform(opened(url), step)
    except lakehouse.LakehouseError as error:
        return {"step": step, "error": type(error).__name__, "message": str(error), "started": started}
    said = {
        name: getattr(result, name)
        for name in ("version", "repeated", "committed", "skipped", "commits")
        if hasattr(result, name)
    }
    return {"step": step, "error": None, "started": started, "ended": time.monotonic(), **said}


_lakes: dict[str, lakehouse.Lake] = {}


def opened(url: str) -> lakehouse.Lake:
    """Open a lake once a process, and make it where there is none."""
    if url not in _lakes:
        _lakes[url] = lakehouse.open(url, create=True)
    return _lakes[url]


@contextmanager
def fault_points(die_at: int | None) -> Iterator[list[str]]:
    """Number the moments at which the disk has become another, and end the process at one of them."""
    passed: list[str] = []

    def point(name: str) -> None:
        passed.append(name)
        if len(passed) == die_at:
            os._exit(DIED)

    if die_at is not None:
        for owner, name in CALLS:
            setattr(owner, name, _then(point, name, getattr(owner, name)))
        for name in BLOCKS:
            setattr(LocalStore, name, _around(point, name, getattr(LocalStore, name)))
    yield passed


def _then(point: Callable[[str], None], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*args: Any, **options: Any) -> Any:
        result = function(*args, **options)
        point(f"after {name}")
        return result

    return wrapped


def _around(point: Callable[[str], None], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @contextmanager
    def wrapped(*args: Any, **options: Any) -> Iterator[Any]:
        with function(*args, **options) as given:
            if name == "lock":
                point("in lock")
            yield given
            if name == "stage":
                point("written")
        point(f"after {name}")

    return wrapped


def run(jobs: list[Job]) -> list[int | None]:
    """Run all jobs at once, each in a process; return their exit codes, minus the number of a signal."""
    begin = multiprocessing.Barrier(len(jobs) + 1)
    processes = [multiprocessing.Process(target=work, args=(job, begin)) for job in jobs]
    for process in processes:
        process.start()
    begin.wait(60)
    started = time.monotonic()
    for process, limit in sorted(zip(processes, map(_limit, jobs), strict=True), key=lambda pair: pair[1]):
        process.join(max(0.0, started + limit - time.monotonic()))
        process.kill()
        process.join()
    return [process.exitcode for process in processes]


def _limit(job: Job) -> float:
    return float(job.get("kill_after", 60))


if __name__ == "__main__":
    multiprocessing.set_start_method("fork" if sys.platform == "linux" else "spawn")
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a step prints must not be taken for an answer
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), file=answers)
