"""The ends of every range, odd encodings, and frames that fail: nothing wraps, and every error is ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import ArgumentError, IntegrityError, LakehouseError, SchemaError
from lakehouse.ingest.frames import to_table
from lakehouse.ingest.gate import Gated, gate
from lakehouse.schema import Column, TableSchema

SOURCES = {str(kind): kind for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())}
SOURCES |= {str(kind): kind for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())}
TARGETS = {"int8": 7, "int16": 15, "int32": 31, "int64": 63}


def through(values: pa.Array | pa.ChunkedArray, target: str, time_zone: str | None = None) -> Gated:
    """Pass one column `x` through the gate."""
    table = to_table(pa.Table.from_arrays([values], ["x"]))
    return gate(table, TableSchema((Column("x", target),)), time_zone=time_zone)


def values_and_misfits(gated: Gated) -> tuple[list[Any], list[bool]]:
    """Return stored values and which of them did not fit."""
    stored = gated.rows.column("x").to_pylist()
    return stored, gated.misfits["x"].to_pylist() if "x" in gated.misfits else [False] * len(stored)


def integers_of(kind: pa.DataType) -> st.SearchStrategy[list[int | None]]:
    """Draw values of an integer type; the ends of every narrower type are always among them."""
    bits, signed = kind.bit_width, pa.types.is_signed_integer(kind)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    powers = [sign * 2**bit for bit in (7, 8, 15, 16, 24, 31, 32, 53, 63, 64) for sign in (1, -1)]
    ends = [power + step for power in powers for step in (-1, 0, 1, 5) if low <= power + step <= high]
    return st.lists(st.none() | st.integers(low, high), max_size=12).map(lambda drawn: [*drawn, *ends, None])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
@given(st.data())
def test_an_integer_of_any_type_keeps_its_value_or_does_not_fit(
    source: str, target: str, data: st.DataObject
) -> None:
    values, limit = data.draw(integers_of(SOURCES[source])), 2 ** TARGETS[target]
    stored, misfits = values_and_misfits(through(pa.array(values, SOURCES[source]), target))
    assert misfits == [value is not None and not -limit <= value < limit for value in values]
    assert stored == [None if misfit else value for value, misfit in zip(values, misfits, strict=True)]


@pytest.mark.parametrize(("target", "digits"), [("float32", 24), ("float64", 53)])
@pytest.mark.parametrize("source", SOURCES)
@given(st.data())
def test_an_integer_of_any_type_is_a_float_up_to_the_largest_exact_one(
    source: str, target: str, digits: int, data: st.DataObject
) -> None:
    values = data.draw(integers_of(SOURCES[source]))
    stored, misfits = values_and_misfits(through(pa.array(values, SOURCES[source]), target))
    assert misfits == [value is not None and abs(value) > 2**digits for value in values]
    assert stored == [None if misfit else value for value, misfit in zip(values, misfits, strict=True)]


@pytest.mark.parametrize(
    ("kind", "value", "target"),
    [
        (pa.uint8(), 200, "int8"),
        (pa.uint32(), 2**31 + 5, "int32"),
        (pa.uint64(), 2**63 + 5, "int64"),
        (pa.uint64(), 2**64 - 1, "int32"),
        (pa.uint64(), 2**63 + 5, "float64"),
        (pa.uint64(), 2**64 - 1, "float32"),
    ],
)
def test_unsigned_integers_do_not_wrap(kind: pa.DataType, value: int, target: str) -> None:
    assert values_and_misfits(through(pa.array([1, value], kind), target)) == ([1, None], [False, True])


def test_half_floats_are_widened_first() -> None:
    halves = pa.array([1.5, 2.0, None], pa.float16())
    assert values_and_misfits(through(halves, "int8")) == ([None, 2, None], [True, False, False])
    assert values_and_misfits(through(halves, "float64"))[0] == [1.5, 2.0, None]


@pytest.mark.parametrize("end", [2**63 - 1, -(2**63)])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_at_the_ends_of_a_unit_are_no_midnights(unit: str, end: int) -> None:
    times = pa.array([0, end], pa.int64()).view(pa.timestamp(unit))
    assert values_and_misfits(through(times, "date"))[1] == [False, True]


@pytest.mark.parametrize(
    ("end", "zone"), [(2**63 - 1, "America/New_York"), (-(2**63) + 1, "Asia/Tokyo")], ids=["last", "first"]
)
def test_a_local_time_that_utc_moves_past_the_end_does_not_come_out_at_the_other_end(
    end: int, zone: str
) -> None:
    times = pa.array([0, end, None], pa.int64()).view(pa.timestamp("ns"))
    assert values_and_misfits(through(times, "timestamp[ns]", zone))[1] == [False, True, False]


@pytest.mark.parametrize("texts", [["A", None], ["A", "A"], ["B", "A", "B", None]])
def test_a_dictionary_with_nulls_or_repeats_is_encoded_again(texts: list[str | None]) -> None:
    codes = pa.array([*range(len(texts)), None, 0], pa.int32())
    column = pa.DictionaryArray.from_arrays(codes, pa.array(texts, pa.string()))
    encoded = through(column, "string").rows.column("x")
    assert encoded.to_pylist() == [*texts, None, texts[0]]
    assert encoded.null_count == texts.count(None) + 1
    for chunk in encoded.chunks:
        assert chunk.dictionary.to_pylist() == list(dict.fromkeys(text for text in texts if text))


def test_chunks_with_good_and_bad_dictionaries_are_all_read() -> None:
    kind = pa.dictionary(pa.int32(), pa.string())
    chunks = [
        pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(texts, pa.string()))
        for texts in (["A", "B"], ["B", None], ["C", "C"])
    ]
    encoded = through(pa.chunked_array(chunks, kind), "string").rows.column("x")
    assert encoded.to_pylist() == ["A", "B", "B", None, "C", "C"]
    assert encoded.null_count == 1


@pytest.mark.parametrize("target", ["string", "float64", "timestamp[ns]"])
def test_a_category_without_any_value_is_a_column_of_nulls(target: str) -> None:
    frame = pd.DataFrame({"x": pd.Categorical([None, None], categories=pd.Index([], dtype=object))})
    rows = gate(to_table(frame), TableSchema((Column("x", target),))).rows
    assert rows.column("x").to_pylist() == [None, None]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_bytes_that_are_no_text_are_refused(kind: pa.DataType) -> None:
    surrogate = pa.array([b"\xed\xa0\x80"], pa.binary() if kind == pa.string() else pa.large_binary())
    lying = pa.Array.from_buffers(kind, 1, surrogate.buffers())
    with pytest.raises(SchemaError, match=r"'x' is damaged(?s:.)*Hint: .*surrogates"):
        through(lying, "string")
    with pytest.raises(SchemaError, match="'x' is damaged"):
        through(pa.DictionaryArray.from_arrays(pa.array([0]), lying), "string")


@pytest.mark.parametrize("target", ["string", "int64"])
def test_codes_past_the_end_of_their_dictionary_are_refused(target: str) -> None:
    texts = pa.array(["A"]) if target == "string" else pa.array([1])
    column = pa.DictionaryArray.from_arrays(pa.array([0, 7]), texts, safe=False)
    with pytest.raises(SchemaError, match="'x' is damaged"):
        through(column, target)


def test_a_doubled_column_of_raw_text_is_named() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array(["a"]), pa.array(["b"])], ["x", "_raw_x", "_raw_x"])
    with pytest.raises(SchemaError, match="doubled '_raw_x'"):
        gate(table, TableSchema((Column("x", "int64"),)))


def test_a_zone_that_is_no_text_is_refused() -> None:
    times = pa.array([0], pa.int64()).view(pa.timestamp("ns"))
    with pytest.raises(ArgumentError, match="can not be placed"):
        through(times, "timestamp[ns]", 5)  # type: ignore[arg-type]


class _Broken:
    """An Arrow stream whose producer fails."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        raise RuntimeError("the producer went away")


def _lost() -> Iterator[pa.RecordBatch]:
    yield pa.record_batch({"a": [1]})
    raise OSError("connection lost")


FAILING: dict[str, tuple[Callable[[], object], str]] = {
    "index named like a column": (
        lambda: pd.DataFrame({"a": [1]}, index=pd.Index([3], name="a")),
        "named 'a'",
    ),
    "levels of one name": (
        lambda: pd.DataFrame({"b": [1]}, index=pd.MultiIndex.from_tuples([(3, 4)], names=["a", "a"])),
        "named 'a'",
    ),
    "columns of one name": (lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]), "named 'a'"),
    "surrogate in pandas": (lambda: pd.DataFrame({"a": pd.Series(["\ud800"], dtype=object)}), "surrogates"),
    "surrogate in a mapping": (lambda: {"a": ["\ud800"]}, "surrogates"),
    "too large for pandas": (lambda: pd.DataFrame({"a": [2**70]}), "too large"),
    "too large in a mapping": (lambda: {"a": [2**70]}, "too large"),
    "lazy, of a missing column": (lambda: pl.LazyFrame({"a": [1]}).select("b"), "lazy frame failed"),
    "lazy, of a missing file": (lambda: pl.scan_parquet("/nonexistent/file.parquet"), "lazy frame failed"),
    "lazy, of code that fails": (
        lambda: pl.LazyFrame({"a": [1]}).map_batches(lambda _: pl.DataFrame({"a": [1 // 0]})),
        "ZeroDivisionError",
    ),
    "128 bits": (lambda: pl.DataFrame({"a": pl.Series([1], dtype=pl.Int128)}), "Arrow stream failed"),
    "stream that fails": (_Broken, "producer went away"),
    "reader that fails": (
        lambda: pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), _lost()),
        "connection lost",
    ),
    "no frame": (lambda: 5, "as a frame"),
}


@pytest.mark.parametrize("case", FAILING)
def test_a_frame_that_can_not_be_taken_is_refused_with_a_hint(case: str) -> None:
    make, message = FAILING[case]
    with pytest.raises(SchemaError, match=message) as caught:
        to_table(make())
    assert caught.value.hint


def test_an_error_of_the_lake_itself_passes_through_a_stream() -> None:
    class Torn:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise IntegrityError("The data file is torn.")

    with pytest.raises(LakehouseError, match="torn") as caught:
        to_table(Torn())
    assert isinstance(caught.value, IntegrityError)
