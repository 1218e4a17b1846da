"""What `Rule` can not check alone: its arguments against the columns of a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lakehouse.errors import ContractError

if TYPE_CHECKING:
    from lakehouse.catalog.rule import Rule
    from lakehouse.schema import Column, TableSchema

INTEGERS = ("int8", "int16", "int32", "int64")
FLOATS = ("float32", "float64")

_LARGEST_FLOAT32 = float(2**128 - 2**104)


def broken_rule(rule: Rule, problem: str, *, hint: str | None = None) -> ContractError:
    """Build the error that names the rule, its kind and its problem."""
    return ContractError(f"Rule {rule.name!r} ({rule.kind}): {problem}", hint=hint)


def columns_of(rule: Rule, schema: TableSchema) -> tuple[Column, ...]:
    """Return the columns that the rule names."""
    return tuple(schema[name] for name in rule.columns)


def time_of(rule: Rule, schema: TableSchema) -> Column:
    """Return the time column.

    Raises:
        ContractError: the table has none.
    """
    if schema.time is None:
        raise broken_rule(rule, "it follows the rows in time, and the table has no time column.")
    return schema[schema.time]


def read_value(rule: Rule, column: Column, value: object) -> int | float | str | bool:
    """Return a value of the contract in the column's own type.

    Raises:
        ContractError: the column could not hold the value exactly.

    Examples:
        >>> from lakehouse.catalog.rule import Rule
        >>> from lakehouse.schema import Column
        >>> read_value(Rule("few", "range", ("size",), {"max": 5.0}), Column("size", "int8"), 5.0)
        5
    """
    if column.type in INTEGERS:
        return _integer(rule, column, value)
    if column.type in FLOATS:
        return _float(rule, column, value)
    wanted = bool if column.type == "bool" else str
    if not isinstance(value, wanted):
        raise _misfit(rule, column, value, f"a {wanted.__name__}")
    return value


def _integer(rule: Rule, column: Column, value: object) -> int:
    largest = 2 ** (int(column.type[3:]) - 1) - 1
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    if not isinstance(whole, int) or isinstance(whole, bool) or not -largest - 1 <= whole <= largest:
        raise _misfit(rule, column, value, f"an integer from {-largest - 1} to {largest}")
    return whole


def _float(rule: Rule, column: Column, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise _misfit(rule, column, value, "a finite number")
    if column.type == "float32" and abs(value) > _LARGEST_FLOAT32:
        raise _misfit(rule, column, value, "a number within the range of float32")
    return float(value)


def _misfit(rule: Rule, column: Column, value: object, wanted: str) -> ContractError:
    return broken_rule(rule, f"column {column.name!r} is {column.type}; expected {wanted}, got {value!r}.")
