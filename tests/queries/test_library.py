"""Named queries: their files, their headers, their arguments."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lakehouse.errors import ArgumentError, NotFoundError, QueryError
from lakehouse.queries.library import (
    NamedQuery,
    bind_query,
    describe_queries,
    list_queries,
    load_query,
    parse_query,
    query_names,
)
from lakehouse.store.local import LocalStore

ROOT = Path(__file__).parents[2]
TEXT = """\
-- title Ticks of a span
-- description First line,
--   and the second.
-- table t = market_data.trades
-- parameter symbol: strings = null   one or several
-- parameter start: timestamp
-- parameter width: duration = 5min   length
--   of a span
-- parameter zone: string = 'UTC'
-- returns symbol, time

-- a comment
select symbol, time from t
where ($symbol is null or symbol in $symbol) and time >= $start -- a comment
order by all;
"""


@pytest.fixture
def query() -> NamedQuery:
    return parse_query("ticks", TEXT.replace("-- a comment\nselect", "select"))


def test_a_header_is_read(query: NamedQuery) -> None:
    assert (query.title, query.description) == ("Ticks of a span", "First line, and the second.")
    assert {name: str(product) for name, product in query.tables.items()} == {"t": "market_data.trades"}
    assert [str(each) for each in query.parameters.values()] == [
        "symbol: strings = null",
        "start: timestamp",
        "width: duration = 5min",
        "zone: string = UTC",
    ]
    assert query.parameters["width"].description == "length of a span"
    assert query.returns == "symbol, time"
    assert query.sql.startswith("select symbol, time from t\nwhere")
    assert query.sql.endswith("order by all")


def test_arguments_become_sql_and_parameters(query: NamedQuery) -> None:
    sql, parameters = bind_query(query, {"symbol": "IBM", "start": "2024-01-02"})
    assert sql.startswith('WITH "t" AS NOT MATERIALIZED (FROM "market_data"."trades") select')
    start = np.datetime64("2024-01-02", "ns")
    assert parameters == {"symbol": ["IBM"], "start": start, "width": 300_000_000_000, "zone": "UTC"}


def test_a_table_can_be_another_product(query: NamedQuery) -> None:
    sql, _ = bind_query(query, {"start": 0, "t": "crypto.trades"})
    assert '(FROM "crypto"."trades")' in sql


@pytest.mark.parametrize(
    ("sql", "bound"),
    [
        ("with x as (from t) from x", 'WITH "t" AS NOT MATERIALIZED (FROM "a"."b"), x as (from t) from x'),
        ("WITH\n  x AS (FROM t) FROM x", 'WITH "t" AS NOT MATERIALIZED (FROM "a"."b"), x AS (FROM t) FROM x'),
        (
            "with recursive r as (from t) from r",
            'WITH RECURSIVE "t" AS NOT MATERIALIZED (FROM "a"."b"), r as (from t) from r',
        ),
        ("from t", 'WITH "t" AS NOT MATERIALIZED (FROM "a"."b") from t'),
    ],
)
def test_tables_go_before_the_names_of_with(sql: str, bound: str) -> None:
    assert bind_query(parse_query("q", f"-- table t = a.b\n{sql}"), {})[0] == bound


def test_a_query_without_tables_stays_as_it_is() -> None:
    assert bind_query(parse_query("q", "-- title One\nselect 1"), {}) == ("select 1", {})


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("string", "x", "x"),
        ("strings", ["a", "b"], ["a", "b"]),
        ("strings", "a", ["a"]),
        ("timestamp", "2024-01-02T03:04:05.000000001Z", np.datetime64("2024-01-02T03:04:05.000000001", "ns")),
        ("timestamp", date(2024, 1, 2), np.datetime64("2024-01-02", "ns")),
        ("timestamp", datetime(2024, 1, 2, 3, tzinfo=UTC), np.datetime64("2024-01-02T03", "ns")),
        ("integer", 5, 5),
        ("integer", "5", 5),
        ("integer", np.int64(5), 5),
        ("integer", 5.0, 5),
        ("number", "0.5", 0.5),
        ("number", 2, 2.0),
        ("boolean", True, True),
        ("boolean", "false", False),
        ("duration", "90s", 90_000_000_000),
        ("duration", timedelta(minutes=1, microseconds=1), 60_000_001_000),
        ("duration", 7, 7),
    ],
)
def test_an_argument_is_read_by_its_kind(kind: str, given: Any, value: Any) -> None:
    query = parse_query("q", f"-- parameter p: {kind}\nselect $p")
    assert bind_query(query, {"p": given})[1] == {"p": value}


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("string", 5),
        ("strings", 5),
        ("strings", ["a", 5]),
        ("timestamp", "yesterday"),
        ("timestamp", True),
        ("integer", 1.5),
        ("integer", "x"),
        ("integer", True),
        ("number", "inf"),
        ("number", float("nan")),
        ("boolean", "perhaps"),
        ("duration", "5 parsecs"),
        ("duration", 0),
        ("duration", "-1d"),
        ("duration", timedelta(0)),
    ],
)
def test_an_argument_of_another_kind_is_refused(kind: str, given: Any) -> None:
    query = parse_query("q", f"-- parameter p: {kind}\nselect $p")
    with pytest.raises(ArgumentError, match=rf"(?s)'p' is .*, which is no {kind}.*Hint: Give"):
        bind_query(query, {"p": given})


def test_none_means_null_where_there_is_a_default(query: NamedQuery) -> None:
    assert bind_query(query, {"start": 0, "width": None})[1]["width"] is None


def test_an_unknown_argument_is_named_with_the_choices(query: NamedQuery) -> None:
    with pytest.raises(ArgumentError, match=r"(?s)no argument 'sybol'.*symbol, start, width, zone, t"):
        bind_query(query, {"sybol": "IBM", "start": 0})


@pytest.mark.parametrize("arguments", [{}, {"start": None}])
def test_a_missing_argument_is_named(query: NamedQuery, arguments: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="needs start"):
        bind_query(query, arguments)


def test_a_table_that_is_no_product_name_is_refused(query: NamedQuery) -> None:
    with pytest.raises(ArgumentError, match="Not a product name"):
        bind_query(query, {"start": 0, "t": "a; drop"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-- title Only", "no SQL below its header"),
        ("", "no SQL below its header"),
        ("-- some words\nselect 1", "header line 'some words'"),
        ("-- table t: a.b\nselect 1", r"table 't: a.b'"),
        ("-- table t = nodots\nselect 1", "Not a product name"),
        ("-- parameter x\nselect 1", "parameter 'x'"),
        (
            "-- parameter x: colour = red\nselect 1",
            r"(?s)parameter 'x: colour = red'.*kinds: string, strings",
        ),
        ("-- parameter x: integer = red\nselect 1", "'x' is 'red', which is no integer"),
        ("-- table x = a.b\n-- parameter x: string\nselect 1", "table and a parameter of one name: x"),
    ],
)
def test_a_header_that_can_not_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        parse_query("q", text)


def test_the_queries_of_a_lake_are_its_files(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put_if_absent("queries/ticks.sql", b"-- title Ticks\nselect 1")
    store.put_if_absent("queries/macros.sql", b"create macro f() as 1")
    store.put_if_absent("queries/notes.txt", b"no query")
    store.put_if_absent("queries/old/bars.sql", b"select 2")
    assert query_names(store) == ["ticks"]
    assert load_query(store, "ticks").title == "Ticks"
    assert [query.name for query in list_queries(store)] == ["ticks"]


@pytest.mark.parametrize("name", ["tick", "../catalog/lake", "/etc/passwd", "", "macros"])
def test_an_unknown_query_is_not_found(tmp_path: Path, name: str) -> None:
    store = LocalStore(tmp_path)
    store.put_if_absent("queries/ticks.sql", b"select 1")
    with pytest.raises(NotFoundError, match=r"Unknown query .* Known: ticks"):
        load_query(store, name)


def test_a_lake_without_queries_has_none(tmp_path: Path) -> None:
    assert query_names(LocalStore(tmp_path)) == []
    assert describe_queries(LocalStore(tmp_path)).num_rows == 0


def test_the_library_describes_itself() -> None:
    table = describe_queries(LocalStore(ROOT)).to_arrow()
    names = table.column("name").to_pylist()
    assert {
        "vwap",
        "bars",
        "asof_quotes",
        "returns",
        "volatility",
        "volume_curve",
        "spread",
        "top_movers",
    } <= set(names)
    assert all(all(row.values()) for row in table.to_pylist())


@pytest.mark.parametrize("query", list_queries(LocalStore(ROOT)), ids=lambda query: query.name)
def test_every_query_of_the_library_is_complete(query: NamedQuery) -> None:
    used = set(re.findall(r"\$([a-z_]+)", query.sql))
    assert used == set(query.parameters)
    assert query.tables
    assert all(parameter.description for parameter in query.parameters.values())
