"""The table of judges: for each kind of rule the function that makes it ready to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from lakehouse.ingest.rules import bars, changes, others, sequence, spike, sql, values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl

    from lakehouse.catalog.rule import Rule
    from lakehouse.schema import TableSchema

PreparedRule: TypeAlias = "pl.Expr | sql.SqlRule | others.OtherRule | sequence.OrderedRule"
"""A rule ready to run: a polars expression, SQL, a look at other products, or a function of rows in order."""


@dataclass(frozen=True, slots=True)
class Judge:
    """How one kind of rule is judged."""

    prepare: Callable[[Rule, TableSchema], PreparedRule]
    """reads the rule; its docstring says exactly which rows break it"""
    per_row: bool = True
    """whether a row is judged by itself, so that it can be judged before a live write is acknowledged"""


JUDGES: Mapping[str, Judge] = {
    "ohlc": Judge(bars.ohlc),
    "positive": Judge(values.positive),
    "non_negative": Judge(values.non_negative),
    "not_null": Judge(values.not_null),
    "range": Judge(values.between),
    "one_of": Judge(values.one_of),
    "spike": Judge(spike.spike, per_row=False),
    "jump": Judge(changes.jump, per_row=False),
    "stale": Judge(changes.stale, per_row=False),
    "spacing": Judge(changes.spacing, per_row=False),
    "adjusted": Judge(changes.adjusted, per_row=False),
    "gap": Judge(sequence.gap, per_row=False),
    "session": Judge(sequence.session),
    "monotonic_time": Judge(sequence.monotonic_time, per_row=False),
    "volume": Judge(bars.volume),
    "distinct": Judge(values.distinct, per_row=False),
    "known": Judge(others.known, per_row=False),
    "agrees": Judge(others.agrees, per_row=False),
    "sql": Judge(sql.sql),
}

ROW_KINDS = frozenset(kind for kind, judge in JUDGES.items() if judge.per_row)
"""Kinds that judge a row by itself; the others judge it among the rows of its symbol or other products."""
