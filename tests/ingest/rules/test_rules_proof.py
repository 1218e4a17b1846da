"""Proofs: a rule is proven only where no row breaks it, and on clean rows it is proven."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.catalog.rule import Rule
from lakehouse.ingest.rules import evaluate_rules
from lakehouse.ingest.rules.proof import kept_rules
from lakehouse.schema import Column, TableSchema

OHLC = ("open", "high", "low", "close")
SCHEMA = TableSchema(
    (
        Column("symbol", "string", nullable=False),
        Column("time", "timestamp[ns]", nullable=False),
        *(Column(name, "float64") for name in OHLC),
        Column("volume", "int32"),
    ),
    "symbol",
    "time",
)
RULES = [
    Rule("bars", "ohlc", OHLC),
    Rule("prices", "positive", OHLC),
    Rule("volume", "non_negative", ("volume",)),
    Rule("order", "monotonic_time"),
    Rule("known", "not_null", ("volume",)),
]
Prices = st.sampled_from([1.0, 1.0, 1.0, 2.0, 0.0, -0.0, -1.0, float("nan"), float("inf"), None])


def bars(rows: list[tuple[int, list[float | None], int | None]], chunk: int = 1_000) -> pa.Table:
    """Return bars of one symbol in chunks of a length."""
    columns = [
        pa.array(["A"] * len(rows), pa.string()),
        pa.array([time for time, _, _ in rows], pa.int64()),
        *(pa.array([prices[place] for _, prices, _ in rows], pa.float64()) for place in range(4)),
        pa.array([volume for _, _, volume in rows], pa.int32()),
    ]
    whole = pa.Table.from_arrays(columns, list(SCHEMA.names))
    parts = [whole.slice(start, chunk) for start in range(0, max(1, len(rows)), chunk)]
    return pa.concat_tables(parts)


def broken(rows: pa.Table) -> set[str]:
    """Return the rules that the judges find broken."""
    frame = pl.DataFrame(rows)
    return {name for name, flags in evaluate_rules(frame, RULES, SCHEMA).items() if flags.any()}


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.lists(Prices, min_size=4, max_size=4), st.sampled_from([0, 1, -1, None])
        ),
        max_size=6,
    ),
    st.integers(1, 3),
)
def test_nothing_is_proven_that_a_row_breaks(
    rows: list[tuple[int, list[float | None], int | None]], chunk: int
) -> None:
    table = bars(rows, chunk)
    assert not kept_rules(table, RULES, SCHEMA) & broken(table)


@pytest.mark.parametrize("count", [1, 2, 100_000, 600_000])
def test_clean_rows_are_proven(count: int) -> None:
    rows = bars([(time, [2.0, 3.0, 1.0, 2.0], 0) for time in range(min(count, 1_000))])
    table = pa.concat_tables([rows] * max(1, count // 1_000))
    proven = kept_rules(table, RULES, SCHEMA)
    assert proven >= {"bars", "prices", "volume"}
    assert ("order" in proven) == (count <= 1_000)


@pytest.mark.parametrize("place", [0, 40_000, 599_999])
def test_one_bad_row_anywhere_is_not_overlooked(place: int) -> None:
    rows = bars([(time, [2.0, 3.0, 1.0, 2.0], 0) for time in range(1_000)])
    good = pa.concat_tables([rows] * 600)
    bad = bars([(0, [2.0, 1.5, 1.0, 2.0], -1)])
    table = pa.concat_tables([good.slice(0, place), bad, good.slice(place)])
    assert kept_rules(table, RULES, SCHEMA) == {"prices"}
