"""What this machine can do at most, to judge the other numbers by."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

import lakehouse
from benchmarks.scale import Scale
from benchmarks.table import Row, duration
from benchmarks.timing import measure

COPIED_BYTES = 256 << 20


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Yield the rates of copying memory and decoding Parquet, and the time that the disk needs to be sure."""
    source = np.ones(COPIED_BYTES, np.uint8)
    target = np.empty_like(source)
    copied = measure(lambda: np.copyto(target, source), 5)
    yield Row("Limit: copy of memory, one core", f"{COPIED_BYTES / copied.p50 / 1e9:.1f} GB/s")
    yield _decoding(folder)
    synced = measure(lambda: _write_through(folder / "probe"), 20)
    yield Row("Limit: 4 KiB written and fsynced, p50", duration(synced.p50))


def _decoding(folder: Path) -> Row:
    state = lakehouse.open(folder / "reading")["market_data.bars_1m"].state()
    largest = max(state.files, key=lambda file: file.rows)
    path = state.store.local_path(largest.path)
    table = pq.read_table(path, use_threads=False)
    found = measure(lambda: pq.read_table(path, use_threads=False), 5)
    rates = f"{table.nbytes / found.p50 / 1e9:.2f} GB/s, {table.num_rows / found.p50 / 1e6:.0f} M rows/s"
    return Row("Limit: decoding of a Parquet file of bars, one core", rates)


def _write_through(path: Path) -> None:
    with path.open("wb") as handle:
        handle.write(bytes(4096))
        handle.flush()
        os.fsync(handle.fileno())
