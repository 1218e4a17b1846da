"""Rules that judge a bar: ohlc, volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from lakehouse.ingest.rules.arguments import FLOATS, INTEGERS, broken_rule, columns_of
from lakehouse.ingest.rules.values import any_of, nan_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.catalog.rule import Rule
    from lakehouse.schema import Column, TableSchema


def ohlc(rule: Rule, schema: TableSchema) -> pl.Expr:
    """Return where a bar is impossible: low above open, close or high, either above high, or any NaN.

    Each pair is judged where both are known, so a null excuses only its own column.

    Raises:
        ContractError: the four columns mix integers and floats, whose comparison would round.
    """
    columns = columns_of(rule, schema)
    _check_comparable(rule, columns)
    opened, high, low, closed = (pl.col(column.name) for column in columns)
    pairs = ((low, opened), (low, closed), (low, high), (opened, high), (closed, high))
    return any_of([smaller > larger for smaller, larger in pairs] + nan_in(columns))


def volume(rule: Rule, schema: TableSchema) -> pl.Expr:
    """Return where a volume is below zero or NaN, or zero though high and low differ; a null excuses a bar.

    Raises:
        ContractError: high and low mix integers and floats, whose comparison would round.
    """
    traded, *prices = columns_of(rule, schema)
    _check_comparable(rule, prices)
    amount, high, low = pl.col(traded.name), pl.col(prices[0].name), pl.col(prices[1].name)
    return any_of([amount < 0, (amount == 0) & (high > low), *nan_in([traded])])


def _check_comparable(rule: Rule, columns: Sequence[Column]) -> None:
    types = {column.type for column in columns}
    if not (types <= set(INTEGERS) or types <= set(FLOATS)):
        found = ", ".join(sorted(types))
        names = ", ".join(column.name for column in columns)
        raise broken_rule(rule, f"its columns {names} must be all integers or all floats, got {found}.")
