"""Which conditions reach which product: the files listed, and the conditions pushed to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

TRADES, QUOTES, BARS, SCORES = (
    "market_data.trades",
    "market_data.quotes",
    "market_data.bars",
    "signals.scores",
)
DAY_4, DAY_5, DAY_6 = 1_704_326_400_000_000_000, 1_704_412_800_000_000_000, 1_704_499_200_000_000_000
A = "\"symbol\" IN ('A')"
AB = "\"symbol\" IN ('A', 'B')"
FROM_5 = f'"time" >= {DAY_5}'
BEFORE_5 = f'"time" <= {DAY_5 - 1}'

CONDITIONS = [
    ("symbol = 'A'", (A,)),
    ("'A' = symbol", (A,)),
    ("SYMBOL = 'A'", (A,)),
    ("t.\"symbol\" = 'A'", (A,)),
    ("symbol IN ('A', 'B')", (AB,)),
    ("symbol IN ('A', NULL)", (A,)),
    ("symbol IN ['A', 'B']", (AB,)),
    ("symbol = ANY(['A', 'B'])", (AB,)),
    ("list_contains(['A', 'B'], symbol)", (AB,)),
    ("symbol = 'A' OR symbol = 'B'", (AB,)),
    ("(symbol = 'A' AND size > 1) OR (symbol = 'B' AND price < 3)", (AB,)),
    ("symbol = 'A' AND time >= '2024-01-05'", (A, FROM_5)),
    ("(symbol = 'A' AND time >= '2024-01-05') OR (symbol = 'B' AND time >= '2024-01-06')", (AB, FROM_5)),
    ("time >= '2024-01-05'", (FROM_5,)),
    ("time > TIMESTAMP '2024-01-05'", (f'"time" >= {DAY_5 + 1}',)),
    ("time < DATE '2024-01-05'", (BEFORE_5,)),
    ("time <= '2024-01-05 00:00:00.000000007'", (f'"time" <= {DAY_5 + 7}',)),
    ("time = TIMESTAMP '2024-01-05 00:00:00'", (FROM_5, f'"time" <= {DAY_5}')),
    ("time BETWEEN '2024-01-05' AND '2024-01-06'", (FROM_5, f'"time" <= {DAY_6}')),
    ("DATE '2024-01-05' <= time", (FROM_5,)),
    ("time >= CAST('2024-01-05' AS TIMESTAMP)", (FROM_5,)),
    ("time >= make_timestamp_ns(1704412800000000000)", (FROM_5,)),
    ("time >= make_timestamp(2024, 1, 5, 0, 0, 0)", (FROM_5,)),
    ("time >= TIMESTAMP '2024-01-04' + INTERVAL 1 DAY", (FROM_5,)),
    ("time >= DATE '2024-01-04' + 1", (FROM_5,)),
    ("time >= strptime('05/01/2024', '%d/%m/%Y')", (FROM_5,)),
    ("time >= date_trunc('month', DATE '2024-01-20') + INTERVAL 4 DAY", (FROM_5,)),
    ("time::DATE = '2024-01-05'", (f'"time" >= {DAY_5 - 1000}', f'"time" <= {DAY_6 - 1}')),
    ("time::DATE < DATE '2024-01-05'", (BEFORE_5,)),
    ("symbol = $one", (A,)),
    ("symbol IN $many", (AB,)),
    ("symbol = ANY($many)", (AB,)),
    ("time >= $text", (FROM_5,)),
    ("time >= $instant", (f'"time" >= {DAY_5 + 1}',)),
    ("($none IS NULL OR symbol = $none) AND ($one IS NULL OR symbol = $one)", (A,)),
    ("symbol = 'A' AND true AND NOT false", (A,)),
    # what proves nothing
    ("symbol <> 'A'", ()),
    ("NOT symbol = 'A'", ()),
    ("symbol NOT IN ('A')", ()),
    ("symbol = 'A' OR size > 1", ()),
    ("symbol = 'A' OR $none IS NULL", ()),
    ("symbol > 'A'", ()),
    ("lower(symbol) = 'a'", ()),
    ("symbol = upper('a')", ()),
    ("symbol = 'A' COLLATE nocase", ()),
    ("symbol COLLATE nocase = 'a'", ()),
    ("symbol IN ('A', upper('b'))", ()),
    ("symbol IN (SELECT 'A')", ()),
    ("coalesce(symbol = 'A', true)", ()),
    ("CASE WHEN symbol = 'A' THEN true ELSE size > 1 END", ()),
    ("(symbol = 'A') IS NOT TRUE", ()),
    ("time + INTERVAL 1 DAY > '2024-01-05'", ()),
    ("time::DATE <> '2024-01-05'", ()),
    ("time > now()::TIMESTAMP - INTERVAL 100 YEAR", ()),
    ("epoch_ns(time) > 5", ()),
    ("contains('AB', symbol)", ()),
    ("list_contains([symbol], 'A')", ()),
    ("list_filter([1], lambda symbol: symbol = 1)[1] = 1", ()),
]
PARAMETERS = {
    "one": "A",
    "many": ["A", "B"],
    "none": None,
    "text": "2024-01-05",
    "instant": np.datetime64("2024-01-05T00:00:00.000000001"),
}


@pytest.mark.parametrize(("condition", "pushed"), CONDITIONS)
def test_a_condition_is_pushed_as(desk: Any, condition: str, pushed: tuple[str, ...]) -> None:
    used = {name: value for name, value in PARAMETERS.items() if f"${name}" in condition}
    text = f"SELECT * FROM {TRADES} AS t WHERE {condition}"
    assert desk.listed(text, used)[TRADES] == pushed
    assert sorted(map(repr, desk.rows(text, used))) == sorted(map(repr, desk.rows(text, used, prune=False)))


@pytest.mark.parametrize(
    "condition",
    [
        "false",
        "NULL",
        "symbol = NULL",
        "time > NULL",
        "symbol = 'A' AND symbol = 'B'",
        "$none",
        "symbol IN $none",
    ],
)
def test_a_condition_that_is_never_true_lists_no_file(desk: Any, condition: str) -> None:
    used = {"none": None} if "$none" in condition else None
    assert desk.plan(f"FROM {TRADES} WHERE {condition}", used)[TRADES].files_listed == 0
    assert desk.rows(f"SELECT count(*) FROM {TRADES} WHERE {condition}", used) == [(0,)]


def test_only_the_files_that_can_matter_are_listed(desk: Any) -> None:
    plan = desk.plan(f"FROM {TRADES} WHERE symbol = 'A' AND time >= '2024-01-05' AND time < '2024-01-06'")[
        TRADES
    ]
    frame, state = desk.frames[TRADES], desk.states[TRADES]
    assert plan.files == len(state.files)
    assert plan.files_listed == 1
    day = frame.filter((frame["symbol"] == "A") & (frame["time"].dt.date().cast(str) == "2024-01-05"))
    assert (plan.rows, plan.version, plan.bytes > 0) == (len(day), 1, True)


KINDS = [
    (BARS, "day >= '2024-01-05'", "\"day\" >= (DATE '1970-01-01' + 19727)"),
    (BARS, "day < '2024-01-05'", "\"day\" <= (DATE '1970-01-01' + 19726)"),
    (BARS, "day < TIMESTAMP '2024-01-05 12:00'", "\"day\" <= (DATE '1970-01-01' + 19727)"),
    (BARS, "day >= TIMESTAMP '2024-01-05 12:00'", "\"day\" >= (DATE '1970-01-01' + 19727)"),
    (SCORES, "moment >= '2024-01-05'", '"moment" >= make_timestamptz(1704412800000000)'),
    (SCORES, "moment < '2024-01-05'", '"moment" <= make_timestamptz(1704412799999999)'),
    (SCORES, "name = 'A'", "\"name\" IN ('A')"),
]


@pytest.mark.parametrize(("product", "condition", "pushed"), KINDS)
def test_dates_and_microseconds_are_pushed_as_they_are_stored(
    desk: Any, product: str, condition: str, pushed: str
) -> None:
    assert desk.listed(f"FROM {product} WHERE {condition}")[product] == (pushed,)


REACHING = [
    f"SELECT * FROM (FROM {TRADES}) WHERE symbol = 'A'",
    f"SELECT * FROM (SELECT symbol AS s FROM {TRADES}) AS q WHERE q.s = 'A'",
    f"SELECT * FROM (FROM {TRADES}) AS q(s, t) WHERE s = 'A'",
    f"WITH x AS (FROM {TRADES}) FROM x WHERE symbol = 'A'",
    f"WITH x(s) AS (FROM {TRADES}), y AS (SELECT * EXCLUDE (price) FROM x) FROM y AS z WHERE z.s = 'A'",
    f"SELECT * FROM (SELECT DISTINCT symbol FROM {TRADES}) WHERE symbol = 'A'",
    f"SELECT * FROM (SELECT symbol, sum(size) FROM {TRADES} GROUP BY symbol) WHERE symbol = 'A'",
    f"SELECT * FROM (SELECT sum(size), symbol FROM {TRADES} GROUP BY 2) WHERE symbol = 'A'",
    f"SELECT * FROM (SELECT symbol AS s, sum(size) FROM {TRADES} GROUP BY s) WHERE s = 'A'",
    f"SELECT * FROM (SELECT symbol, sum(size) FROM {TRADES} GROUP BY ALL) WHERE symbol = 'A'",
    f"SELECT * FROM (SELECT symbol, lag(price) OVER (PARTITION BY symbol) FROM {TRADES}) WHERE symbol = 'A'",
    f"SELECT * FROM (FROM {TRADES} ORDER BY price) WHERE symbol = 'A'",
    f"SELECT * FROM (SELECT symbol FROM {TRADES} UNION ALL SELECT symbol FROM {TRADES}) WHERE symbol = 'A'",
    f"SELECT symbol FROM {TRADES} WHERE symbol = 'A' LIMIT 3",
    f"SELECT symbol, row_number() OVER (ORDER BY time) FROM {TRADES} WHERE symbol = 'A'",
    f"SELECT (SELECT max(price) FROM {TRADES} WHERE symbol = 'A')",
    f"SELECT 1 WHERE EXISTS (SELECT 1 FROM {TRADES} WHERE symbol = 'A')",
    f"SELECT * FROM range(3) AS r(i), LATERAL (SELECT * FROM {TRADES} AS t WHERE t.symbol = 'A')",
    f"PIVOT (SELECT symbol, price FROM {TRADES} WHERE symbol = 'A') ON symbol IN ('A') USING max(price)",
    f"SELECT * FROM (VALUES ('A')) AS v(s) JOIN {TRADES} AS t ON t.symbol = v.s AND t.symbol = 'A'",
]


@pytest.mark.parametrize("text", REACHING)
def test_a_condition_reaches_through(desk: Any, text: str) -> None:
    assert desk.listed(text)[TRADES] == (A,)
    assert len(desk.rows(text)) == len(desk.rows(text, prune=False))


STOPPING = [
    f"SELECT * FROM (FROM {TRADES} LIMIT 5) WHERE symbol = 'A'",
    f"SELECT * FROM (FROM {TRADES} LIMIT 10%) WHERE symbol = 'A'",
    f"SELECT * FROM (FROM {TRADES} OFFSET 5) WHERE symbol = 'A'",
    f"SELECT * FROM (SELECT DISTINCT ON (time) * FROM {TRADES}) WHERE symbol = 'A'",
    f"SELECT * FROM (FROM {TRADES} USING SAMPLE 5 ROWS) WHERE symbol = 'A'",
    f"SELECT * FROM {TRADES} TABLESAMPLE RESERVOIR(5) WHERE symbol = 'A'",
    f"SELECT * FROM {TRADES} WHERE symbol = 'A' USING SAMPLE 5 ROWS",
    f"SELECT * FROM (SELECT symbol, row_number() OVER (ORDER BY time) FROM {TRADES}) WHERE symbol = 'A'",
    f"SELECT * FROM (SELECT symbol, count(*) OVER (PARTITION BY time) FROM {TRADES}) WHERE symbol = 'A'",
    f"SELECT * FROM (SELECT symbol FROM {TRADES} QUALIFY rank() OVER (ORDER BY time) < 5) WHERE symbol = 'A'",
    f"SELECT * FROM (SELECT max(symbol) AS symbol FROM {TRADES} GROUP BY time) WHERE symbol = 'A'",
    f"SELECT * FROM (SELECT symbol, count(*) FROM {TRADES} GROUP BY ROLLUP (symbol)) WHERE symbol = 'A'",
    f"SELECT * FROM (SELECT upper(symbol) AS symbol FROM {TRADES}) WHERE symbol = 'A'",
    f"SELECT * FROM (SELECT * REPLACE (upper(symbol) AS symbol) FROM {TRADES}) WHERE symbol = 'A'",
    f"SELECT * FROM (SELECT COLUMNS(*) FROM {TRADES}) WHERE symbol = 'A'",
    f"SELECT lower(symbol) AS s FROM {TRADES} WHERE s = 'a'",
    f"FROM (SELECT 1 AS symbol, 2 AS symbol, symbol AS symbol_1 FROM {TRADES}) WHERE symbol_1 = '2'",
    f"SELECT symbol FROM {TRADES} GROUP BY symbol HAVING symbol = 'A'",
    f"SELECT symbol, count(*) FILTER (symbol = 'A') FROM {TRADES} GROUP BY ALL",
    f"SELECT symbol = 'A' FROM {TRADES}",
    f"WITH RECURSIVE r AS (SELECT symbol FROM {TRADES} UNION SELECT symbol FROM r) FROM r WHERE symbol = 'A'",
    f"SELECT * FROM (PIVOT {TRADES} ON size IN (1) USING max(price) GROUP BY symbol) WHERE symbol = 'A'",
    f"SELECT * FROM (SUMMARIZE {TRADES}) WHERE column_name = 'A'",
    f"SELECT * FROM {TRADES} AS a POSITIONAL JOIN {TRADES} AS b WHERE a.symbol = 'A'",
    f"SELECT (SELECT max(b.price) FROM {TRADES} AS b WHERE a.i > 1 OR b.symbol = 'A') FROM range(3) AS a(i)",
]


@pytest.mark.parametrize("text", STOPPING)
def test_a_condition_is_stopped_by(desk: Any, text: str) -> None:
    plan = desk.plan(text)[TRADES]
    assert (plan.predicates, plan.files_listed) == ((), plan.files)
    desk.table(text)


def test_two_references_need_what_either_needs(desk: Any) -> None:
    text = (
        f"FROM {TRADES} WHERE symbol = 'A' UNION ALL FROM {TRADES} WHERE symbol = 'B' AND time > '2024-01-05'"
    )
    assert desk.listed(text)[TRADES] == (AB,)
    text = f"SELECT * FROM {TRADES} AS a, {TRADES} AS b WHERE a.symbol = 'A'"
    assert desk.listed(text)[TRADES] == ()


def test_a_name_of_with_that_is_used_twice_needs_both(desk: Any) -> None:
    text = f"WITH x AS (FROM {TRADES}) FROM x WHERE symbol = 'A' UNION ALL FROM x WHERE symbol = 'B'"
    assert desk.listed(text)[TRADES] == (AB,)


def test_names_of_with_that_multiply_without_end_list_all_files(desk: Any) -> None:
    names = ["x0 AS (FROM market_data.trades WHERE symbol = 'A')"]
    names += [f"x{n} AS (FROM x{n - 1} UNION FROM x{n - 1})" for n in range(1, 20)]
    plan = desk.plan(f"WITH {', '.join(names)} FROM x19")[TRADES]
    assert plan.files_listed == plan.files


def test_an_unused_name_of_with_lists_its_product_all_the_same(desk: Any) -> None:
    assert desk.plan(f"WITH x AS (FROM {TRADES}) SELECT 1")[TRADES].files_listed == len(
        desk.states[TRADES].files
    )


def test_a_long_list_of_symbols_is_pushed_as_a_range(desk: Any) -> None:
    members = ", ".join(f"'S{n:05}'" for n in range(5000))
    assert desk.listed(f"FROM {TRADES} WHERE symbol IN ({members})")[TRADES] == (
        "\"symbol\" BETWEEN 'S00000' AND 'S04999'",
    )


def test_symbols_with_quotes_are_quoted(desk: Any) -> None:
    assert desk.listed(f"FROM {TRADES} WHERE symbol = 'O''NEIL'")[TRADES] == ("\"symbol\" IN ('O''NEIL')",)
    assert desk.rows(f"SELECT count(*) FROM {TRADES} WHERE symbol = $s", {"s": "'; DROP --"}) == [(0,)]
