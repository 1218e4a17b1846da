"""The content digest: what the rows are, whatever files they lie in and in whatever order.

The rule is `DIGEST.md` beside this file: version 1, bit-exact, with test vectors. In short: a value becomes a
64-bit word, a row the mixed sum of its columns' salted words, and a set of rows the sum of its rows modulo
2^128; so a digest is kept up to date by adding and subtracting, and compaction can not change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.times import NS_PER_DAY

Words = npt.NDArray[np.uint64]
Salts = tuple[np.uint64, np.uint64, np.uint64]
Adder = Callable[[slice, Words], None]

EMPTY = "0" * 32
_MODULUS = 1 << 128
_CHUNK = 32_768
_NAN = np.uint64(0x7FF8000000000000)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_LOW_32 = np.uint64(0xFFFFFFFF)


def digest_of(table: pa.Table) -> str:
    """Return the digest of all rows of a table, as 32 hex digits.

    Examples:
        >>> one = pa.Table.from_arrays([pa.array([1, 2]), pa.array(["a", None])], ["x", "y"])
        >>> digest_of(one) == digest_of(one.take(pa.array([1, 0])))
        True
        >>> digest_of(one.slice(0, 0)) == EMPTY
        True
    """
    return run_digests(table, np.zeros(1, np.int64))[0] if table.num_rows else EMPTY


def add(*digests: str) -> str:
    """Return the digest of the union of disjoint sets of rows."""
    return f"{sum(int(digest, 16) for digest in digests) % _MODULUS:032x}"


def subtract(digest: str, part: str) -> str:
    """Return the digest of the rows that remain when `part` is taken away."""
    return f"{(int(digest, 16) - int(part, 16)) % _MODULUS:032x}"


def run_digests(table: pa.Table, starts: npt.NDArray[np.int64]) -> list[str]:
    """Return the digest of each run of rows; what is hashed never leaves the processor's cache.

    Args:
        table: with at least one row.
        starts: (n_runs,) first row of each run, strictly rising from 0.
    """
    halves_and_high = [np.zeros(len(starts), np.uint64) for _ in range(3)]
    for first, low, high in _hashed_pieces(table):
        run = int(np.searchsorted(starts, first, side="right")) - 1
        stop = int(np.searchsorted(starts, first + len(low), side="left"))
        begins = np.maximum(starts[run:stop] - first, 0)
        for total, words in zip(halves_and_high, (low & _LOW_32, low >> np.uint64(32), high), strict=True):
            total[run:stop] += np.add.reduceat(words, begins)
    return _hex(*halves_and_high)


def _hex(low: Words, middle: Words, high: Words) -> list[str]:
    """Return low + middle * 2^32 + high * 2^64, modulo 2^128, as hex digits."""
    last = (middle << np.uint64(32)) + low
    first = high + (middle >> np.uint64(32)) + (last < low)
    text = np.stack([first, last], axis=1).astype(">u8").tobytes().hex()
    return [text[start : start + 32] for start in range(0, len(text), 32)]


def row_hashes(table: pa.Table) -> tuple[Words, Words]:
    """Return the low and the high lane of each row's hash, (n_rows,) uint64 each."""
    lanes = np.empty(table.num_rows, np.uint64), np.empty(table.num_rows, np.uint64)
    for first, *piece in _hashed_pieces(table):
        for lane, words in zip(lanes, piece, strict=True):
            lane[first : first + len(words)] = words
    return lanes


def _hashed_pieces(table: pa.Table) -> Iterator[tuple[int, Words, Words]]:
    """Yield the first row of each piece of the table, and both lanes of its rows, good until the next one."""
    most = min(_CHUNK, table.num_rows)
    lanes, scratch = np.empty((2, most), np.uint64), np.empty((2, most), np.uint64)
    columns = [_Contribution(name, table.column(name), scratch) for name in table.column_names]
    for first in range(0, table.num_rows, _CHUNK):
        piece = lanes[:, : min(most, table.num_rows - first)]
        piece[:] = 0
        for column in columns:
            column.add(first, piece)
        for lane in piece:
            _finalise(lane, scratch[0])
        yield first, piece[0], piece[1]


class _Contribution:
    """What a column adds to the lanes of one piece of rows after another."""

    def __init__(self, name: str, column: pa.ChunkedArray, scratch: Words) -> None:
        self._salts, self._scratch = _salts(name), scratch
        self._chunks = iter(column.chunks)
        self._begin = self._end = 0
        self._add: Adder = _nothing

    def add(self, first: int, lanes: Words) -> None:
        """Add to the lanes of the rows from `first` on, chunk by chunk."""
        done = 0
        while done < lanes.shape[1]:
            while self._end <= first + done:
                self._turn()
            stop = min(lanes.shape[1], self._end - first)
            rows = slice(first + done - self._begin, first + stop - self._begin)
            self._add(rows, lanes[:, done:stop])
            done = stop

    def _turn(self) -> None:
        chunk = next(self._chunks)
        self._begin, self._end = self._end, self._end + len(chunk)
        kind = _texts if _is_text(chunk.type) else _numbers
        self._add = kind(chunk, self._salts, self._scratch)


def _nothing(rows: slice, lanes: Words) -> None:
    pass


def _numbers(array: pa.Array, salts: Salts, scratch: Words) -> Adder:
    """Return what adds one chunk's contribution to both lanes."""
    values, null, words_of = _plain_values(array), _validity(array), _words_of(array.type)
    salt, *multipliers = salts

    def add(rows: slice, lanes: Words) -> None:
        words = words_of(values[rows])
        value, term = scratch[:, : len(words)]
        np.right_shift(words, np.uint64(32), out=value)
        np.bitwise_xor(value, words, out=value)
        np.bitwise_xor(value, salt, out=value)
        if null is not None:
            value[null[rows]] = 0
        for lane, multiplier in zip(lanes, multipliers, strict=True):
            np.multiply(value, multiplier, out=term)
            np.add(lane, term, out=lane)

    return add


def _texts(array: pa.Array, salts: Salts, scratch: Words) -> Adder:
    """Return the same for text: the contribution of each distinct value, looked up for each row."""
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    codes, null = _numpy(encoded.indices), _validity(encoded.indices)
    if null is not None:  # below a null any code may stand
        codes = np.where(null, len(values), codes)
    salt, *multipliers = salts
    terms = list(_text_terms(values, salt, multipliers))

    def add(rows: slice, lanes: Words) -> None:
        places = codes[rows].astype(np.intp)
        for lane, contributions in zip(lanes, terms, strict=True):
            term = scratch[0, : len(places)]
            np.take(contributions, places, out=term, mode="clip")
            np.add(lane, term, out=lane)

    return add


def _text_terms(
    values: Sequence[str | None], salt: np.uint64, multipliers: Sequence[np.uint64]
) -> Iterator[Words]:
    """Yield for each lane what each text contributes, and 0 for null at the end."""
    import hashlib  # it loads OpenSSL, and reads, which only add digests up, hash nothing

    texts = [(value or "").encode("utf-8") for value in values]
    raw = b"".join(hashlib.blake2b(text, digest_size=16).digest() for text in texts)
    null = np.array([*(value is None for value in values), True], np.bool_)
    halves = np.frombuffer(raw + bytes(16), np.uint64).reshape(-1, 2)
    for half, multiplier in zip(halves.T, multipliers, strict=True):
        terms = (half ^ (half >> np.uint64(32)) ^ salt) * multiplier
        terms[null] = 0
        yield terms


def _finalise(lane: Words, scratch: Words) -> None:
    """SplitMix64's finaliser, in place."""
    term = scratch[: len(lane)]
    for shift, multiplier in ((30, _MIX_1), (27, _MIX_2), (31, None)):
        np.right_shift(lane, np.uint64(shift), out=term)
        np.bitwise_xor(lane, term, out=lane)
        if multiplier is not None:
            np.multiply(lane, multiplier, out=lane)


def _salts(name: str) -> Salts:
    import hashlib

    raw = hashlib.blake2b(name.encode("utf-8"), digest_size=24).digest()
    salt, first, second = (int.from_bytes(raw[i : i + 8], "little") for i in (0, 8, 16))
    return np.uint64(salt), np.uint64(first | 1), np.uint64(second | 1)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _plain_values(array: pa.Array) -> npt.NDArray[Any]:
    """View what is stored: counts of bits, days or ticks, where it is no number."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return _numpy(array.cast(pa.uint8()))
    if pa.types.is_date32(kind):
        return _numpy(array.view(pa.int32()))
    return _numpy(array.view(pa.int64()) if pa.types.is_timestamp(kind) else array)


def _words_of(kind: pa.DataType) -> Callable[[npt.NDArray[Any]], Words]:
    """Return what makes canonical words of stored values of a type."""
    if pa.types.is_floating(kind):
        return _float_words
    if pa.types.is_date32(kind):
        return lambda days: (days * np.int64(NS_PER_DAY)).view(np.uint64)
    if pa.types.is_timestamp(kind):
        scale = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1000, "ns": 1}[kind.unit]
        return lambda ticks: (ticks if scale == 1 else ticks * scale).view(np.uint64)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return lambda values: values.astype(np.int64, copy=False).view(np.uint64)
    raise TypeError(f"no canonical word for {kind}")


def _float_words(values: npt.NDArray[Any]) -> Words:
    wide = values.astype(np.float64, copy=False)
    words: Words = wide.view(np.uint64)
    bad = np.isnan(wide)
    return np.where(bad, _NAN, words) if bad.any() else words


def _validity(array: pa.Array) -> npt.NDArray[np.bool_] | None:
    """Return where the array is null; None if nowhere."""
    if array.null_count == 0:
        return None
    mask: Any = array.is_null().cast(pa.uint8())
    return _numpy(mask).view(np.bool_)


def _numpy(array: pa.Array) -> npt.NDArray[Any]:
    """View an array's values, also below nulls; `Array.to_numpy` would import pandas."""
    data = array.buffers()[1]
    dtype = np.dtype(_DTYPES[str(array.type)])
    if data is None:
        return np.zeros(len(array), dtype)
    return np.frombuffer(data, dtype, count=len(array), offset=array.offset * dtype.itemsize)


_DTYPES = {
    **{name: name for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
    "float": "float32",
    "double": "float64",
}
