"""Which columns a query can use: never fewer than DuckDB reads, and few enough to be worth it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, note, reject
from hypothesis import strategies as st

from lakehouse.errors import QueryError
from lakehouse.queries.sql.columns import named_columns
from lakehouse.queries.sql.engine import Engine
from lakehouse.queries.sql.tree import parse

T, Q = "market_data.trades", "market_data.quotes"
CASES = [
    (f"SELECT price FROM {T}", {"price"}),
    (f"SELECT Price FROM {T} WHERE SYMBOL = 'A'", {"price", "symbol"}),
    (f"SELECT count(*) FROM {T}", set()),
    (f"SELECT count(*) FROM {T} WHERE size > 3", {"size"}),
    (f"WITH t AS (FROM {T}) SELECT avg(price) FROM t WHERE symbol = 'A'", {"price", "symbol"}),
    (f"SELECT avg(p) FROM (SELECT *, price AS p FROM {T})", {"price", "p"}),
    (f"SELECT t.price, q.bid FROM {T} t JOIN {Q} q USING (symbol)", {"price", "bid", "symbol"}),
    (
        f"SELECT time_1 FROM (SELECT * FROM {T} t JOIN {Q} q ON t.symbol = q.symbol)",
        {"time", "time_1", "symbol"},
    ),
    (f"SELECT max(price) OVER (PARTITION BY symbol ORDER BY time) FROM {T}", {"price", "symbol", "time"}),
    (f"SELECT price FROM {T} ORDER BY ALL", {"price"}),
    # what is not certain keeps all
    (f"FROM {T} ORDER BY ALL", None),
    (f"SELECT max(price) FROM (FROM {T} ORDER BY ALL LIMIT 5)", None),
    (f"FROM {T}", None),
    (f"SELECT t FROM {T} AS t", None),
    (f"SELECT trades FROM {T}", None),
    (f"SELECT #1 FROM {T}", None),
    (f"SELECT COLUMNS('p.*') FROM {T}", None),
    (f"SELECT a FROM {T} AS t(a)", None),
    (f"SELECT a FROM (FROM {T}) AS t(a)", None),
    (f"WITH t(a) AS (FROM {T}) SELECT a FROM t", None),
    (f"SELECT price FROM (SELECT DISTINCT * FROM {T})", None),
    (f"SELECT price FROM (FROM {T} ORDER BY 1 LIMIT 3)", None),
    (f"SELECT price FROM (FROM {T} UNION FROM {T})", None),
    (f"SELECT price FROM {T} NATURAL JOIN {Q}", None),
    (f"SELECT 1 WHERE 'A' IN (FROM {T})", None),
    (f"SUMMARIZE {T}", None),
    (f"PIVOT {T} ON size IN (1) USING max(price)", None),
    (f"UNPIVOT {T} ON price, size", None),
    (f"SELECT count(DISTINCT t) FROM (FROM {T}) AS t", None),
]


def named(text: str) -> frozenset[str] | None:
    engine = Engine()
    found = named_columns(parse(engine.connection, text).node)
    engine.close()
    return found


@pytest.mark.parametrize(("text", "names"), CASES)
def test_the_columns_of(text: str, names: set[str] | None) -> None:
    found = named(text)
    assert (found if found is None else found - {"t", "q"}) == names  # a qualifier may be a column too


def scanned(desk: Any, text: str) -> set[str]:
    """Return the stored columns that DuckDB's own optimizer would read."""
    result = desk.run(text, engine="parquet")
    rows = result.engine.connection.cursor().execute(f"EXPLAIN (FORMAT JSON) {text}").fetchall()
    stack, found = list(json.loads(rows[0][1])), set()
    while stack:
        node = stack.pop()
        stack.extend(node["children"])
        projections = node["extra_info"].get("Projections", [])
        if "PARQUET" in node["name"].upper():
            found |= ({projections} if isinstance(projections, str) else set(projections)) - {""}
    return found


@pytest.mark.parametrize("text", [text for text, names in CASES if names is not None])
def test_duckdb_reads_no_other_column(desk: Any, text: str) -> None:
    assert scanned(desk, text) <= (named(text) or set())


PARTS = [
    "FROM {table}",
    "SELECT *, {column} AS extra FROM {table}",
    "SELECT * EXCLUDE ({column}) FROM {table}",
    "SELECT symbol, time, {column} FROM {table} WHERE {other} IS NOT NULL",
    "SELECT DISTINCT * FROM {table}",
    "FROM {table} UNION ALL FROM {table}",
    "FROM {table} ORDER BY 3, 1, 2, 4 LIMIT 7",
    "SELECT t.* FROM {table} AS t SEMI JOIN market_data.quotes AS q USING (symbol)",
    "FROM {table} ORDER BY ALL LIMIT 9",
    "SELECT symbol, time, {column}, {other} FROM {table} ORDER BY ALL LIMIT 9",
    "SELECT * REPLACE ({other} + 1 AS {column}) FROM {table}",
    "SELECT symbol, max({column}) AS {column}, min({other}) AS {other} FROM {table} GROUP BY ALL",
    "SELECT * FROM {table} QUALIFY rank() OVER (PARTITION BY symbol ORDER BY {other}) = 1",
]
USES = [
    "SELECT count(*) FROM ({part})",
    "SELECT max({column}) FROM ({part})",
    "WITH x AS ({part}), y AS (FROM x) SELECT {column} FROM y ORDER BY ALL",
    "SELECT max(x.{column}) FROM ({part}) AS x JOIN market_data.quotes AS q ON x.symbol = q.symbol",
    "SELECT DISTINCT symbol FROM ({part}) WHERE EXISTS (SELECT 1 FROM signals.scores WHERE score < {column})",
    "SELECT sum(hash(x)) % 1000 FROM ({part}) AS x",
]


@given(st.sampled_from(USES), st.sampled_from(PARTS), st.permutations(["price", "size"]))
def test_answers_are_the_same_without_the_other_columns(
    desk: Any, use: str, part: str, order: list[str]
) -> None:
    column, other = order
    inner = part.format(table=T, column=column, other=other)
    text = use.format(part=inner, column=column)
    note(text)
    try:
        expected = sorted(map(repr, desk.rows(text, engine="parquet")))
    except QueryError:
        reject()  # DuckDB does not accept this one
    assert sorted(map(repr, desk.rows(text, engine="decoded"))) == expected
    names = named(text)
    assert names is None or scanned(desk, text) <= names
