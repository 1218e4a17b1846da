"""Run checked SQL rules over a frame, in an empty and locked DuckDB database."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Literal

import polars as pl

from lakehouse.ingest.rules.arguments import broken_rule
from lakehouse.ingest.rules.sql import FLOORED, SqlRule
from lakehouse.queries.sql.instances import open_instance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb import DuckDBPyConnection

    from lakehouse.schema import TableSchema

_UNITS: Mapping[str, Literal["ns", "us"]] = {"timestamp[ns]": "ns", "timestamp[us]": "us"}
_CONNECTION: Mapping[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "lock_configuration": True,
}


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
    return open_instance(dict(_CONNECTION))


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
    if name.startswith(FLOORED):
        nanoseconds = pl.col(name.removeprefix(FLOORED)).to_physical()
        return (nanoseconds // 1_000).cast(pl.Datetime("us")).alias(name)
    unit = _UNITS.get(schema[name].type)
    return pl.col(name) if unit is None else pl.col(name).to_physical().cast(pl.Datetime(unit))
