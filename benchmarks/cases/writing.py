"""One commit of many bars, with every rule of the starter contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import deltalake
import pyarrow as pa

import lakehouse
from benchmarks.data import batch_of_bars, symbols
from benchmarks.place import new_product
from benchmarks.scale import Scale
from benchmarks.table import Row, against, below, duration
from benchmarks.timing import Samples, once

LIMIT_S = 0.1
WARM = 2


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Yield the time of appends and of an upsert, and that of a peer that checks nothing."""
    for count in (100, scale.bars):
        names = symbols(count)
        frames = [batch_of_bars(scale.bars, names, batch) for batch in range(scale.commits + WARM)]
        product = new_product(folder / f"writing-{count}", "market_data.bars_1m")
        append = _each(frames, product.append)
        what = f"Commit of {scale.bars:,} bars of {count:,} symbols with validation"
        yield below(
            f"{what}, p50 of {scale.commits}", append.p50, LIMIT_S, note=f" (p99 {duration(append.p99)})"
        )
        if count == 100:
            yield _upsert(product, frames[-1])
            place = str(folder / "writing-peer")
            peer = _each(frames, partial(deltalake.write_deltalake, place, mode="append"))
            yield against("The commit", append.p50, "deltalake without any check", peer.p50)


def _each(frames: list[pa.Table], write: Callable[[pa.Table], object]) -> Samples:
    """Time the writing of each frame; the first ones do not count."""
    return Samples.of([once(partial(write, frame)) for frame in frames][WARM:])


def _upsert(product: lakehouse.Product, frame: pa.Table) -> Row:
    volumes = pa.array([float(number) for number in range(frame.num_rows)])
    seconds = once(partial(product.upsert, frame.set_column(6, "volume", volumes)))
    return below(f"Upsert that changes {frame.num_rows:,} stored bars", seconds, LIMIT_S)
