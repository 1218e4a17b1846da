"""sql, query: ask the lake."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.cli.locate import open_lake
from lakehouse.cli.numbers import count

if TYPE_CHECKING:
    from lakehouse.cli.parser import Commands
    from lakehouse.cli.reply import Reply
    from lakehouse.queries.result import Result
    from lakehouse.view import LakeView

_SQL_NOTES = """\
One SELECT in DuckDB's dialect over `domain.product` names, and nothing that writes or reads
anything else. Times are UTC. In JSON, NaN and the infinities are null."""
_QUERY_NOTES = """\
Named queries are the files queries/<name>.sql of the lake. Without a name they are listed. An
argument is a parameter of the query, or a table of it and the product to use instead. Several
symbols are parted by commas; null is no value."""
_PLAN_COLUMNS = (
    *("product", "version", "engine", "files", "files_listed", "row_groups", "rows", "bytes"),
    *("chunks", "cached", "columns", "predicates"),
)
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+([eE][+-]?[0-9]+)?")


def add_commands(commands: Commands) -> None:
    """Add `sql` and `query`."""
    parser = commands.add(
        "sql",
        sql,
        "answer one SELECT over domain.product names",
        group="ask",
        notes=_SQL_NOTES,
        examples=(
            'sql "select symbol, max(close) from market_data.bars_1d group by symbol"',
            'sql "from market_data.bars_1d where symbol = $symbol" --param symbol=IBM --json',
            "sql - < question.sql",
        ),
    )
    parser.add_argument("sql", metavar="SQL", help="the text; - reads it from standard input")
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a value for $NAME; may be repeated. Numbers, true, false and null are those, \"'7'\" is text",
    )
    parser.add_argument(
        "--explain", action="store_true", help="say what would be read and by which engine, and read no data"
    )
    add_result_options(parser)
    parser = commands.add(
        "query",
        query,
        "run a named query",
        group="ask",
        notes=_QUERY_NOTES,
        examples=("query", "query vwap symbol=IBM,AAPL start=2024-01-02 end=2024-01-03"),
    )
    parser.add_argument("name", nargs="?", metavar="NAME")
    parser.add_argument("arguments", nargs="*", metavar="KEY=VALUE")
    parser.set_defaults(trailing="arguments")
    add_result_options(parser)


def add_result_options(parser: argparse.ArgumentParser) -> None:
    """Add what each command that prints rows takes."""
    parser.add_argument(
        "--rows",
        type=count,
        metavar="N",
        help="most rows to show; by default 40 on a terminal and all elsewhere, 0 for all",
    )
    parser.add_argument("--csv", action="store_true", help="print all rows as CSV")


def sql(options: argparse.Namespace) -> Reply:
    """Answer one SELECT."""
    from lakehouse.cli.reply import Grid, Reply

    lake = open_lake(options)
    text = sys.stdin.read() if options.sql == "-" else options.sql
    parameters = {name: typed(value) for name, value in pairs(options.param).items()}
    if not options.explain:
        return rows_reply(lake.sql(text, parameters or None), options)
    plan = lake.explain(text, parameters or None)
    scans = [dict(_fields(scan)) for scan in plan]
    return Reply(scans, [Grid(scans, _PLAN_COLUMNS), *plan.notes])


def query(options: argparse.Namespace) -> Reply:
    """Run a named query, or list them."""
    lake = open_lake(options)
    if options.name is None:
        return _listed(lake.queries(), options)
    return ask(lake, options.name, options.arguments, options)


def ask(view: LakeView, name: str, words: Sequence[str], options: argparse.Namespace) -> Reply:
    """Run a named query of a lake or a checkout; its header says what each argument is.

    Where a parameter takes several texts they are parted by commas; `null` is no value.
    """
    from lakehouse.queries.library import bind_query, load_query

    given, query = pairs(words), load_query(view.store, name)
    arguments: dict[str, Any] = {}
    for key, value in given.items():
        several = key in query.parameters and query.parameters[key].kind == "strings"
        arguments[key] = None if value == "null" else (value.split(",") if several else value)
    return rows_reply(view.sql(*bind_query(query, arguments)), options)


def _listed(queries: Result, options: argparse.Namespace) -> Reply:
    from lakehouse.cli.reply import Grid, Reply
    from lakehouse.cli.values import json_rows

    rows = json_rows(queries.to_arrow())
    if options.csv or not rows:
        return rows_reply(queries, options)
    return Reply(rows, [Grid(rows, ("name", "title", "parameters", "returns"))])


def rows_reply(result: Result, options: argparse.Namespace) -> Reply:
    """Return the reply that shows the rows of a result."""
    from lakehouse.cli.reply import Reply, Rows

    if options.csv:
        from lakehouse.cli.values import csv_text

        return Reply(result, [csv_text(result.to_arrow())])
    return Reply(result, [Rows(result, options.rows)])


def pairs(words: Sequence[str]) -> dict[str, str]:
    """Read `key=value` words.

    Raises:
        ArgumentError: one has no `=`, or a key comes twice.
    """
    from lakehouse.errors import ArgumentError

    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ArgumentError(f"Not an argument: {word!r}.", hint="Write key=value, such as symbol=IBM.")
        if key in found:
            raise ArgumentError(f"The argument {key!r} comes twice.")
        found[key] = value
    return found


def typed(text: str) -> bool | int | float | str | None:
    """Return what a value means: a number, a truth value or null where it looks so, else text.

    A code such as 00700 is text, and so is everything in single quotes.

    Examples:
        >>> typed("7"), typed("0.5"), typed("null"), typed("00700"), typed("'7'")
        (7, 0.5, None, '00700', '7')
    """
    words = {"true": True, "false": False, "null": None}
    if text in words:
        return words[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == "'" else text


def _fields(plan: Any) -> dict[str, Any]:
    from lakehouse.cli.values import to_json

    return dict(to_json(plan))
