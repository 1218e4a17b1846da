from __future__ import annotations

import csv
import json
from collections.abc import Callable
from typing import Any

import pytest

from lakehouse.cli.commands.questions import typed

Run = Callable[..., Any]
BARS = "market_data.bars_1d"


def test_sql_answers_as_aligned_text(bars: Run) -> None:
    out = bars("sql", f"select symbol, max(close) as top from {BARS} group by symbol order by symbol").out

    assert out == "symbol     top\nAAPL    185.64\nIBM      161.5\n"


def test_sql_answers_as_json_with_numbers_and_iso_times(bars: Run) -> None:
    text = f"select symbol, date, date::timestamp as at, volume, null as nothing from {BARS} limit 1"
    (row,) = bars("sql", text, "--json").json

    assert row == {
        "symbol": "AAPL",
        "date": "2024-01-02",
        "at": "2024-01-02T00:00:00Z",
        "volume": 82488700,
        "nothing": None,
    }


def test_sql_prints_one_json_document_and_nothing_else(bars: Run) -> None:
    ran = bars("sql", f"from {BARS}", "--json")

    assert len(json.loads(ran.out)) == 5
    assert ran.err == ""


def test_json_has_null_for_nan_and_infinity(bars: Run) -> None:
    (row,) = bars("sql", "select 'nan'::double as a, 'inf'::double as b, ['nan'::double] as c", "--json").json

    assert row == {"a": None, "b": None, "c": [None]}


def test_a_total_of_whole_numbers_is_a_whole_number(bars: Run) -> None:
    (row,) = bars("sql", f"select sum(volume) as total from {BARS}", "--json").json

    assert row["total"] == 82488700 + 58414500 + 71983600 + 3825000 + 4086100
    assert isinstance(row["total"], int)


def test_columns_of_one_name_are_told_apart_in_json(bars: Run) -> None:
    assert bars("sql", "select 1 as a, 2 as a", "--json").json == [{"a": 1, "a_1": 2}]


def test_sql_takes_parameters(bars: Run) -> None:
    text = f"select count(*) as n from {BARS} where symbol = $symbol and close > $limit"

    assert bars("sql", text, "--param", "symbol=IBM", "--param", "limit=160.5", "--json").json == [{"n": 1}]


def test_sql_reads_its_text_from_standard_input(away: Run, bars: Run) -> None:
    assert away("sql", "-", "--json", text=f"select count(*) as n from {BARS}").json == [{"n": 5}]


def test_sql_prints_csv(bars: Run) -> None:
    out = bars(
        "sql",
        f"select symbol, date, close, null as x from {BARS} where symbol = 'IBM' order by date",
        "--csv",
    ).out

    assert list(csv.reader(out.splitlines())) == [
        ["symbol", "date", "close", "x"],
        ["IBM", "2024-01-02", "161.5", ""],
        ["IBM", "2024-01-03", "160.1", ""],
    ]


def test_sql_explains_which_files_it_would_read(bars: Run) -> None:
    (plan,) = bars("sql", f"select * from {BARS} where symbol = 'IBM'", "--explain", "--json").json

    assert (plan["product"], plan["version"], plan["files"], plan["files_listed"]) == (BARS, 1, 1, 1)


def test_rows_limits_what_is_shown_and_not_the_json(bars: Run) -> None:
    shown = bars("sql", f"select close from {BARS} order by date, symbol", "--rows", 2)

    assert shown.out.split() == ["close", "185.64", "…", "181.91"]
    assert len(bars("sql", f"from {BARS}", "--rows", 2, "--json").json) == 5


@pytest.mark.parametrize(
    "text",
    [
        f"drop view {BARS}",
        "copy (select 1) to 'x.csv'",
        "select 1; select 2",
        "select * from read_text('/etc/passwd')",
    ],
)
def test_sql_refuses_what_is_no_select_over_products(bars: Run, text: str) -> None:
    ran = bars("sql", text)

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("lake: ")


def test_an_unknown_product_in_sql_brings_the_nearest(bars: Run) -> None:
    ran = bars("sql", "select * from market_data.bar_1d")

    assert ran.code == 1
    assert f"Did you mean {BARS}?" in ran.err


@pytest.fixture
def library(bars: Run) -> Run:
    """Run `lake` in a lake with the bars and the named queries."""
    assert bars("init", "--starter").code == 0
    return bars


def test_query_without_a_name_lists_the_queries(library: Run) -> None:
    names = [row["name"] for row in library("query", "--json").json]

    assert {"vwap", "returns", "top_movers"} <= set(names)


def test_query_runs_a_named_query_with_arguments(library: Run) -> None:
    rows = library("query", "returns", "symbol=IBM", "start=2024-01-03", "--json").json

    assert [(row["symbol"], row["date"]) for row in rows] == [("IBM", "2024-01-03")]
    assert rows[0]["return"] == pytest.approx(160.1 / 161.5 - 1)


def test_several_symbols_are_parted_by_commas(library: Run) -> None:
    rows = library("query", "returns", "symbol=IBM,AAPL", "--json").json

    assert {row["symbol"] for row in rows} == {"IBM", "AAPL"}


def test_query_takes_another_product_for_a_table(library: Run) -> None:
    ran = library("query", "returns", "symbol=IBM", "bars=market_data.bars_2d")

    assert ran.code == 1
    assert "market_data.bars_2d" in ran.err


def test_an_argument_that_the_query_does_not_have_brings_the_choices(library: Run) -> None:
    ran = library("query", "vwap", "ticker=IBM")

    assert ran.code == 1
    assert "Its arguments: " in ran.err


def test_a_checkout_runs_a_named_query(library: Run) -> None:
    library("snapshot", "s", BARS)
    arguments = ("returns", "symbol=IBM")

    assert (
        library("checkout", "s", "--query", *arguments, "--json").json
        == library("query", *arguments, "--json").json
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [("7", 7), ("-7", -7), ("0.50", 0.5), ("1.5e3", 1500.0), ("true", True), ("null", None), ("IBM", "IBM")],
)
def test_a_value_is_what_it_looks_like(text: str, value: object) -> None:
    assert typed(text) == value
    assert type(typed(text)) is type(value)


@pytest.mark.parametrize("text", ["00700", "2024-01-02", "NaN", "1_000", "+7", "", "TRUE", "٣"])
def test_a_value_that_is_no_plain_number_is_text(text: str) -> None:
    assert typed(text) == text


def test_a_value_in_single_quotes_is_text() -> None:
    assert (typed("'600519'"), typed("'true'"), typed("''")) == ("600519", "true", "")
