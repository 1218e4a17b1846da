"""All rules of a contract over one frame."""

from __future__ import annotations

import polars as pl
import pytest

from lakehouse.catalog.rule import Rule
from lakehouse.ingest.rules import evaluate_rules
from lakehouse.schema import Column, TableSchema, arrow_schema

SCHEMA = TableSchema(
    (
        Column("symbol", "string", nullable=False),
        Column("time", "timestamp[ns]", nullable=False),
        *(Column(name, "float64") for name in ("open", "high", "low", "close")),
    ),
    "symbol",
    "time",
)
RULES = [
    Rule("narrow", "sql", (), {"expression": "high - low < 5"}),
    Rule("holes", "gap", (), {"max_gap": "3ns"}),
    Rule("bar", "ohlc"),
    Rule("wild", "spike", ("close",), {"window": 4, "threshold": 3}),
    Rule("real", "positive", ("open", "high", "low", "close")),
    Rule("late", "monotonic_time"),
]


def bars() -> pl.DataFrame:
    closes = [10.0, 11.0, 12.0, 11.0, 999.0, -1.0, 13.0]
    return pl.DataFrame(
        {
            "symbol": ["B", "B", "B", "B", "B", "A", "B"],
            "time": [0, 1, 2, 3, 9, 1, 8],
            "open": closes,
            "high": [close + 1 for close in closes],
            "low": [close - 1 for close in closes[:-1]] + [50.0],
            "close": closes,
        }
    )


def test_each_rule_gives_its_flags_in_the_order_of_the_rules() -> None:
    broken = evaluate_rules(bars(), RULES, SCHEMA)
    assert list(broken) == [rule.name for rule in RULES]
    assert [flags.name for flags in broken.values()] == list(broken)
    assert {name: flags.arg_true().to_list() for name, flags in broken.items()} == {
        "narrow": [],
        "holes": [6],
        "bar": [6],
        "wild": [4],
        "real": [5],
        "late": [6],
    }


@pytest.mark.parametrize("rows", [0, 1])
def test_frames_of_no_row_and_one_row_are_judged(rows: int) -> None:
    for flags in evaluate_rules(bars().head(rows), RULES, SCHEMA).values():
        assert flags.to_list() == [False] * rows


def test_a_frame_of_nulls_breaks_nothing() -> None:
    frame = pl.DataFrame(arrow_schema(SCHEMA).empty_table()).clear(3)
    assert not any(flags.any() for flags in evaluate_rules(frame, RULES, SCHEMA).values())


def test_no_rules_give_no_flags() -> None:
    assert evaluate_rules(bars(), [], SCHEMA) == {}


def test_the_frame_is_left_as_it_was() -> None:
    frame = bars()
    evaluate_rules(frame, RULES, SCHEMA)
    assert frame.equals(bars())


def test_many_chunks_are_one_frame() -> None:
    pieces = pl.concat([bars().slice(at, 1) for at in range(bars().height)], rechunk=False)
    whole = evaluate_rules(bars(), RULES, SCHEMA)
    assert all(flags.equals(whole[name]) for name, flags in evaluate_rules(pieces, RULES, SCHEMA).items())
