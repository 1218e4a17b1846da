"""The rule that judges a bar: low <= open, close <= high."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from lakehouse.ingest.rules.arguments import FLOATS, INTEGERS, broken_rule, columns_of
from lakehouse.ingest.rules.values import any_of, nan_in

if TYPE_CHECKING:
    from lakehouse.catalog.rule import Rule
    from lakehouse.schema import TableSchema


def ohlc(rule: Rule, schema: TableSchema) -> pl.Expr:
    """Return where a bar is impossible: low above open, close or high, either above high, or any NaN.

    Each pair is judged where both are known, so a null excuses only its own column.

    Raises:
        ContractError: the four columns mix integers and floats, whose comparison would round.
    """
    columns = columns_of(rule, schema)
    types = {column.type for column in columns}
    if not (types <= set(INTEGERS) or types <= set(FLOATS)):
        found = ", ".join(sorted(types))
        raise broken_rule(rule, f"its columns must be all integers or all floats, got {found}.")
    opened, high, low, closed = (pl.col(column.name) for column in columns)
    pairs = ((low, opened), (low, closed), (low, high), (opened, high), (closed, high))
    return any_of([smaller > larger for smaller, larger in pairs] + nan_in(columns))
