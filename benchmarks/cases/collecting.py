"""What the leases of readers and writers cost, and garbage collection of a table with many dead files."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import lakehouse
from benchmarks.data import batch_of_bars, symbols
from benchmarks.place import new_product
from benchmarks.scale import Scale
from benchmarks.table import Row, below, duration, verdict
from benchmarks.timing import ROOT, measure
from lakehouse.catalog.session import session_of
from lakehouse.partitions.commit_record import Commit
from lakehouse.partitions.parquet_files import WrittenFile
from lakehouse.partitions.state import DataFile
from lakehouse.partitions.table import Change

NAME = "market_data.bars_1m"
LIMIT_S, LIMIT_BYTES, WARM_LIMIT_S = 60.0, 500e6, 100e-6
COLLECT = """
import json, pathlib, resource, sys, time, lakehouse
lake = lakehouse.open(sys.argv[1])
begun = time.perf_counter()
report = lake.gc(dry_run=False, grace="0s", history="0s")
seconds = time.perf_counter() - begun
status = pathlib.Path("/proc/self/status")
if status.exists():  # what getrusage says on Linux includes the peak of the process that started this one
    peak = int(status.read_text().partition("VmHWM:")[2].split()[0])
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([report.deleted_files, seconds, peak * 1024]))
"""


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Yield what a lease adds to reads, and the time and memory of one collection."""
    product = new_product(folder / "collecting", NAME)
    product.append(batch_of_bars(10, symbols(1), 0))
    yield from _leases(product, scale)
    make_garbage(product, scale.dead_files)
    session_of(product.table.store).release()
    deleted, seconds, peak = collect(folder / "collecting")
    what = f"gc of a table with {deleted:,} dead files"
    yield below(what, seconds, LIMIT_S, note=f" ({deleted / seconds:,.0f} files/s)")
    met = verdict(met=peak < LIMIT_BYTES)
    yield Row(f"{what}, peak memory of the process", f"{peak / 1e6:.0f} MB", "< 500 MB", met)


def _leases(product: lakehouse.Product, scale: Scale) -> Iterator[Row]:
    table, store = product.table, product.table.store

    def first() -> None:
        session_of(store).release()
        product.state()

    begun = measure(first, scale.reads)
    warm, bare = measure(product.state, 50 * scale.reads), measure(table.head, 50 * scale.reads)
    yield Row("The first look of a process at a product: two documents put and deleted", duration(begun.p50))
    added = max(0.0, warm.p50 - bare.p50)
    yield below("What the lease adds to every later look at the head", added, WARM_LIMIT_S)


def make_garbage(product: lakehouse.Product, count: int, *, at_once: int = 100) -> None:
    """Replace the files of a product by copies of them, `at_once` in each commit, until `count` are dead."""
    table = product.table
    template = table.head().files[0]
    data = table.store.get(template.path)
    head = table.head()
    for _ in range(-(-count // at_once) + 1):
        files = [_copy(product, template, data) for _ in range(at_once)]
        change = Change(
            add=[WrittenFile(file, {"numRecords": file.rows}) for file in files], remove=head.files
        )
        table.commit(head, change, Commit("", 0, "update", "", id=uuid.uuid4().hex))
        head = table.head()


def _copy(product: lakehouse.Product, template: DataFile, data: bytes) -> DataFile:
    path = template.path.rpartition("/")[0] + f"/part-{'0' * 32}-{uuid.uuid4().hex[:12]}.parquet"
    (Path(product.table.store.url) / path).write_bytes(data)
    return dataclasses.replace(template, path=path)


def collect(root: Path) -> tuple[int, float, float]:
    """Collect in a process of its own; return the files deleted, the seconds and the peak memory in bytes."""
    command = [sys.executable, "-c", COLLECT, str(root)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    deleted, seconds, peak = json.loads(done.stdout)
    return int(deleted), float(seconds), float(peak)
