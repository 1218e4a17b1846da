"""Spans of decoded columns, put together: the same rows whether they are sliced, copied or picked."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.partitions import gathering
from lakehouse.partitions.gathering import gather, symbol_text
from lakehouse.partitions.spans import Spans, limited, ordered

BLOCKS = [list(range(40)), [*range(100, 120), None], list(range(200, 260))]
SPANS = st.lists(
    st.integers(0, 2).flatmap(
        lambda block: st.tuples(
            st.integers(0, 3),
            st.just(block),
            st.integers(0, len(BLOCKS[block]) - 1).flatmap(
                lambda start: st.tuples(st.just(start), st.integers(1, len(BLOCKS[block]) - start))
            ),
        )
    ),
    max_size=12,
)


def spans_of(rows: list[tuple[int, int, tuple[int, int]]]) -> Spans:
    flat = np.array([(rank, block, *place) for rank, block, place in rows], np.int64).reshape(-1, 4)
    return Spans(*flat.T)


def expected(rows: list[tuple[int, int, tuple[int, int]]]) -> list[int | None]:
    return [value for _, block, (start, length) in rows for value in BLOCKS[block][start : start + length]]


@pytest.mark.parametrize("long_span", [1, 10**6])
@pytest.mark.parametrize("short_span", [0, 10**6])
@pytest.mark.parametrize("kind", [pa.int64(), pa.string()])
@given(rows=SPANS)
def test_all_ways_give_the_rows_of_the_spans(
    rows: list[tuple[int, int, tuple[int, int]]], kind: pa.DataType, short_span: int, long_span: int
) -> None:
    arrays = [pa.array(block, pa.int64()).cast(kind) for block in BLOCKS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathering, "_LONG_SPAN", long_span)
        patch.setattr(gathering, "_SHORT_SPAN", short_span)
        got = gather(arrays, kind, spans_of(rows))
        joined = gather(arrays, kind, spans_of(rows).joined(across=True))
    wanted = [
        None if value is None else (kind == pa.string() and str(value)) or value for value in expected(rows)
    ]
    assert got.type == kind
    assert got.to_pylist() == joined.to_pylist() == wanted


@given(rows=SPANS, seed=st.integers(0, 2**32 - 1))
def test_rows_in_another_order_are_spans_again(
    rows: list[tuple[int, int, tuple[int, int]]], seed: int
) -> None:
    spans, values = spans_of(rows), expected(rows)
    order = np.random.default_rng(seed).permutation(len(values)).astype(np.int64)
    if not len(order):
        return
    got = gather([pa.array(block, pa.int64()) for block in BLOCKS], pa.int64(), ordered(spans, order))
    assert got.to_pylist() == [values[row] for row in order]


@given(rows=SPANS, count=st.integers(1, 50), last=st.booleans())
def test_ends_are_the_first_or_last_rows_of_each_symbol(
    rows: list[tuple[int, int, tuple[int, int]]], count: int, *, last: bool
) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    wanted: list[int | None] = []
    for rank in range(4):
        mine = expected([row for row in rows if row[0] == rank])
        wanted += mine[-count:] if last else mine[:count]
    kept = limited(spans_of(rows), count, last=last)
    assert gather([pa.array(block, pa.int64()) for block in BLOCKS], pa.int64(), kept).to_pylist() == wanted


@given(
    runs=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 40)), max_size=10), long_run=st.integers(1, 60)
)
def test_the_symbol_of_runs_is_text(runs: list[tuple[int, int]], long_run: int) -> None:
    symbols = ["A", "BRK/B", "日経"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathering, "_LONG_RUN", long_run)
        patch.setattr(gathering, "_REPEATED", 7)
        patch.setattr(gathering, "_TEXT_AT_ONCE", 64)
        gathering.repeated.cache_clear()
        got = symbol_text(symbols, [rank for rank, _ in runs], [length for _, length in runs])
        gathering.repeated.cache_clear()
    got.validate(full=True)
    assert got.to_pylist() == [symbols[rank] for rank, length in runs for _ in range(length)]
