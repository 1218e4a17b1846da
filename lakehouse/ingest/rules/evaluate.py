"""Judge a frame by the rules of its contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from lakehouse.ingest.rules.arguments import broken_rule
from lakehouse.ingest.rules.judges import JUDGES
from lakehouse.ingest.rules.others import OtherRule, Others
from lakehouse.ingest.rules.sequence import OrderedRule, order_rows
from lakehouse.ingest.rules.sql import SqlRule
from lakehouse.ingest.rules.sql_engine import evaluate_sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakehouse.catalog.rule import Rule
    from lakehouse.ingest.rules.judges import PreparedRule
    from lakehouse.schema import TableSchema


def evaluate_rules(
    frame: pl.DataFrame, rules: Sequence[Rule], schema: TableSchema, others: Others | None = None
) -> dict[str, pl.Series]:
    """Say which rows break which rule.

    Args:
        frame: rows in their order of arrival, with the columns and types of `schema`; a `timestamp[ns]`
            column may be a Datetime or the Int64 that is stored.
        rules: as `check_rules` approves them.
        schema: of the frame; its symbol and time columns lead the rules that follow a symbol through time.
        others: the other products of the lake, for the rules that compare with them.

    Returns:
        For each rule, by its name and in the order of `rules`, a boolean Series in the frame's row order,
        without nulls: true where the row broke the rule.

    Raises:
        ContractError: a rule is not valid for the schema, a SQL rule fails on a row, or a rule compares with
            another product that there is not.

    Examples:
        >>> from lakehouse.catalog.rule import Rule
        >>> from lakehouse.schema import Column, TableSchema
        >>> schema = TableSchema((Column("price", "float64"),))
        >>> rule = Rule("real_price", "positive", ("price",))
        >>> evaluate_rules(pl.DataFrame({"price": [1.0, -1.0, None]}), [rule], schema)["real_price"].to_list()
        [False, True, False]
    """
    prepared = {rule.name: _prepared(rule, frame, schema) for rule in rules}
    expressions = {name: judge for name, judge in prepared.items() if isinstance(judge, pl.Expr)}
    statements = {name: judge for name, judge in prepared.items() if isinstance(judge, SqlRule)}
    ordered = {
        name: judge
        for name, judge in prepared.items()
        if not isinstance(judge, pl.Expr | SqlRule | OtherRule)
    }
    broken = {
        **_evaluate_expressions(frame, expressions),
        **evaluate_sql(frame, statements),
        **_evaluate_ordered(frame, ordered, schema),
        **_evaluate_others(frame, rules, prepared, others),
    }
    return {name: broken[name].alias(name) for name in prepared}


def _prepared(rule: Rule, frame: pl.DataFrame, schema: TableSchema) -> PreparedRule:
    if rule.kind == "monotonic_time" and schema.time and frame[schema.time].is_sorted():
        return pl.repeat(
            value=False, n=pl.len(), dtype=pl.Boolean
        )  # most feeds: no symbol can be out of order
    return JUDGES[rule.kind].prepare(rule, schema)


def _evaluate_expressions(frame: pl.DataFrame, expressions: Mapping[str, pl.Expr]) -> dict[str, pl.Series]:
    """Evaluate all in one pass, on all cores."""
    if not expressions:
        return {}
    columns = [expression.alias(str(position)) for position, expression in enumerate(expressions.values())]
    return dict(zip(expressions, frame.lazy().select(columns).collect().get_columns(), strict=True))


def _evaluate_ordered(
    frame: pl.DataFrame, ordered: Mapping[str, OrderedRule], schema: TableSchema
) -> dict[str, pl.Series]:
    if not ordered:
        return {}
    order = order_rows(frame, schema)
    found = {}
    for name, judge in ordered.items():
        broken = np.zeros(frame.height, dtype=np.bool_)
        broken[order.rows] = judge(frame, order)
        found[name] = pl.Series(broken)
    return found


def _evaluate_others(
    frame: pl.DataFrame, rules: Sequence[Rule], prepared: Mapping[str, PreparedRule], others: Others | None
) -> dict[str, pl.Series]:
    found = {}
    for rule in rules:
        judge = prepared[rule.name]
        if not isinstance(judge, OtherRule):
            continue
        if frame.is_empty():  # nothing to compare: a contract may come before the product that it names
            found[rule.name] = pl.Series(dtype=pl.Boolean)
        elif others is None:
            raise broken_rule(rule, "it compares with another product, and there is no lake to look in.")
        else:
            found[rule.name] = judge.judge(frame, others)
    return found
