"""The directory in a footer: one entry a run of rows of one symbol, found without decoding.

It is binary, since a wide file has thousands of runs: a line of JSON that names the arrays, the arrays behind
it, compressed, in base64 because some readers of Parquet insist on text. Files of earlier releases have the
same facts as JSON, without the statistics.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.partitions import digest as digests
from lakehouse.partitions.sorting import Symbols

if TYPE_CHECKING:
    from collections.abc import Sequence

Integers = npt.NDArray[np.int64]

SEGMENTS_KEY = b"lakehouse.segments"
DIRECTORY_KEY = b"lakehouse.directory"

_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class RunStatistics:
    """What is known of one column of numbers, dates or times, for each run of a symbol."""

    low: npt.NDArray[Any]
    """(n_runs,) float64 or int64: the smallest value that is neither null nor NaN; else no meaning"""
    high: npt.NDArray[Any]
    """(n_runs,) the largest"""
    missing: Integers
    """(n_runs,) number of rows that are null or NaN; -1 where nothing is known of a run"""


@dataclass(frozen=True, slots=True)
class Directory:
    """The runs of one file, in its order."""

    symbols: tuple[str, ...]
    """(n_runs,) sorted; ('',) in a table without symbols"""
    rows: Integers
    """(n_runs,) number of rows"""
    digests: tuple[str, ...]
    """(n_runs,) content digest of the rows"""
    first: Integers | None = None
    """(n_runs,) first time, UTC nanoseconds; None in a table without times"""
    last: Integers | None = None
    """(n_runs,) last time"""
    statistics: Mapping[str, RunStatistics] = field(default_factory=dict)
    """by column; times are as they are stored"""


def describe_segments(
    rows: pa.Table, symbols: Symbols, times: Integers | None, starts: Integers, *, skip: Sequence[str] = ()
) -> Directory:
    """Describe each symbol's run of rows; the columns to `skip` get no statistics."""
    stops = np.append(starts[1:], rows.num_rows)
    return Directory(
        tuple(symbols.names[code] for code in symbols.codes[starts]),
        stops - starts,
        tuple(digests.run_digests(rows, starts)),
        None if times is None else times[starts],
        None if times is None else times[stops - 1],
        {
            name: statistics_of(rows.column(name), starts)
            for name in rows.column_names
            if name not in skip and _has_statistics(rows.column(name).type)
        },
    )


def statistics_of(column: pa.ChunkedArray, starts: Integers) -> RunStatistics:
    """Return the range of each run of a column of numbers, dates or times; null and NaN are left out."""
    values, missing = plain_values(column)
    kind = np.dtype(np.int64 if values.dtype.kind == "i" else np.float64)
    low = high = values
    absent = np.zeros(len(starts), np.int64)
    if missing is not None:
        wide = values.astype(kind)
        least, most = ends_of(kind)
        low, high = np.where(missing, most, wide), np.where(missing, least, wide)
        absent = np.add.reduceat(missing.astype(np.int64), starts)
    return RunStatistics(
        np.minimum.reduceat(low, starts).astype(kind), np.maximum.reduceat(high, starts).astype(kind), absent
    )


def ends_of(kind: np.dtype[Any]) -> tuple[Any, Any]:
    """Return what no value is below, and what none is above."""
    if kind.kind == "f":
        return -np.inf, np.inf
    whole = np.iinfo(np.int64)
    return whole.min, whole.max


def plain_values(column: pa.ChunkedArray) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Return a column of numbers, dates or times as stored, and where it is null or NaN (None: nowhere)."""
    chunks = [_plain(chunk) for chunk in column.chunks] or [(np.zeros(0), None)]
    values = np.concatenate([part for part, _ in chunks]) if len(chunks) > 1 else chunks[0][0]
    if all(null is None for _, null in chunks):
        missing = None
    else:
        missing = np.concatenate([np.zeros(len(v), np.bool_) if null is None else null for v, null in chunks])
    nan = np.isnan(values) if values.dtype.kind == "f" else None
    if nan is not None and nan.any():
        missing = nan if missing is None else nan | missing
    return values, missing if missing is not None and missing.any() else None


def encode_directory(directory: Directory) -> str:
    """Return the text that `decode_directory` reads."""
    texts = [symbol.encode("utf-8") for symbol in directory.symbols]
    arrays: dict[str, npt.NDArray[Any]] = {
        "lengths": np.array([len(text) for text in texts], np.int64),
        "symbols": np.frombuffer(b"".join(texts), np.uint8),
        "rows": directory.rows,
        "digests": np.frombuffer(bytes.fromhex("".join(directory.digests)), np.uint8),
    }
    if directory.first is not None and directory.last is not None:
        arrays |= {"first": directory.first, "last": directory.last}
    for name, each in directory.statistics.items():
        arrays |= {f"low:{name}": each.low, f"high:{name}": each.high, f"missing:{name}": each.missing}
    head = json.dumps([[name, array.dtype.str, len(array)] for name, array in arrays.items()])
    raw = b"\n".join([head.encode("utf-8"), b"".join(array.tobytes() for array in arrays.values())])
    packed: bytes = pa.Codec("zstd").compress(raw, asbytes=True)
    return base64.b64encode(len(raw).to_bytes(8, "little") + packed).decode("ascii")


def decode_directory(metadata: Mapping[bytes, bytes]) -> Directory:
    """Read the directory from a footer's key-value metadata, in the form of any release.

    Raises:
        ValueError: it is damaged.
        KeyError: there is none.
    """
    if DIRECTORY_KEY not in metadata:
        return _from_json(metadata[SEGMENTS_KEY])
    data = base64.b64decode(metadata[DIRECTORY_KEY], validate=True)
    size = int.from_bytes(data[:8], "little")
    head, _, body = pa.Codec("zstd").decompress(data[8:], size, asbytes=True).partition(b"\n")
    arrays = dict(_arrays(json.loads(head), body))
    columns = [name.partition(":")[2] for name in arrays if name.startswith("low:")]
    return Directory(
        tuple(_texts(arrays["symbols"].tobytes(), arrays["lengths"])),
        arrays["rows"],
        tuple(hex_digests(arrays["digests"])),
        arrays.get("first"),
        arrays.get("last"),
        {
            name: RunStatistics(*(arrays[f"{part}:{name}"] for part in ("low", "high", "missing")))
            for name in columns
        },
    )


def hex_digests(data: npt.NDArray[np.uint8]) -> list[str]:
    """Return digests from their bytes, one after the other."""
    text = data.tobytes().hex()
    width = 2 * _DIGEST_BYTES
    return [text[start : start + width] for start in range(0, len(text), width)]


def _arrays(head: list[tuple[str, str, int]], body: bytes) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    offset = 0
    for name, dtype, count in head:
        array = np.frombuffer(body, dtype, count, offset)
        yield name, array
        offset += array.nbytes


def _texts(data: bytes, lengths: Integers) -> Iterator[str]:
    ends = [0, *np.cumsum(lengths).tolist()]
    return (data[start:stop].decode("utf-8") for start, stop in pairwise(ends))


def _from_json(text: bytes) -> Directory:
    segments = json.loads(text)
    first, last = (
        np.array(segments[side], np.int64) if side in segments else None for side in ("first", "last")
    )
    rows = np.array(segments["rows"], np.int64)
    return Directory(tuple(segments["symbol"]), rows, tuple(segments["digest"]), first, last)


def _has_statistics(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_date32(kind)
        or pa.types.is_timestamp(kind)
    )


def view_of(array: pa.Array) -> npt.NDArray[Any]:
    """View an array of numbers, dates or times, also below nulls; `Array.to_numpy` would import pandas."""
    kind = array.type
    name = "int32" if pa.types.is_date32(kind) else "int64" if pa.types.is_timestamp(kind) else str(kind)
    dtype = np.dtype({"float": "float32", "double": "float64", "halffloat": "float16"}.get(name, name))
    data = array.buffers()[1]
    if data is None:
        return np.zeros(len(array), dtype)
    return np.frombuffer(data, dtype, len(array), array.offset * dtype.itemsize)


def _plain(array: pa.Array) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """View one chunk, and where it is null."""
    values = view_of(array)
    if array.null_count == 0:
        return values, None
    if array.buffers()[1] is None:
        return values, np.ones(len(array), np.bool_)
    null = array.is_null().cast(pa.uint8())
    return values, np.frombuffer(null.buffers()[1], np.bool_, len(array), null.offset)
