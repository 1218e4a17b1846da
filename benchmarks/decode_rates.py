"""Measure decode rates like those that choose encodings, on prices, times and sizes like those of markets.

Run it as `python -m benchmarks.decode_rates` on a quiet machine; it prints one line a column, encoding and
codec, and then the rates fitted to them: medians over the columns, to hold against the constants in
`lakehouse/partitions/encoding_trial.py`. Those are no copy of its output. They were set by hand and rounded,
and stay fixed until somebody changes them, so that equal rows make equal files.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 1 << 20
GROUPS = (2_048, 65_536)
REPEATS = 5
ENCODINGS = ("PLAIN", "dictionary", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT")
CODECS = ("none", "lz4", "zstd")


@dataclass(frozen=True)
class Rate:
    """One measurement."""

    column: str
    """what was written"""
    encoding: str
    """of the values"""
    codec: str
    """of the pages"""
    group: int
    """rows of a row group"""
    plain: float
    """bytes a row before the codec"""
    stored: float
    """bytes a row after it"""
    ns: float
    """to decode a row, with pyarrow on one thread"""
    polars_ns: float
    """to decode a row, with polars on its threads"""


def columns() -> dict[str, pa.Array]:
    """Return columns of 8 bytes a value, each of a kind that market data have."""
    random = np.random.default_rng(20240607)
    walk = np.cumsum(random.integers(-1, 2, ROWS))
    return {
        "tick prices": pa.array(np.round(100 + walk / 100, 2)),
        "daily prices": pa.array(np.round(100 * np.exp(np.cumsum(random.normal(0, 0.018, ROWS)) / 30), 2)),
        "adjusted prices": pa.array(100 * np.exp(np.cumsum(random.normal(0, 0.001, ROWS)))),
        "tick times": pa.array(np.cumsum(random.integers(1, 10**9, ROWS))),
        "minutes": pa.array(np.cumsum(np.where(random.random(ROWS) < 0.005, 2, 1)) * 60_000_000_000),
        "volumes": pa.array(random.lognormal(7, 1, ROWS).astype(np.int64)),
        "lots": pa.array(100 * random.geometric(0.3, ROWS)),
    }


def measure() -> Iterator[Rate]:
    """Yield a rate for each column, encoding, codec and size of row group."""
    for (name, values), encoding, codec, group in product(columns().items(), ENCODINGS, CODECS, GROUPS):
        if encoding != "DELTA_BINARY_PACKED" or pa.types.is_integer(values.type):
            yield measured(name, values, encoding, codec, group)


def measured(name: str, values: pa.Array, encoding: str, codec: str, group: int) -> Rate:
    """Write one column, and time reading it."""
    data = written(values, encoding, codec, group)
    metadata = pq.read_metadata(io.BytesIO(data))
    chunks = [metadata.row_group(number).column(0) for number in range(metadata.num_row_groups)]
    rows = len(values)
    return Rate(
        name,
        encoding,
        codec,
        group,
        sum(chunk.total_uncompressed_size for chunk in chunks) / rows,
        sum(chunk.total_compressed_size for chunk in chunks) / rows,
        with_pyarrow(data, metadata) / rows,
        with_polars(data) / rows,
    )


def written(values: pa.Array, encoding: str, codec: str, group: int) -> bytes:
    """Return a Parquet file of one column."""
    buffer = io.BytesIO()
    pq.write_table(
        pa.Table.from_arrays([values], ["x"]),
        buffer,
        row_group_size=group,
        compression=codec,
        compression_level=1 if codec == "zstd" else None,
        use_dictionary=encoding == "dictionary",
        column_encoding=None if encoding == "dictionary" else {"x": encoding},
        store_schema=False,
    )
    return buffer.getvalue()


def with_pyarrow(data: bytes, metadata: pq.FileMetaData) -> float:
    """Return the best time to decode every row group, in nanoseconds."""
    file, best = pq.ParquetFile(pa.BufferReader(data), metadata=metadata), float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter_ns()
        file.read_row_groups(list(range(metadata.num_row_groups)), use_threads=False)
        best = min(best, time.perf_counter_ns() - began)
    return best


def with_polars(data: bytes) -> float:
    """Return the best time to read the file, in nanoseconds."""
    import polars

    best = float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter_ns()
        polars.read_parquet(data)
        best = min(best, time.perf_counter_ns() - began)
    return best


def fitted(rates: list[Rate]) -> Iterator[str]:
    """Yield rates to hold against the constants: medians over the columns."""
    large = [rate for rate in rates if rate.group == max(GROUPS)]
    bare = {(rate.column, rate.encoding): rate for rate in large if rate.codec == "none"}
    for encoding in ENCODINGS:
        found = [rate for rate in bare.values() if rate.encoding == encoding]
        pyarrow, polars = median(rate.ns for rate in found), median(rate.polars_ns for rate in found)
        yield f"NS_PER_VALUE {encoding}: {pyarrow:.1f} (polars {polars:.1f})"
        for codec in CODECS[1:]:
            extra = [
                (rate.ns - bare[rate.column, encoding].ns) / rate.plain
                for rate in large
                if (rate.encoding, rate.codec) == (encoding, codec)
            ]
            yield f"NS_PER_BYTE {codec} {encoding}: {median(extra):.2f}"
    small = {(r.column, r.encoding, r.codec): r for r in rates if r.group == min(GROUPS)}
    for codec in CODECS:
        extra = [
            (small[rate.column, rate.encoding, codec].ns - rate.ns)
            * min(GROUPS)
            / (2 if rate.encoding == "dictionary" else 1)
            for rate in large
            if rate.codec == codec
        ]
        yield f"NS_PER_PAGE {codec}: {median(extra):.0f} (less that of none)"


def main() -> None:
    """Print what was measured, and what follows."""
    rates = []
    for rate in measure():
        rates.append(rate)
        print(
            f"{rate.column:16} {rate.encoding:20} {rate.codec:5} {rate.group:6,} "
            f"{rate.plain:6.2f} -> {rate.stored:5.2f} B  {rate.ns:6.1f} ns  polars {rate.polars_ns:6.1f} ns",
            flush=True,
        )
    print(*fitted(rates), sep="\n")


if __name__ == "__main__":
    main()
