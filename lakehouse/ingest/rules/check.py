"""Prove the rules of a contract before it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from lakehouse.catalog.rule import check_rule
from lakehouse.ingest.rules.arguments import broken_rule
from lakehouse.ingest.rules.evaluate import evaluate_rules
from lakehouse.partitions.arrays import empty_table
from lakehouse.schema import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.catalog.rule import Rule
    from lakehouse.schema import TableSchema


def check_rules(rules: Sequence[Rule], schema: TableSchema) -> None:
    """Raise unless every rule can judge a frame of `schema`; each is tried on a frame without rows.

    Raises:
        ContractError: a column does not exist or has a type that the rule can not judge, an argument does not
            fit its column, an expression is not boolean SQL that is allowed, or two rules have one name.
    """
    empty = pl.DataFrame(empty_table(arrow_schema(schema)))  # `Schema.empty_table` would import pandas
    names = [rule.name for rule in rules]
    for rule in rules:
        if names.count(rule.name) > 1:
            raise broken_rule(rule, f"two rules have this name; the names are {', '.join(names)}.")
        check_rule(rule, schema)
        evaluate_rules(empty, [rule], schema)
