"""The answer: a stream or a table, of UTC times, as often as it is asked for."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from lakehouse.errors import QueryError
from lakehouse.queries.sql import SqlResult

MANY = "SELECT range AS a, range * 2 AS b FROM range(3_000_000)"


def test_times_without_a_zone_are_labelled_utc(desk: Any) -> None:
    text = """
        SELECT time, moment, TIMESTAMP_MS '2024-01-01' AS ms, TIMESTAMP_S '2024-01-01' AS s, [time] AS list,
               {'t': moment} AS struct, map {'k': moment} AS map,
               TIMESTAMPTZ '2024-01-01 00:00:00+01' AS zoned
        FROM market_data.trades, signals.scores LIMIT 2
    """
    result = desk.run(text)
    assert [str(kind) for kind in result.schema.types] == [
        "timestamp[ns, tz=UTC]",
        "timestamp[us, tz=UTC]",
        "timestamp[ms, tz=UTC]",
        "timestamp[s, tz=UTC]",
        "list<l: timestamp[ns, tz=UTC]>",
        "struct<t: timestamp[us, tz=UTC]>",
        "map<string, timestamp[us, tz=UTC]>",
        "timestamp[us, tz=UTC]",
    ]
    assert result.read_all().schema.equals(result.schema)
    assert result.to_reader().read_all().schema.equals(result.schema)


def test_a_name_that_occurs_twice_is_numbered(desk: Any) -> None:
    text = (
        "SELECT a.symbol, b.symbol, 1 symbol_1, b.symbol FROM market_data.bars a, market_data.bars b LIMIT 1"
    )
    assert desk.run(text).schema.names == ["symbol", "symbol_1", "symbol_1_1", "symbol_2"]


def test_it_can_be_read_again_and_again(desk: Any) -> None:
    result = desk.run(
        "SELECT symbol, sum(size)::BIGINT AS size FROM market_data.trades GROUP BY ALL ORDER BY ALL"
    )
    first = result.read_all()
    assert result.to_reader().read_all().equals(first)
    assert pa.table(result).equals(first)
    assert pl.DataFrame(result).equals(pl.DataFrame(first))
    both = [result.to_reader(), result.to_reader()]
    assert both[0].read_next_batch().equals(both[1].read_next_batch())


def test_large_answers_stream_in_batches(desk: Any) -> None:
    reader = desk.run(MANY).to_reader(batch_rows=10_000)
    first = reader.read_next_batch()
    assert (first.num_rows, first.column(1)[2].as_py()) == (10_000, 4)
    assert sum(batch.num_rows for batch in reader) == 3_000_000 - 10_000


def test_a_stream_outlives_everything_it_came_from(desk: Any) -> None:
    reader = desk.run("FROM market_data.trades ORDER BY ALL").to_reader(batch_rows=10)
    gc.collect()
    assert reader.read_all().num_rows == len(desk.frames["market_data.trades"])


def test_an_empty_answer_has_its_types(desk: Any) -> None:
    result = desk.run("SELECT symbol, time FROM market_data.trades WHERE price < -1")
    assert result.read_all().schema.equals(result.schema)
    assert result.to_reader().read_all().num_rows == 0


def test_nothing_is_computed_before_it_is_asked_for(desk: Any) -> None:
    result = desk.run("WITH x AS MATERIALIZED (SELECT sum(sqrt(range)) FROM range(10_000_000_000)) FROM x")
    assert isinstance(result, SqlResult)
    assert result.schema.types == [pa.float64()]


@pytest.mark.parametrize("read", ["read_all", "to_reader"])
def test_an_error_while_it_runs_is_ours(desk: Any, read: str) -> None:
    text = "SELECT CASE WHEN range = 2_000_000 THEN 'a' ELSE '1' END::INT AS x FROM range(3_000_000)"
    result = desk.run(text)
    with pytest.raises(QueryError, match="The SQL failed: Could not convert string 'a' to INT32"):
        result.read_all() if read == "read_all" else result.to_reader().read_all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT prize FROM market_data.trades", '(?s)"prize" not found.*Hint: .*"price"'),
        ("SELECT t.x FROM market_data.trades AS u", 'table "t" not found'),
        (
            "SELECT symbol, sum(price) FROM market_data.trades",
            "(?s)must appear in the GROUP BY.*Hint: Either add",
        ),
        ("SELECT symbol + price FROM market_data.trades", "No function matches"),
        ("SELECT * FROM market_data.trades WHERE time > now()", "explicit cast is required"),
        ("SELECT 'x'::no_such_type", "no_such_type"),
        ("SELECT 1 // 0", "Division by zero"),
    ],
)
def test_what_is_wrong_with_the_sql_is_said(desk: Any, text: str, message: str) -> None:
    with pytest.raises(QueryError, match=message) as caught:
        desk.table(text)
    assert "LINE 1" not in str(caught.value)
    assert " SET " not in str(caught.value)


def test_queries_of_many_threads_do_not_meet(desk: Any) -> None:
    answers: dict[int, list[Any]] = {}

    def ask(rank: int) -> None:
        answers[rank] = desk.rows("SELECT $n, count(*) FROM market_data.trades WHERE size >= $n", {"n": rank})

    threads = [threading.Thread(target=ask, args=[rank]) for rank in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sizes = desk.frames["market_data.trades"]["size"]
    assert answers == {rank: [(rank, int((sizes >= rank).sum()))] for rank in range(8)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_it_works_in_a_forked_child() -> None:
    """A query holds no state of the process, so a child does not wait for threads that it does not have."""
    code = """
import os
from lakehouse.queries.sql import run_sql
ask = lambda: run_sql("SELECT 42 AS x", lambda name: None, known=list).read_all().column(0).to_pylist()
assert ask() == [42]
child = os.fork()
if child == 0:
    os._exit(0 if ask() == [42] else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=root, timeout=60)
