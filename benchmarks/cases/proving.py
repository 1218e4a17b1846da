"""The content digest, and the verification of whole products."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq

import lakehouse
from benchmarks.data import minute_bars, symbols
from benchmarks.scale import Scale
from benchmarks.table import Row, against, verdict
from benchmarks.timing import measure
from lakehouse.partitions.digest import digest_of

LIMIT_BYTES = 500e6


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Yield the rate of the digest in memory, and of `verify` on the lake that the case of reading made."""
    bars = minute_bars(symbols(1), scale.years).combine_chunks()
    encoded = bars.set_column(0, "symbol", bars.column(0).dictionary_encode())
    found = measure(lambda: digest_of(encoded), 3, warm=1)
    rate = f"{encoded.nbytes / found.p50 / 1e6:,.0f} MB/s, {encoded.num_rows / found.p50 / 1e6:.1f} M rows/s"
    met = verdict(met=encoded.nbytes / found.p50 >= LIMIT_BYTES)
    yield Row("Content digest of bars in memory, one core", rate, f">= {LIMIT_BYTES / 1e6:g} MB/s", met)
    product = lakehouse.open(folder / "reading")["market_data.bars_1m"]
    state = product.state()
    seconds = measure(product.verify, 3, warm=1).p50
    verified = f"{state.size / seconds / 1e6:,.0f} MB/s of files, {state.rows / seconds / 1e6:.1f} M rows/s"
    yield Row("`verify`: SHA-256 and digests of every file, all cores", verified)
    paths = [state.store.local_path(file.path) for file in state.files]
    decoded = measure(lambda: _decode(paths), 3, warm=1).p50
    yield against("`verify`", seconds, "pyarrow that decodes the same files and proves nothing", decoded)


def _decode(paths: list[Path]) -> None:
    """Decode files side by side, one a core, row group by row group."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(_decode_one, paths))


def _decode_one(path: Path) -> None:
    with pq.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
        for group in range(file.num_row_groups):
            file.read_row_group(group, use_threads=False)
