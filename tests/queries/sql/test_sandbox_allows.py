"""What a quant writes passes the sandbox and answers right."""

from __future__ import annotations

from typing import Any

import pytest

ANSWERS: list[tuple[str, list[tuple[Any, ...]]]] = [
    ("SELECT 1 + 1", [(2,)]),
    ("VALUES (1, 'a'), (2, 'b')", [(1, "a"), (2, "b")]),
    ("FROM range(3)", [(0,), (1,), (2,)]),
    ("FROM generate_series(1, 5, 2) AS g(i) SELECT i * 10", [(10,), (30,), (50,)]),
    ("SELECT unnest([3, 4]) AS x", [(3,), (4,)]),
    ("FROM unnest(['a', 'b']) AS u(x)", [("a",), ("b",)]),
    ("WITH a AS (SELECT 1 AS x), b AS MATERIALIZED (SELECT x + 1 AS x FROM a) FROM b", [(2,)]),
    (
        "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r WHERE x < 4) SELECT count(*) FROM r",
        [(4,)],
    ),
    ("SELECT 1 AS x UNION ALL SELECT 2 EXCEPT SELECT 3 ORDER BY x", [(1,), (2,)]),
    ("SELECT list_transform([1, 2], lambda x: x + 1)", [([2, 3],)]),
    ("SELECT [x * 2 FOR x IN [1, 2, 3] IF x > 1]", [([4, 6],)]),
    ("SELECT list_reduce([1, 2, 3], lambda a, b: a + b)", [(6,)]),
    ("SELECT {'a': 1, 'b': {'c': 2}}.b.c", [(2,)]),
    ("SELECT map {'a': 1}['a']", [(1,)]),
    (
        "SELECT CASE 2 WHEN 1 THEN 'x' WHEN 2 THEN 'y' END, if(true, 1, 2), coalesce(NULL, 3), nullif(1, 1)",
        [("y", 1, 3, None)],
    ),
    (
        "SELECT 'abc' LIKE 'a%', 'abc' ILIKE 'A_C', 'a%' LIKE 'a!%' ESCAPE '!', 'abc' ~ '[a-c]+'",
        [(True, True, True, True)],
    ),
    ("SELECT 7 // 2, 7 % 2, 2 ** 3, 1 / 4, 5 & 3, xor(1, 3)", [(3, 1, 8.0, 0.25, 1, 2)]),
    ("SELECT TRY(1 // 0), TRY_CAST('x' AS INT), round(2.555, 2)::DOUBLE", [(None, None, 2.56)]),
    ("SELECT extract(year FROM DATE '2024-05-06'), date_part('dow', DATE '2024-05-06')", [(2024, 1)]),
    ("SELECT DATE '2024-01-31' + INTERVAL 1 MONTH = TIMESTAMP '2024-02-29'", [(True,)]),
    ("SELECT '2024-01-02'::DATE - DATE '2024-01-01'", [(1,)]),
    ("SELECT epoch_ns(make_timestamp_ns(90_000_000_001)) // 60_000_000_000", [(1,)]),
    (
        "SELECT count(*) FILTER (x > 1), string_agg(x::VARCHAR, '-' ORDER BY x DESC) FROM range(4) AS r(x)",
        [(2, "3-2-1-0")],
    ),
    ("SELECT quantile_cont(x, 0.5), mode() WITHIN GROUP (ORDER BY x % 2) FROM range(5) AS r(x)", [(2.0, 0)]),
    ("SELECT arg_max(x, -x), any_value(x ORDER BY x), last(x ORDER BY x) FROM range(5) AS r(x)", [(0, 0, 4)]),
    (
        "SELECT x, sum(x) OVER w::INT FROM range(3) AS r(x) WINDOW w AS (ORDER BY x) ORDER BY x",
        [(0, 0), (1, 1), (2, 3)],
    ),
    ("SELECT lag(x, 1, -1) OVER (ORDER BY x) FROM range(2) AS r(x) ORDER BY x", [(-1,), (0,)]),
    (
        "SELECT x FROM range(9) AS r(x) QUALIFY row_number() OVER (ORDER BY x DESC) <= 2 ORDER BY x",
        [(7,), (8,)],
    ),
    ("SELECT x % 2 AS k, count(*) FROM range(5) AS r(x) GROUP BY ALL HAVING count(*) > 2", [(0, 3)]),
    (
        "SELECT grouping(x), count(*) FROM range(2) AS r(x) GROUP BY ROLLUP (x) ORDER BY ALL",
        [(0, 1), (0, 1), (1, 2)],
    ),
    ("SELECT DISTINCT ON (x % 2) x FROM range(5) AS r(x) ORDER BY x", [(0,), (1,)]),
    (
        "SELECT * EXCLUDE (b) REPLACE (a + 1 AS a) RENAME (c AS d) FROM (SELECT 1 AS a, 2 AS b, 3 AS c)",
        [(2, 3)],
    ),
    ("SELECT min(COLUMNS('[ab]')) FROM (SELECT 1 AS a, 2 AS b, 3 AS c)", [(1, 2)]),
    ("PIVOT (VALUES ('a', 1), ('b', 2)) AS v(k, x) ON k IN ('a', 'b') USING sum(x)::INT", [(1, 2)]),
    ("FROM (VALUES ('a', 1), ('a', 2)) AS v(k, x) PIVOT (max(x) FOR k IN ('a'))", [(2,)]),
    ("UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b INTO NAME n VALUE v", [("a", 1), ("b", 2)]),
    ("SELECT x FROM range(3) AS a(x) ANTI JOIN range(2) AS b(x) USING (x)", [(2,)]),
    ("SELECT a.x, b.x FROM range(2) AS a(x) POSITIONAL JOIN range(2) AS b(x) ORDER BY ALL", [(0, 0), (1, 1)]),
    (
        "SELECT a.x, t.y FROM range(2) AS a(x), LATERAL (SELECT a.x * 10 AS y) AS t ORDER BY ALL",
        [(0, 0), (1, 10)],
    ),
    (
        "SELECT 2 = ANY([1, 2]), 3 IN (SELECT 3), EXISTS (SELECT 1), NOT 1 > ALL (SELECT 2)",
        [(True, True, True, True)],
    ),
    ("SELECT json_extract_string('{\"a\": \"b\"}', '$.a'), to_json([1])::VARCHAR", [("b", "[1]")]),
    (
        "SELECT 'x' || 'y', concat('a', NULL, 'b'), upper('a'), 'abc'[2:], md5('')[:4], printf('%03d', 7)",
        [("xy", "ab", "A", "bc", "d41d", "007")],
    ),
    (
        "SELECT E'a\\nb' = chr(97) || chr(10) || chr(98), $$quoted$$, 1e3, 1_000",
        [(True, "quoted", 1000.0, 1000)],
    ),
    (
        "SELECT TIMESTAMP '2024-01-01 12:00' AT TIME ZONE 'UTC' AT TIME ZONE 'Japan' = '2024-01-01 21:00'",
        [(True,)],
    ),
]


@pytest.mark.parametrize(("text", "rows"), ANSWERS)
def test_it_answers(desk: Any, text: str, rows: list[tuple[Any, ...]]) -> None:
    assert desk.rows(text) == rows


@pytest.mark.parametrize(
    "name",
    [
        "market_data.trades",
        '"market_data"."trades"',
        "Market_Data.TRADES",
        '"Market_Data"."Trades"',
        "market_data . trades",
        "market_data.trades AS t",
        "market_data.trades -- a comment\n",
        "(FROM market_data.trades)",
        "(TABLE market_data.trades)",
    ],
)
def test_a_product_is_named_in_any_case_and_quoting(desk: Any, name: str) -> None:
    assert desk.rows(f"SELECT count(*) FROM {name}") == [(len(desk.frames["market_data.trades"]),)]


def test_a_name_of_with_hides_nothing_and_may_bear_any_name(desk: Any) -> None:
    text = "WITH trades AS (SELECT 1 AS x), \"file.csv\" AS (FROM trades) SELECT x FROM 'file.csv'"
    assert desk.rows(text) == [(1,)]
    assert desk.rows("WITH trades AS (SELECT 1 AS x) SELECT count(*) > 1 FROM market_data.trades") == [
        (True,)
    ]


def test_a_name_of_with_ends_with_its_query(desk: Any) -> None:
    with pytest.raises(Exception, match="Unknown table 'inner_name'"):
        desk.table("SELECT * FROM (WITH inner_name AS (SELECT 1) FROM inner_name) JOIN inner_name ON true")


def test_describe_shows_the_columns_and_reads_no_file(desk: Any) -> None:
    rows = desk.rows("DESCRIBE market_data.trades")
    assert [row[:2] for row in rows] == [
        ("symbol", "VARCHAR"),
        ("time", "TIMESTAMP_NS"),
        ("price", "DOUBLE"),
        ("size", "BIGINT"),
    ]
    assert desk.plan("DESCRIBE market_data.trades")["market_data.trades"].files_listed == 0


def test_summarize_counts_every_row(desk: Any) -> None:
    rows = desk.rows("SELECT column_name, count FROM (SUMMARIZE market_data.bars)")
    assert rows == [(name, len(desk.frames["market_data.bars"])) for name in ("symbol", "day", "close")]


def test_the_rank_of_equal_rows_is_shown_only_to_those_who_name_it(desk: Any) -> None:
    names = ["symbol", "time", "price", "size"]
    assert desk.run("FROM market_data.trades").schema.names == names
    assert desk.run("FROM market_data.trades ORDER BY symbol, time, _sequence").schema.names == [
        *names,
        "_sequence",
    ]
    text = "SELECT count(*) FROM market_data.trades WHERE _sequence > 0 AND symbol = 'A'"
    assert desk.rows(text) == desk.rows(text, prune=False) != [(0,)]
    assert desk.rows("SELECT DISTINCT _sequence FROM market_data.bars") == [(0,)]
    assert desk.rows("SELECT _sequence FROM market_data.trades WHERE false") == []
