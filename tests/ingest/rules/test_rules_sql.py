"""Rules in SQL: they mean what DuckDB says, and can reach nothing but their row."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.catalog.rule import Rule
from lakehouse.errors import ContractError
from lakehouse.ingest.rules import check_rules, evaluate_rules
from lakehouse.schema import Column, TableSchema

SCHEMA = TableSchema(
    (
        Column("symbol", "string", nullable=False),
        Column("time", "timestamp[ns]", nullable=False),
        Column("seen", "timestamp[us]"),
        Column("day", "date"),
        Column("bid", "float64"),
        Column("ask", "float64"),
        Column("size", "int64"),
        Column("order", "int8"),
        Column("live", "bool"),
    ),
    "symbol",
    "time",
)
NS = 1_704_186_600_000_000_001
FRAME = pl.DataFrame(
    {
        "symbol": ["IBM", "日経225", "it's", ""],
        "time": pl.Series([NS, NS + 1, 0, -1]).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC"),
        "seen": pl.Series([NS // 1000, None, 0, 1]).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        "day": [dt.date(2024, 1, 2), None, dt.date(1970, 1, 1), dt.date(1969, 12, 31)],
        "bid": [1.0, None, math.nan, -math.inf],
        "ask": [2.0, 1.0, 0.5, math.inf],
        "size": [2**53 + 1, None, 0, -7],
        "order": pl.Series([1, 2, 3, None], dtype=pl.Int8),
        "live": [True, False, None, True],
    }
)


def rule(expression: str) -> Rule:
    return Rule("r", "sql", (), {"expression": expression})


def judge(expression: str, frame: pl.DataFrame = FRAME) -> list[bool]:
    broken = evaluate_rules(frame, [rule(expression)], SCHEMA)["r"]
    assert broken.dtype == pl.Boolean
    return broken.to_list()


@pytest.mark.parametrize(
    ("expression", "broken"),
    [
        ("bid <= ask", [False, False, True, False]),
        ("BID <= Ask", [False, False, True, False]),
        ('"order" < 3', [False, False, True, False]),
        ("isfinite(bid)", [False, False, True, True]),
        ("size = 9007199254740993", [False, False, True, True]),
        ("symbol in ('IBM', 'it''s')", [False, True, False, True]),
        ("live", [False, True, False, False]),
        ("not live", [True, False, False, True]),
        ("epoch_ns(time) = 1704186600000000001", [False, True, True, True]),
        ("time >= '1970-01-01'", [False, False, False, True]),
        ("time < timestamp_ns '2024-01-02 09:10:00.000000002'", [False, True, False, False]),
        ("time > timestamp '1970-01-01'", [False, False, True, True]),
        ("hour(time) = 9", [False, False, True, True]),
        ("extract(year from day) >= 1970", [False, False, False, True]),
        ("seen <= time", [False, False, False, True]),
        ("day = time::date", [False, False, False, False]),
        ("Time::timestamp < day", [True, False, True, True]),
        ("hour((time)) = 23", [True, True, True, False]),
        ("case when size > 0 then bid > 0 else true end", [False, False, False, False]),
        ("regexp_full_match(symbol, '[A-Z]+')", [False, True, True, True]),
        ("ask / 0 is null", [True, True, True, True]),
        ("coalesce(size, 1) % 2 = 1", [False, False, True, True]),
    ],
)
def test_rows_for_which_it_is_true_or_null_are_good(expression: str, broken: list[bool]) -> None:
    check_rules([rule(expression)], SCHEMA)
    assert judge(expression) == broken


NUMBER = st.sampled_from(["bid", "ask", "size", '"order"', "1", "2.5", "-3", "0"])
OPERATOR = st.sampled_from(["+", "-", "*", "/", "%", "//"])
COMPARISON = st.sampled_from(["<", "<=", "=", "<>", ">", ">=", "is distinct from", "is not distinct from"])


def sums(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.tuples(inner, OPERATOR, inner).map(" ".join)
    return binary | inner.map("-{}".format) | inner.map("({})".format) | inner.map("abs({})".format)


def logic(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join)
    return binary | inner.map("not {}".format) | inner.map("({})".format) | inner.map("({}) is null".format)


SUM = st.recursive(NUMBER, sums, max_leaves=4).filter(lambda text: "--" not in text)
CONDITION = st.recursive(st.tuples(SUM, COMPARISON, SUM).map(" ".join), logic, max_leaves=4)


@given(CONDITION)
def test_what_runs_means_what_was_written(condition: str) -> None:
    """One library parses the text and writes it again, another runs it: they must agree on precedence."""
    rows = FRAME.with_columns(pl.col("time", "seen").dt.replace_time_zone(None)).to_arrow()
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        try:
            good = [row[0] for row in connection.execute(f"select {condition} from rows").fetchall()]
        except duckdb.Error:
            return
    if any(name in condition for name in ("bid", "ask", "size", "order")):
        assert judge(condition) == [one is False for one in good]


@pytest.mark.parametrize(
    "expression",
    [
        "bid > (select 1)",
        "exists (select 1)",
        "bid in (select ask from rows)",
        "bid > any (select 1)",
        "sum(bid) > 0",
        "count(*) > 0",
        "first(bid) > 0",
        "row_number() over () > 0 and bid > 0",
        "lag(bid) over (order by time) < bid",
        "bid = 1 and read_text('/etc/passwd') is null",
        "bid = 1 and getenv('HOME') = 'x'",
        "bid > random()",
        "time < now()",
        "time < current_timestamp",
        "day < current_date",
        "bid > nextval('s')",
        "repeat(symbol, 1000000000) = 'x'",
        "list_sum([bid]) > 0",
        "[bid][1] > 0",
        "{'a': bid}.a > 0",
        "columns(*) > 0",
        "#1 > 0",
        "$1 > bid",
        "? > bid",
        "bid::json is null",
        "symbol::regclass is null",
        "bid::int[] is null",
        "list_filter([1], x -> x > bid)[1] > 0",
        "symbol similar to 'a'",
        "main.isfinite(bid)",
        "rows.bid > 0",
        "bid.x > 0",
        "bid ^ 2 > 1",
        "symbol collate nocase = 'ibm'",
        "time at time zone 'UTC' > time",
        "hour(coalesce(time, seen)) > 1",
    ],
)
def test_whatever_leaves_the_row_is_refused(expression: str) -> None:
    with pytest.raises(ContractError, match="Rule 'r'"):
        check_rules([rule(expression)], SCHEMA)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("bid >", "can not read"),
        ("bid > 0 as x", "can not read"),
        ("bid > 0 order by 1", "can not read"),
        ("select bid > 0", "can not read"),
        ("bdi > 0", "Unknown column 'bdi'.*\n.*bid"),
        ("_sequence > 0", "Unknown column"),
        ("rowid > 0", "Unknown column"),
        ("true", "reads no column"),
        ("1 = 1", "reads no column"),
        ("bid + ask", "is Float64, not boolean"),
        ("symbol", "is String, not boolean"),
        ("symbol > 1.5 + live", "DuckDB refuses"),
        ("starts_with(bid)", "Rule 'r'"),
        ("x" * 20_000, "20000 characters"),
        (f"{'(' * 3000}bid > 0{')' * 3000}", "Rule 'r'"),
        (" and ".join(["bid > 0"] * 1200), "Rule 'r'"),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_no_rule_is_refused_when_the_contract_is_made(expression: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_rules([rule(expression)], SCHEMA)


def test_a_rule_that_fails_on_a_row_says_so() -> None:
    with pytest.raises(
        ContractError, match=r"'r' \(sql\): DuckDB refuses .*(overflow|Overflow|range)"
    ) as caught:
        judge("size::tinyint > 0")
    assert isinstance(caught.value.__cause__, duckdb.Error)


def test_a_row_number_never_shifts_in_a_large_frame() -> None:
    rows = 1_000_000
    frame = pl.DataFrame({"size": pl.int_range(rows, eager=True)})
    broken = evaluate_rules(frame, [rule("size % 7 <> 3")], SCHEMA)["r"]
    assert broken.equals((frame["size"] % 7 == 3).alias("r"))


def test_a_column_called_like_our_own_words_is_the_column() -> None:
    schema = TableSchema(tuple(Column(name, "int64") for name in ("good", "rows", "select")))
    frame = pl.DataFrame({"good": [1, 0], "rows": [1, 1], "select": [0, 2]})
    both = [rule('good = 1 and rows = 1 and "select" = 0')]
    check_rules(both, schema)
    assert evaluate_rules(frame, both, schema)["r"].to_list() == [False, True]


def test_real_quotes_are_not_crossed(shared_data: Callable[[str], Path]) -> None:
    prices = pl.read_csv(shared_data("datasets_hub/vix-daily.csv.gz")).rename(str.lower)
    schema = TableSchema(tuple(Column(name, "float64") for name in ("open", "high", "low", "close")))
    written = rule("low <= least(open, close) and greatest(open, close) <= high")
    assert evaluate_rules(prices, [written], schema)["r"].sum() == 47
