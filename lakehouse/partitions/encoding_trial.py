"""Choose how each column of a file is encoded, by a trial on a sample of its own rows.

Every encoding and codec that fits the type is tried, and the cheapest one wins: the time to decode a value,
by fixed rates, plus a price for each byte that has to be kept, read and sent. No clock is looked at here, so
equal rows make equal files on any machine. The rates were set by hand after first measurements, on the
careful side for codecs. `benchmarks/decode_rates.py` measures their like on a machine, to see how far off
they are there: those of values come out close, those of codecs up to a few times lower or higher.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

Encoding = Literal["dictionary", "DELTA_BINARY_PACKED", "PLAIN", "BYTE_STREAM_SPLIT"]
Codec = Literal["none", "lz4", "zstd"]

NS_PER_VALUE: Mapping[Encoding, float] = {
    "PLAIN": 0.8,
    "dictionary": 1.6,
    "DELTA_BINARY_PACKED": 1.9,
    "BYTE_STREAM_SPLIT": 8.0,
}
"""time to decode one value of 8 bytes; for BYTE_STREAM_SPLIT that of polars, pyarrow takes 2"""
NS_PER_BYTE: Mapping[Codec, Mapping[Encoding, float]] = {
    "none": dict.fromkeys(NS_PER_VALUE, 0.0),
    "lz4": dict.fromkeys(NS_PER_VALUE, 0.2),
    "zstd": {"PLAIN": 0.7, "dictionary": 1.3, "DELTA_BINARY_PACKED": 1.3, "BYTE_STREAM_SPLIT": 0.7},
}
"""time to unpack one byte of a page, counted as it comes out; a byte of packed bits says more"""
NS_PER_PAGE: Mapping[Codec, float] = {"none": 0.0, "lz4": 200.0, "zstd": 7_000.0}
"""time that a page costs beyond its bytes: small row groups pay it often"""
PRICE_OF_A_BYTE = 5.0
"""nanoseconds of decoding that one stored byte is worth: a disk or network of 200 MB/s"""
SAMPLE_ROWS = 8_192
WORTH_A_TRIAL = 1_024
"""rows; a file below is small whatever it does"""


@dataclass(frozen=True, slots=True)
class Choice:
    """How one column is written."""

    encoding: Encoding
    """of the values"""
    codec: Codec
    """of the pages"""


@dataclass(frozen=True, slots=True)
class Trial:
    """What one way to write a column came to."""

    choice: Choice
    """the way"""
    stored: float
    """bytes a row, as stored"""
    cost: float
    """nanoseconds a row: decoding, and the price of the bytes"""


def choose(sample: pa.Table, *, group_rows: int = 0, times: Iterable[str] = ()) -> dict[str, Choice]:
    """Return how each column is best written.

    Args:
        sample: neighbouring rows of one row group of the file; the symbol may be a dictionary column.
        group_rows: rows of a row group, where they are more than those of the sample.
        times: columns of times as integers or timestamps, which are never tried with a dictionary: where each
            value is new it is larger than plain, and the slowest of all to write.

    Examples:
        >>> import numpy as np
        >>> cents = pa.array(np.round(100 + np.sin(np.arange(4096)), 2))
        >>> choose(pa.Table.from_arrays([cents], ["price"]))["price"].encoding
        'dictionary'
    """
    apart = frozenset(times)
    if sample.num_rows < WORTH_A_TRIAL:
        return {field.name: _unmeasured(field, apart) for field in sample.schema}
    found = trials(sample, group_rows=group_rows, times=apart)
    return {name: min(tried, key=lambda trial: trial.cost).choice for name, tried in found.items()}


def trials(sample: pa.Table, *, group_rows: int = 0, times: Iterable[str] = ()) -> dict[str, list[Trial]]:
    """Return what each way to write each column came to, in the order in which ties are decided."""
    apart, found = frozenset(times), {name: list[Trial]() for name in sample.column_names}
    for encoding in NS_PER_VALUE:
        columns = [field.name for field in sample.schema if encoding in _fitting(field, apart)]
        if columns:
            for name, trial in _tried(sample.select(columns), encoding, group_rows):
                found[name].append(trial)
    return found


def _unmeasured(field: pa.Field, times: frozenset[str]) -> Choice:
    first = _fitting(field, times)[0]
    return Choice(first, "lz4")


def _fitting(field: pa.Field, times: frozenset[str]) -> tuple[Encoding, ...]:
    """Return the encodings that a type can have, the likely one first."""
    kind = field.type
    if pa.types.is_boolean(kind):
        return ("PLAIN",)
    if pa.types.is_dictionary(kind):
        return ("dictionary",)
    if field.name in times and not pa.types.is_date(kind):
        return "DELTA_BINARY_PACKED", "PLAIN"
    if pa.types.is_floating(kind):
        return "dictionary", "PLAIN", "BYTE_STREAM_SPLIT"
    if pa.types.is_integer(kind) or pa.types.is_temporal(kind):
        return "dictionary", "DELTA_BINARY_PACKED", "PLAIN", "BYTE_STREAM_SPLIT"
    return "dictionary", "PLAIN"


def _tried(sample: pa.Table, encoding: Encoding, group_rows: int) -> Iterator[tuple[str, Trial]]:
    """Write the columns in one encoding, with each codec; the sizes without one come with either."""
    pages = (2 if encoding == "dictionary" else 1) / max(group_rows, sample.num_rows)
    for codec in ("lz4", "zstd"):
        for name, (plain, packed) in _sizes(sample, encoding, codec).items():
            if codec == "lz4":
                yield name, _trial(Choice(encoding, "none"), plain, plain, pages)
            yield name, _trial(Choice(encoding, codec), plain, packed, pages)


def _trial(choice: Choice, plain: float, stored: float, pages: float) -> Trial:
    decoding = NS_PER_VALUE[choice.encoding] + NS_PER_BYTE[choice.codec][choice.encoding] * plain
    return Trial(choice, stored, decoding + NS_PER_PAGE[choice.codec] * pages + PRICE_OF_A_BYTE * stored)


def _sizes(sample: pa.Table, encoding: Encoding, codec: str) -> dict[str, tuple[float, float]]:
    """Return the bytes a row of each column, before and after the codec."""
    names, buffer = sample.column_names, io.BytesIO()
    with pq.ParquetWriter(
        buffer,
        sample.schema,
        compression=codec,
        compression_level=1 if codec == "zstd" else None,
        use_dictionary=names if encoding == "dictionary" else False,
        column_encoding=None if encoding == "dictionary" else dict.fromkeys(names, encoding),
        write_statistics=False,
        store_schema=False,
    ) as writer:
        writer.write_table(sample, row_group_size=sample.num_rows)
    buffer.seek(0)
    group = pq.read_metadata(buffer).row_group(0)
    chunks = [group.column(place) for place in range(len(names))]
    rows = sample.num_rows
    return {
        name: (chunk.total_uncompressed_size / rows, chunk.total_compressed_size / rows)
        for name, chunk in zip(names, chunks, strict=True)
    }
