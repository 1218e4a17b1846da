"""Rules written in SQL: one boolean expression over the columns of a row, true for a good row.

The text is never run. It is parsed, every node at every depth must be on the lists below, and what runs is
the text that the checked tree is written back to. There is no way to name a table, a file, another row, the
clock, chance or the environment. DuckDB runs it in an empty, locked database that could reach nothing even
so.

Numbers and text compare as in DuckDB, where NaN is equal to itself and above every number. Times are
TIMESTAMP (_NS for nanoseconds) in UTC.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import polars as pl

from lakehouse.errors import NotFoundError
from lakehouse.ingest.rules.arguments import broken_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb import DuckDBPyConnection
    from sqlglot import exp

    from lakehouse.catalog.rule import Rule
    from lakehouse.schema import TableSchema

_LONGEST_TEXT = 10_000

_NODE_NAMES = """
Column Identifier Literal Boolean Null Paren
And Or Not EQ NEQ LT LTE GT GTE NullSafeEQ NullSafeNEQ Is In Between Like ILike Case If Coalesce Nullif
Add Sub Mul Div IntDiv Mod Neg Abs Ceil Floor Round Sign Sqrt Exp Ln Greatest Least IsNan IsInf
Lower Upper Length Trim Substring StartsWith EndsWith Contains RegexpLike RegexpFullMatch
Extract Var Year Month Day Hour Minute Second DayOfWeek
Cast TryCast DataType DataTypeParam
"""
_TYPE_NAMES = """
BOOLEAN TINYINT SMALLINT INT BIGINT INT128 FLOAT DOUBLE DECIMAL VARCHAR TEXT DATE TIMESTAMP TIMESTAMP_NS
"""
_NODES = frozenset(_NODE_NAMES.split())
"""what a rule may be made of, by the names of sqlglot's classes: sqlglot takes long to import"""
_TYPES = frozenset(_TYPE_NAMES.split())
"""what a value may be cast to"""
_FUNCTIONS = frozenset({"isfinite", "epoch_ns", "prefix", "suffix"})
"""functions that sqlglot has no class for"""
_UNITS: Mapping[str, Literal["ns", "us"]] = {"timestamp[ns]": "ns", "timestamp[us]": "us"}
_CONNECTION: Mapping[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "lock_configuration": True,
}


@dataclass(frozen=True, slots=True)
class SqlRule:
    """A checked expression, ready to run."""

    rule: Rule
    """as in the contract"""
    text: str
    """DuckDB SQL written from the checked tree"""
    columns: tuple[str, ...]
    """the columns it reads"""
    schema: TableSchema
    """of the frame"""


def sql(rule: Rule, schema: TableSchema) -> SqlRule:
    """Return the checked expression; rows for which it is true or null are good.

    Raises:
        ContractError: it is no single expression over columns, literals, operators and the functions listed.
    """
    tree = _parse(rule)
    spelling = {name.casefold(): name for name in schema.names}
    read = []
    for node in tree.walk():
        _check_node(rule, node)
        if type(node).__name__ == "Column":
            read.append(_settle_column(rule, node, spelling))
    if not read:
        raise broken_rule(rule, "the expression reads no column.")
    return SqlRule(rule, _write(rule, tree), tuple(dict.fromkeys(read)), schema)


def evaluate_sql(frame: pl.DataFrame, rules: Mapping[str, SqlRule]) -> dict[str, pl.Series]:
    """Return for each rule which rows break it.

    Raises:
        ContractError: DuckDB refuses an expression, it is not boolean, or it fails on a row, as by an
        overflow.
    """
    if not rules:
        return {}
    with _database(os.getpid()).cursor() as connection:
        return {name: _run(connection, frame, rule) for name, rule in rules.items()}


@cache
def _database(process: int) -> DuckDBPyConnection:
    """Return the empty, locked database of this process; it is kept because opening one costs 15 ms.

    A forked child must not use its parent's, whose threads it did not inherit: hence the number of the
    process.
    """
    import duckdb

    return duckdb.connect(":memory:", config=dict(_CONNECTION))


def _parse(rule: Rule) -> exp.Expr:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    text = str(rule.arguments["expression"])
    if len(text) > _LONGEST_TEXT:
        raise broken_rule(
            rule, f"the expression has {len(text)} characters; at most {_LONGEST_TEXT} are legal."
        )
    try:
        return sqlglot.parse_one(text, into=exp.Condition, dialect="duckdb")
    except (SqlglotError, RecursionError) as error:
        raise broken_rule(
            rule,
            f"can not read {text!r:.200} as one boolean SQL expression.",
            hint="Write what is true for a good row, such as: high - low < 0.5 * close",
        ) from error


def _check_node(rule: Rule, node: exp.Expr) -> None:
    kind = type(node).__name__
    if kind == "Anonymous":
        allowed = str(node.this).lower() in _FUNCTIONS
    elif kind == "DataType":
        allowed = node.this.name in _TYPES
    else:
        allowed = kind in _NODES
    if not allowed:
        raise broken_rule(
            rule,
            f"{node.sql(dialect='duckdb')[:80]!r} is not allowed.",
            hint="Use columns of the row, literals, operators and simple functions of one row; no queries.",
        )


def _settle_column(rule: Rule, node: exp.Expr, spelling: Mapping[str, str]) -> str:
    """Give a column the schema's spelling, as DuckDB ignores case, and return it."""
    name = node.name
    if node.args.get("table") is not None or name.casefold() not in spelling:
        unknown = NotFoundError.among("column", node.sql(dialect="duckdb"), spelling.values())
        raise broken_rule(rule, unknown.message, hint=unknown.hint)
    node.this.set("this", spelling[name.casefold()])
    return spelling[name.casefold()]


def _write(rule: Rule, tree: exp.Expr) -> str:
    try:
        return tree.sql(dialect="duckdb", identify=True, comments=False)
    except RecursionError as error:
        raise broken_rule(rule, "the expression is nested too deeply.") from error


def _run(connection: DuckDBPyConnection, frame: pl.DataFrame, rule: SqlRule) -> pl.Series:
    import duckdb

    rows = frame.select(_utc(name, rule.schema) for name in rule.columns)
    try:
        connection.register("rows", rows.to_arrow())
        answer = connection.sql(f"select ({rule.text}) as good from rows").to_arrow_table()
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise broken_rule(rule.rule, f"DuckDB refuses {rule.text!r:.200}: {reason}") from error
    good = pl.Series(pl.from_arrow(answer.column("good")))
    if good.dtype != pl.Boolean:
        raise broken_rule(rule.rule, f"the expression {rule.text!r:.200} is {good.dtype}, not boolean.")
    if len(good) != frame.height:
        raise broken_rule(rule.rule, f"it judged {len(good)} of {frame.height} rows.")
    return (~good).fill_null(value=False)


def _utc(name: str, schema: TableSchema) -> pl.Expr:
    """Return the column as DuckDB sees it: times as TIMESTAMP, because TIMESTAMPTZ has no nanoseconds."""
    unit = _UNITS.get(schema[name].type)
    return pl.col(name) if unit is None else pl.col(name).to_physical().cast(pl.Datetime(unit))
