"""The content digest: its written rule, and what may and may not change it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse import partitions
from lakehouse.partitions.digest import EMPTY, add, digest_of, subtract
from lakehouse.schema import TYPES, stored_type
from lakehouse.times import NS_PER_DAY

MASK = 2**64 - 1


def slow_digest(rows: list[dict[str, int | float | str | bool | None]]) -> str:
    """The specification, value by value, in Python's own integers."""
    total = 0
    for row in rows:
        lanes = [0, 0]
        for name, value in row.items():
            raw = hashlib.blake2b(name.encode(), digest_size=24).digest()
            salt, *multipliers = (int.from_bytes(raw[i : i + 8], "little") for i in (0, 8, 16))
            for lane, word in enumerate(slow_words(value)):
                if word is not None:
                    mixed = ((word ^ (word >> 32)) ^ salt) * (multipliers[lane] | 1)
                    lanes[lane] = (lanes[lane] + mixed) & MASK
        low, high = (finalise(lane) for lane in lanes)
        total = (total + (high << 64) + low) % 2**128
    return f"{total:032x}"


def slow_words(value: float | str | bool | None) -> tuple[int | None, int | None]:
    if value is None:
        return None, None
    if isinstance(value, str):
        raw = hashlib.blake2b(value.encode(), digest_size=16).digest()
        return int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:], "little")
    if isinstance(value, float):
        word = 0x7FF8000000000000 if value != value else int(np.float64(value).view(np.uint64))
    else:
        word = int(value) & MASK
    return word, word


SPECIFICATION = Path(partitions.__file__).with_name("DIGEST.md").read_text(encoding="utf-8")
VECTORS = re.findall(r"^\| (\S+) \| `(.+)` \| `([0-9a-f]{32})` \|$", SPECIFICATION, re.MULTILINE)


def stored(kind: str, value: object) -> pa.Array:
    """Put one value of a specified type, times as nanoseconds, into the type that it is stored in."""
    times = {"date": ("int32", NS_PER_DAY), "timestamp[us]": ("int64", 1000)}
    if kind in times and isinstance(value, int):
        integer, scale = times[kind]
        return pa.array([value // scale], integer).view(stored_type(kind))
    return pa.array([value], stored_type(kind))


@pytest.mark.parametrize(
    ("kind", "text", "digest"), VECTORS, ids=[f"{kind} {text}" for kind, text, _ in VECTORS]
)
def test_a_vector_of_the_specification(kind: str, text: str, digest: str) -> None:
    value = json.loads(text)
    table = pa.Table.from_arrays([stored(kind, value)], ["x"])
    assert slow_digest([{"x": value}]) == digest
    assert digest_of(table) == digest


def test_the_vectors_cover_every_type() -> None:
    assert {kind for kind, _, _ in VECTORS} == set(TYPES)


def finalise(lane: int) -> int:
    lane = ((lane ^ (lane >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    lane = ((lane ^ (lane >> 27)) * 0x94D049BB133111EB) & MASK
    return lane ^ (lane >> 31)


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "time": st.integers(-(2**63), 2**63 - 1),
            "price": st.none() | st.floats(),
            "flag": st.none() | st.booleans(),
            "venue": st.none() | st.text(max_size=5),
        }
    ),
    min_size=1,
    max_size=12,
)
SCHEMA = pa.schema(
    [("time", pa.int64()), ("price", pa.float64()), ("flag", pa.bool_()), ("venue", pa.string())]
)


@given(ROWS)
def test_the_fast_digest_is_the_specification(rows: list[dict[str, int | float | str | bool | None]]) -> None:
    assert digest_of(pa.Table.from_pylist(rows, schema=SCHEMA)) == slow_digest(rows)


@given(ROWS, st.randoms())
def test_neither_order_nor_chunks_nor_encoding_change_it(
    rows: list[dict[str, object]], random: object
) -> None:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    order = list(range(len(rows)))
    random.shuffle(order)  # type: ignore[attr-defined]
    half = len(rows) // 2
    shuffled = pa.concat_tables(
        [table.take(pa.array(order[:half], pa.int64())), table.take(pa.array(order[half:], pa.int64()))]
    )
    encoded = shuffled.set_column(3, "venue", shuffled.column("venue").dictionary_encode())
    assert digest_of(encoded) == digest_of(table)


@given(ROWS, ROWS)
def test_digests_add_and_subtract_like_sets_of_rows(
    left: list[dict[str, object]], right: list[dict[str, object]]
) -> None:
    a, b = (pa.Table.from_pylist(rows, schema=SCHEMA) for rows in (left, right))
    both = add(digest_of(a), digest_of(b))
    assert both == digest_of(pa.concat_tables([a, b]))
    assert subtract(both, digest_of(b)) == digest_of(a)


def test_a_null_column_added_later_changes_nothing() -> None:
    table = pa.Table.from_pylist(
        [{"time": 1, "price": 2.0}], schema=pa.schema([("time", pa.int64()), ("price", pa.float64())])
    )
    assert digest_of(table.append_column("venue", pa.nulls(1, pa.string()))) == digest_of(table)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([0.0], [-0.0]),
        ([0.0], [None]),
        ([float("nan")], [None]),
        ([1.0, 1.0], [1.0]),
        ([1.0], [np.nextafter(1.0, 2.0)]),
    ],
)
def test_rows_that_differ_in_one_bit_differ(left: list[float | None], right: list[float | None]) -> None:
    a, b = (
        digest_of(pa.Table.from_arrays([pa.array(values, pa.float64())], ["x"])) for values in (left, right)
    )
    assert a != b


def test_every_nan_is_the_same() -> None:
    odd = np.array([0x7FF8000000000001], np.uint64).view(np.float64)
    a, b = (
        digest_of(pa.Table.from_arrays([pa.array(values)], ["x"])) for values in (odd, np.array([np.nan]))
    )
    assert a == b


def test_the_same_values_in_exchanged_columns_differ() -> None:
    bid_ask = pa.Table.from_arrays([pa.array([1.25]), pa.array([1.5])], ["bid", "ask"])
    assert digest_of(bid_ask) != digest_of(bid_ask.rename_columns(["ask", "bid"]))


def test_the_published_value_of_version_one_never_changes() -> None:
    """A digest written into a lock file must mean the same in every later release."""
    table = pa.Table.from_pylist(
        [
            {"symbol": "IBM", "time": 1_704_186_600_000_000_000, "price": 101.25, "size": 7},
            {"symbol": "BRK/B", "time": -1, "price": None, "size": 0},
        ],
        schema=pa.schema(
            [
                ("symbol", pa.string()),
                ("time", pa.timestamp("ns", "UTC")),
                ("price", pa.float64()),
                ("size", pa.int32()),
            ]
        ),
    )
    assert digest_of(table) == "4761b5cc704c41225d81a3e1d84e4e46"


def test_no_rows_have_the_empty_digest() -> None:
    assert digest_of(SCHEMA.empty_table()) == EMPTY == "0" * 32
