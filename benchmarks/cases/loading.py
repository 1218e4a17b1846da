"""Tick rows in bulk: from files by backfill, from frames by append; and the bytes that they take."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

import lakehouse
from benchmarks.data import symbols, trades
from benchmarks.place import new_product
from benchmarks.scale import Scale
from benchmarks.table import Row, at_least, verdict
from benchmarks.timing import once

LIMIT_ROWS, LIMIT_BYTES = 2e6, 1.5
NAME = "market_data.trades"


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Yield the rates of three ways in, and the bytes of the result."""
    names = symbols(100)
    frames = [trades(scale.ticks, day, names=names) for day in range(scale.files)]
    count = scale.files * scale.ticks
    for kind, write in (("Parquet", pq.write_table), ("Feather", _write_feather)):
        source = _write_files(folder / kind, frames, write)
        seconds = _median(scale, folder, partial(_backfill, source))
        yield at_least(
            f"Backfill of {count:,} trades from {scale.files} {kind} files",
            count / seconds,
            LIMIT_ROWS,
            "rows/s",
        )
    seconds = _median(scale, folder, lambda product: [product.append(frame) for frame in frames])
    yield at_least(
        f"Append of the same trades from {scale.files} Arrow frames", count / seconds, LIMIT_ROWS, "rows/s"
    )
    yield _size(folder, frames)


def _median(scale: Scale, folder: Path, load: Callable[[lakehouse.Product], object]) -> float:
    """Load into fresh lakes; the last one stays for those who look at its size."""
    seconds = []
    for _ in range(scale.runs):
        shutil.rmtree(folder / "loading", ignore_errors=True)
        product = new_product(folder / "loading", NAME)
        seconds.append(once(partial(load, product)))
    return median(seconds)


def _backfill(source: Path, product: lakehouse.Product) -> None:
    lake = lakehouse.open(product.table.store.url)
    report = lake.backfill(NAME, source)
    if not report.ok:
        raise RuntimeError(report.failures[0].error)


def _size(folder: Path, frames: list[pa.Table]) -> Row:
    """Compare with the same rows in one plain zstd Parquet file each, as they came."""
    ours = lakehouse.open(folder / "loading")[NAME].state().size
    plain = sum(file.stat().st_size for file in (folder / "Parquet").iterdir())
    count = sum(frame.num_rows for frame in frames)
    result = f"{ours / count:.1f} against {plain / count:.1f} bytes a row, {ours / plain:.2f} times"
    return Row(
        "Bytes of these trades, beside plain zstd Parquet",
        result,
        f"<= {LIMIT_BYTES} times",
        verdict(met=ours <= LIMIT_BYTES * plain),
    )


def _write_files(folder: Path, frames: list[pa.Table], write: Callable[..., object]) -> Path:
    folder.mkdir()
    for day, frame in enumerate(frames):
        suffix = folder.name.lower()
        write(frame, folder / f"{day:03}.{suffix}", compression="zstd")
    return folder


def _write_feather(frame: pa.Table, path: Path, *, compression: str) -> None:
    feather.write_feather(frame, str(path), compression=compression)
