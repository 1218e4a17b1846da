"""As-of joins done by us: which ones, and that the answers are those of DuckDB and of a slow search."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from lakehouse.queries.kernels import compiled
from lakehouse.queries.sql import asof, explain_sql
from lakehouse.queries.sql.asof_rows import Runs, match

Pairs = list[tuple[str, int]]
T, Q = "market_data.trades", "market_data.quotes"
ON = "ON t.symbol = q.symbol AND t.time >= q.time"
JOIN = f"{T} AS t ASOF JOIN {Q} AS q {ON}"
COUNT = "SELECT count(*), sum(t.price)::DECIMAL(18, 4), max(q.time) FROM"

OURS = [
    f"{COUNT} {JOIN}",
    f"{COUNT} {T} t ASOF LEFT JOIN {Q} q {ON}",
    f"{COUNT} {T} t ASOF JOIN {Q} q ON q.time < t.time AND q.symbol = t.symbol",
    f"{COUNT} {T} t ASOF JOIN {Q} q ON t.symbol = q.symbol AND t.time <= q.time",
    f"{COUNT} {T} t ASOF LEFT JOIN {Q} q ON t.symbol = q.symbol AND t.time < q.time",
    f"{COUNT} {JOIN} WHERE t.symbol IN ('A', 'C') AND t.time >= '2024-01-05' AND t.time < $end",
    f"{COUNT} {JOIN} WHERE q.time > '2024-01-06'",
    f"SELECT t.symbol, t.time FROM {JOIN} WHERE t.symbol = 'B' ORDER BY ALL LIMIT 9",
    f"WITH t AS (FROM {T}), q AS (SELECT * FROM {Q}) {COUNT} t ASOF JOIN q {ON}",
    f"WITH a AS (FROM {T}), t AS (FROM a) {COUNT} t ASOF JOIN (FROM {Q}) q {ON} WHERE t.time < '2024-01-07'",
    f"{COUNT} {T} AS t ASOF JOIN {T} AS q {ON}",
    f"SELECT count(*) FROM {JOIN} WHERE t.price > (SELECT avg(price) FROM {T})",
    f"SELECT s.score, q.time FROM ({JOIN}) JOIN signals.scores s ON s.name = t.symbol ORDER BY ALL",
    f"SELECT trades.symbol, quotes.time FROM {T} ASOF JOIN {Q} ON trades.symbol = quotes.symbol"
    " AND trades.time >= quotes.time ORDER BY ALL",
    f"SELECT symbol, n FROM (SELECT t.symbol, count(*) AS n FROM {JOIN} GROUP BY 1) ORDER BY ALL",
    f"SELECT t.symbol, x.time FROM {T} AS t SEMI JOIN (SELECT q.* FROM {T} t ASOF JOIN {Q} q {ON}) AS x"
    " ON x.symbol = t.symbol, signals.scores AS y, (SELECT max(time) AS time FROM market_data.quotes) AS x"
    " ORDER BY ALL LIMIT 5",
]
LEFT_TO_DUCKDB = [
    (f"{COUNT} {T} t ASOF JOIN {Q} q USING (symbol, time)", "condition"),
    (f"{COUNT} {T} t ASOF JOIN {Q} q {ON} AND t.price = q.bid", "condition"),
    (f"{COUNT} {T} t ASOF JOIN {Q} q ON t.time >= q.time", "condition"),
    (
        f"{COUNT} {T} t ASOF JOIN {Q} q ON t.symbol = q.symbol AND t.time >= q.time + INTERVAL 1 HOUR",
        "condition",
    ),
    (f"{COUNT} {T} t ASOF JOIN signals.scores q ON t.symbol = q.name AND t.time >= q.moment", ""),
    (f"{COUNT} {T} t ASOF RIGHT JOIN {Q} q {ON}", "INNER nor LEFT"),
    (f"{COUNT} {T} t ASOF JOIN (FROM {Q} WHERE time > '2024-01-04') q {ON}", "the whole of a product"),
    (f"{COUNT} {T} t ASOF JOIN (FROM {Q} ORDER BY ALL LIMIT 50) q {ON}", "the whole of a product"),
    (f"{COUNT} {T} t ASOF JOIN {Q} AS q(symbol, time, a, b) {ON}", "the whole of a product"),
    (f"{COUNT} {JOIN} ASOF JOIN {Q} AS r ON t.symbol = r.symbol AND t.time >= r.time", "several"),
    (f"SELECT count(*), max(t._sequence) FROM {JOIN}", "sequence"),
    (f"SELECT (SELECT count(*) FROM {JOIN} WHERE t.symbol = b.symbol) FROM market_data.bars b", "its text"),
    (
        f"SELECT {T}.price, {Q}.time FROM {T} ASOF JOIN {Q} ON trades.symbol = quotes.symbol"
        " AND trades.time >= quotes.time ORDER BY ALL",
        "domain",
    ),
]


def parameters(text: str) -> Any:
    return {"end": np.datetime64("2024-01-09T00:00:00.000000001")} if "$end" in text else None


def plan(desk: Any, text: str) -> Any:
    return explain_sql(text, desk.resolve, parameters=parameters(text), known=desk.known)


@pytest.mark.parametrize("text", OURS)
def test_this_shape_is_ours_and_the_answer_that_of_duckdb(desk: Any, text: str) -> None:
    found = plan(desk, text)
    assert found[T].engine == "as-of kernel"
    assert found.notes == ()
    ours = desk.table(text, parameters(text))
    assert ours.schema.equals(desk.table(text, parameters(text), engine="parquet").schema)
    assert sorted(map(repr, pl.DataFrame(ours).rows())) == sorted(
        map(repr, desk.rows(text, parameters(text), engine="parquet", prune=False))
    )


@pytest.mark.parametrize(("text", "reason"), LEFT_TO_DUCKDB)
def test_this_shape_is_left_to_duckdb_and_the_plan_says_so(desk: Any, text: str, reason: str) -> None:
    from lakehouse.errors import QueryError

    try:
        expected = sorted(map(repr, desk.rows(text, engine="parquet")))
    except QueryError:
        expected = None  # DuckDB does not have it either
    found = plan(desk, text)
    assert found[T].engine != "as-of kernel"
    assert found.notes[0].startswith("The as-of join is left to DuckDB: ")
    assert reason in found.notes[0]
    if expected is not None:
        assert sorted(map(repr, desk.rows(text))) == expected


def test_a_join_that_is_too_large_to_hold_is_left_to_duckdb(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asof, "MOST_MATCHED_VALUES", 10)
    found = plan(desk, OURS[0])
    assert (found[T].engine == "as-of kernel", found.notes) == (
        False,
        ("The as-of join is left to DuckDB: its rows are too many to hold.",),
    )


def test_positional_parameters_stay_in_their_places(desk: Any) -> None:
    text = f"SELECT ? AS a, count(*), ? AS b FROM {JOIN} WHERE t.symbol = ? AND t.price > ?"
    values = ["x", 7, "B", 20.0]
    ours = explain_sql(text, desk.resolve, parameters=values, known=desk.known)
    assert ours[T].engine == "as-of kernel"
    assert desk.rows(text, values) == desk.rows(text, values, engine="parquet")


@pytest.mark.parametrize("terms", [100, 200, 300])
def test_deep_nesting_has_its_answer(desk: Any, terms: int) -> None:
    deep = "+".join(["t.price"] * terms)
    text = f"SELECT sum({deep})::BIGINT FROM {JOIN}"
    assert desk.rows(text) == desk.rows(text, engine="parquet")
    assert len(desk.rows(f"SELECT {deep} FROM {T} AS t")) == len(desk.frames[T])


def test_what_no_row_is_needed_of_stays_empty(desk: Any) -> None:
    text = f"SELECT * FROM {JOIN} WHERE t.symbol = 'A' AND t.symbol = 'B'"
    assert desk.rows(text) == []


def test_the_right_side_is_read_from_the_last_piece_before_on(desk: Any) -> None:
    found = plan(desk, f"{COUNT} {JOIN} WHERE t.symbol = 'A' AND t.time >= '2024-01-08'")[Q]
    days = desk.frames[Q].filter(symbol="A")["time"].dt.date().unique()
    later = days.filter(days >= date(2024, 1, 8))
    assert found.files_listed in (len(later), len(later) + 1)
    assert len(later) + 1 < len(days)


def market(
    make_market: Callable[..., Any], trades: list[tuple[str, int]], quotes: list[tuple[str, int]]
) -> Any:
    def product(rows: Pairs, **others: list[Any]) -> dict[str, Any]:
        ordered = sorted(range(len(rows)), key=lambda place: rows[place])
        return {
            "symbol": [rows[place][0] for place in ordered],
            "time": [rows[place][1] for place in ordered],
            **{name: [values[place] for place in ordered] for name, values in others.items()},
        }

    count = len(quotes)
    return make_market(
        trades=product(trades, price=[1.0] * len(trades), size=list(range(len(trades)))),
        quotes=product(
            quotes, bid=[float(place) if place % 3 else None for place in range(count)], ask=[2.0] * count
        ),
    )


def search(trades: pl.DataFrame, quotes: pl.DataFrame, comparison: str) -> list[tuple[Any, ...]]:
    """Look for each trade through all quotes."""
    holds = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}[comparison]
    found = []
    for symbol, time, size in trades.select("symbol", "time", "size").rows():
        fitting = [
            row
            for row in quotes.select("time", "symbol", "bid").rows()
            if row[1] == symbol and holds(time, row[0])
        ]
        best: Any = (None, None, None)
        for row in fitting:
            closer = best[0] is None or (row[0] >= best[0] if ">" in comparison else row[0] < best[0])
            best = row if closer else best
        found.append((symbol, time, size, best[1], best[0], best[2]))
    return found


STEPS = st.integers(0, 40).map(lambda step: 1_704_067_200_000_000_000 + step * 7_200_000_000_000 + step % 2)
ROWS = st.lists(st.tuples(st.sampled_from(["A", "B/ä", "日経", "D"]), STEPS), min_size=1, max_size=40)


@given(
    trades=ROWS,
    quotes=ROWS,
    comparison=st.sampled_from([">=", ">", "<=", "<"]),
    kind=st.sampled_from(["", "LEFT "]),
)
def test_it_finds_what_a_slow_search_finds(
    make_market: Callable[..., Any],
    trades: Pairs,
    quotes: Pairs,
    comparison: str,
    kind: str,
) -> None:
    desk = market(make_market, trades, quotes)
    part = f"FROM {T} t ASOF {kind}JOIN {Q} q ON t.symbol = q.symbol AND t.time {comparison} q.time"
    text = f"SELECT t.symbol, t.time, t.size, q.symbol AS s, q.time AS u, q.bid {part}"
    note(text)
    assert plan(desk, text)[T].engine == "as-of kernel"
    slow = search(desk.frames[T], desk.frames[Q], comparison)
    expected = [row for row in slow if kind or row[3] is not None]
    assert sorted(map(repr, desk.rows(text))) == sorted(map(repr, expected))
    duck = f"SELECT t.symbol, t.time, t.size, q.symbol AS s, q.time AS u {part}"
    assert sorted(map(repr, desk.rows(duck, engine="parquet"))) == sorted(repr(row[:5]) for row in expected)


def test_many_rows_keep_their_positions_through_threads(make_market: Callable[..., Any]) -> None:
    count = 300_000
    chance = np.random.default_rng(0)
    desk = make_market(
        trades={
            "symbol": ["A"] * count,
            "time": (1_704_067_200_000_000_000 + np.arange(count) * 1000).tolist(),
            "price": np.arange(count, dtype=float).tolist(),
            "size": chance.integers(0, 9, count).tolist(),
        },
        quotes={
            "symbol": ["A"] * count,
            "time": (1_704_067_200_000_000_000 + np.arange(count) * 1000 - 1).tolist(),
            "bid": np.arange(count, dtype=float).tolist(),
            "ask": [1.0] * count,
        },
    )
    for clause in ("", " WHERE t.size = 3 AND q.bid > 1000"):
        text = f"SELECT count(*), bool_and(t.price = q.bid) FROM {JOIN}{clause}"
        rows = desk.rows(text)
        assert (rows[0][0] > 1000, rows[0][1]) == (True, True)
        assert rows == desk.rows(text, engine="parquet")


def test_matches_stay_within_their_symbol() -> None:
    left = Runs(np.array([0, 2]), np.array([2, 3]), np.array([5, 6, 1]))
    right = Runs(np.array([0, 1]), np.array([1, 2]), np.array([9, 0]))
    assert match(left, right, ">=").tolist() == [-1, -1, 1]
    assert match(left, right, "<").tolist() == [0, 0, -1]


@pytest.mark.parametrize("comparison", [">=", ">", "<=", "<"])
def test_the_kernel_matches_what_the_search_does(comparison: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(7)
    sizes = random.integers(0, 9, (2, 40))
    sides = []
    for size in sizes:
        ends = np.cumsum(size)
        times = np.concatenate([np.sort(random.integers(0, 12, count)) for count in size])
        sides.append(Runs(ends - size, ends, times))
    found = []
    for loaded in (False, True):
        monkeypatch.setattr(compiled, "is_loaded", lambda loaded=loaded: loaded)
        found.append(match(sides[0], sides[1], comparison).tolist())
    assert found[0] == found[1]


def test_duckdb_gets_no_file_of_the_joined_products(desk: Any) -> None:
    assert not desk.run(OURS[0]).files
