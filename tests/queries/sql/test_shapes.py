"""The columns that a query is thought to give out are those that DuckDB gives out."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse.queries.sql.engine import Engine
from lakehouse.queries.sql.shapes import Shapes
from lakehouse.queries.sql.tree import fold, parse

T, Q = "market_data.trades", "market_data.quotes"

QUERIES = [
    f"FROM {T}",
    f"SELECT * FROM {T} AS t",
    f"SELECT * FROM {T} ORDER BY _sequence",
    f"SELECT t.*, time AS when_, price + 1, count(*) OVER () FROM {T} AS t",
    f"SELECT * EXCLUDE (price) REPLACE (upper(symbol) AS symbol) FROM {T}",
    f"SELECT t.* EXCLUDE (size) FROM {T} AS t, {Q} AS q",
    f"FROM {T}, {Q}",
    f"FROM {T} JOIN {Q} USING (symbol)",
    f"FROM {T} ASOF JOIN {Q} USING (symbol, time)",
    f"FROM {T} LEFT JOIN {Q} USING (symbol) JOIN {T} AS again USING (symbol)",
    f"FROM {T} RIGHT JOIN {Q} USING (symbol, time)",
    f"FROM {T} FULL JOIN {Q} USING (time)",
    f"FROM {T} NATURAL JOIN {Q}",
    f"FROM {T} SEMI JOIN {Q} USING (symbol)",
    f"SELECT q.*, t.* FROM {T} AS t JOIN {Q} AS q USING (symbol)",
    f"FROM {T} AS x(a, b)",
    f"FROM (FROM {T}) AS x(a, b)",
    f"WITH x(a) AS (FROM {T}) SELECT *, b AS c FROM x, (SELECT 1 AS b)",
    f"WITH x AS (FROM {T}), y AS (FROM x) SELECT y.* FROM y",
    f"SELECT symbol, max(price) FROM {T} GROUP BY symbol",
    f"SELECT DISTINCT ON (symbol) symbol, time FROM {T} ORDER BY ALL LIMIT 1",
    f"SELECT symbol, time FROM {T} UNION SELECT time::VARCHAR, time FROM {Q}",
    f'SELECT \'a\' AS "Quoted Name", symbol AS "SYMBOL" FROM {T}',
    "VALUES (1, 2, 3)",
    "FROM (VALUES (1, 2)) AS v(x)",
    f"SELECT (SELECT max(price) FROM {T}), CASE WHEN true THEN 1 END, -1, 'text', NULL",
    f"FROM {T} SELECT symbol, LIST(price ORDER BY time) AS prices GROUP BY ALL",
]

UNKNOWN = [
    f"SELECT COLUMNS(*) FROM {T}",
    f"SELECT min(COLUMNS(*)) FROM {T}",
    f"SELECT * RENAME (symbol AS s) FROM {T}",
    "SELECT unnest({'symbol': 1})",
    f"SELECT #1 FROM {T}",
    f"SELECT * FROM {T}, range(3)",
    f"PIVOT {T} ON size IN (1) USING max(price)",
    f"SELECT symbol FROM {T} UNION ALL BY NAME SELECT symbol FROM {Q}",
    "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r WHERE x < 3) FROM r",
]


def shape(desk: Any, text: str) -> Any:
    engine = Engine()
    node = parse(engine.connection, text).node
    engine.close()
    schemas = {state.name: state.schema for state in desk.states.values()}
    return Shapes(schemas, ranked="_sequence" in text).of_query(node, {})


@pytest.mark.parametrize("text", QUERIES)
def test_the_names_are_those_of_duckdb(desk: Any, text: str) -> None:
    outputs = shape(desk, text)
    names = desk.run(f"DESCRIBE {text}").read_all().column("column_name").to_pylist()
    plain = [fold(name) if fold(name).replace("_", "").replace(" ", "").isalnum() else None for name in names]
    assert [output.name for output in outputs] == [None if name == "null" else name for name in plain]


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_is_not_certain_is_unknown(desk: Any, text: str) -> None:
    assert shape(desk, text) is None


def test_the_columns_that_prune_are_told_by_their_roles(desk: Any) -> None:
    kinds = [
        output.kind for output in shape(desk, "SELECT name, moment, score, upper(name) FROM signals.scores")
    ]
    assert kinds == ["symbol", "timestamp[us]", None, None]
    assert [output.kind for output in shape(desk, "FROM market_data.bars")] == ["symbol", "date", None]
