"""The content digest, and the verification of whole products."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import lakehouse
from benchmarks.data import minute_bars, symbols
from benchmarks.scale import Scale
from benchmarks.table import Row
from benchmarks.timing import measure, once
from lakehouse.partitions.digest import digest_of


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Yield the rate of the digest in memory, and of `verify` on the lake that the case of reading made."""
    bars = minute_bars(symbols(1), scale.years).combine_chunks()
    encoded = bars.set_column(0, "symbol", bars.column(0).dictionary_encode())
    found = measure(lambda: digest_of(encoded), 3, warm=1)
    rate = f"{encoded.nbytes / found.p50 / 1e6:,.0f} MB/s, {encoded.num_rows / found.p50 / 1e6:.1f} M rows/s"
    yield Row("Content digest of bars in memory, one core", rate)
    product = lakehouse.open(folder / "reading")["market_data.bars_1m"]
    state = product.state()
    seconds = once(product.verify)
    verified = f"{state.size / seconds / 1e6:,.0f} MB/s of files, {state.rows / seconds / 1e6:.1f} M rows/s"
    yield Row("`verify`: SHA-256 and digest of every file", verified)
