"""Whatever the lists do not name is refused, wherever it stands in the tree."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from lakehouse.errors import QueryError
from lakehouse.queries.sql.engine import Engine
from lakehouse.queries.sql.functions import FUNCTIONS, TABLE_FUNCTIONS
from lakehouse.queries.sql.sandbox import check
from lakehouse.queries.sql.tree import Statement, parse

TEXT = """
WITH x AS (SELECT symbol, max(price) OVER (PARTITION BY symbol ORDER BY time) AS top FROM market_data.trades)
SELECT upper(symbol), [1, 2][1], CASE WHEN top > 1 THEN 'a' ELSE top::VARCHAR END
FROM x JOIN range(3) AS r(i) ON x.top = i
WHERE symbol IN ('A', 'B') AND EXISTS (SELECT 1 FROM market_data.quotes)
GROUP BY ALL HAVING count(*) > 1 ORDER BY 1 LIMIT 5
"""


@pytest.fixture(scope="module")
def statement() -> Statement:
    engine = Engine()
    parsed = parse(engine.connection, TEXT)
    engine.close()
    return parsed


def dictionaries(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from dictionaries(child)


def refused(statement: Statement) -> bool:
    try:
        check(statement, list)
    except QueryError:
        return True
    return False


def altered(statement: Statement, rank: int, **values: Any) -> Statement:
    node = copy.deepcopy(statement.node)
    list(dictionaries(node))[rank].update(values)
    return Statement(statement.text, node, statement.parameters)


def test_the_statement_itself_passes(statement: Statement) -> None:
    assert {str(name) for name in check(statement, list)} == {"market_data.trades", "market_data.quotes"}


def test_an_unknown_key_is_refused_at_every_place(statement: Statement) -> None:
    count = len(list(dictionaries(statement.node)))
    assert count > 60
    assert all(refused(altered(statement, rank, side_effect={})) for rank in range(count))


def test_an_unknown_type_is_refused_at_every_place(statement: Statement) -> None:
    for rank, node in enumerate(dictionaries(statement.node)):
        if isinstance(node.get("type"), str):
            assert refused(altered(statement, rank, type="TELEPORT_NODE")), node


def test_an_unknown_class_is_refused_at_every_place(statement: Statement) -> None:
    for rank, node in enumerate(dictionaries(statement.node)):
        if "class" in node:
            assert refused(altered(statement, rank, **{"class": "TELEPORT"})), node


def test_an_unknown_function_is_refused_at_every_place(statement: Statement) -> None:
    for rank, node in enumerate(dictionaries(statement.node)):
        if "function_name" in node:
            assert refused(altered(statement, rank, function_name="teleport")), node
            assert refused(altered(statement, rank, qualified_name={"path": ["teleport"]})), node


def test_every_function_of_this_duckdb_is_allowed_or_refused_on_purpose() -> None:
    """The names left out are those of groups that were looked at, so that a new function shows here."""
    engine = Engine()
    sql = "SELECT DISTINCT function_name, function_type FROM duckdb_functions()"
    found = [(name, kind) for name, kind in engine.connection.sql(sql).fetchall() if "pragma" not in kind]
    engine.close()
    assert {name.lower() for name, _ in found} >= FUNCTIONS
    assert {name for name, kind in found if kind in ("table", "macro", "table_macro")} >= TABLE_FUNCTIONS - {
        "unnest"
    }


def test_no_function_that_reads_or_writes_anything_is_on_the_lists() -> None:
    dangerous = (
        "read_",
        "scan",
        "glob",
        "query",
        "parquet",
        "duckdb",
        "pragma",
        "setting",
        "env",
        "secret",
        "log_",
        "sleep",
    )
    assert not [name for name in FUNCTIONS | TABLE_FUNCTIONS if any(part in name for part in dangerous)]
