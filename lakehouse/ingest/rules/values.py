"""Rules that judge values: positive, non_negative, not_null, range, one_of, distinct.

A rule over several columns is broken where any of them breaks it.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import polars as pl

from lakehouse.ingest.polars_types import POLARS_TYPES
from lakehouse.ingest.rules.arguments import FLOATS, broken_rule, columns_of, read_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lakehouse.catalog.rule import Rule
    from lakehouse.schema import Column, TableSchema


def positive(rule: Rule, schema: TableSchema) -> pl.Expr:
    """Return where a number is zero (-0.0 too), negative or NaN; infinity passes."""
    return _any_column(rule, schema, lambda column: pl.col(column.name) <= 0)


def non_negative(rule: Rule, schema: TableSchema) -> pl.Expr:
    """Return where a number is below zero or NaN; -0.0 and infinity pass."""
    return _any_column(rule, schema, lambda column: pl.col(column.name) < 0)


def not_null(rule: Rule, schema: TableSchema) -> pl.Expr:
    """Return where a value is null; NaN is a value and passes."""
    return any_of(pl.col(column.name).is_null() for column in columns_of(rule, schema))


def between(rule: Rule, schema: TableSchema) -> pl.Expr:
    """Return where a number lies outside the closed interval from `min` to `max`, or is NaN.

    The bounds are taken in the column's own type: 0.1 on a float32 column is the float32 nearest to 0.1.
    """
    return _any_column(rule, schema, lambda column: _outside(rule, column))


def one_of(rule: Rule, schema: TableSchema) -> pl.Expr:
    """Return where a value is none of `values`, taken in the column's own type; so NaN always is."""
    return _any_column(rule, schema, lambda column: ~pl.col(column.name).is_in(_allowed(rule, column)))


def distinct(rule: Rule, schema: TableSchema) -> pl.Expr:
    """Return which rows are equal to an earlier row of the frame in every column named, or in all columns.

    Null equals null, and NaN equals NaN.
    """
    names = rule.columns or schema.names
    return ~pl.struct(names).is_first_distinct()


def any_of(conditions: Iterable[pl.Expr]) -> pl.Expr:
    """Return where any condition is true; null counts as false."""
    return reduce(or_, conditions).fill_null(value=False)


def nan_in(columns: Iterable[Column]) -> list[pl.Expr]:
    """Return one condition for each column that can hold NaN.

    NOTE: polars orders NaN above every number and equal to itself, so that no comparison is sure to find it.
    """
    return [pl.col(column.name).is_nan() for column in columns if column.type in FLOATS]


def _any_column(rule: Rule, schema: TableSchema, condition: Callable[[Column], pl.Expr]) -> pl.Expr:
    columns = columns_of(rule, schema)
    return any_of([condition(column) for column in columns] + nan_in(columns))


def _outside(rule: Rule, column: Column) -> pl.Expr:
    least, most = rule.arguments.get("min"), rule.arguments.get("max")
    below = [] if least is None else [pl.col(column.name) < _literal(rule, column, least)]
    above = [] if most is None else [pl.col(column.name) > _literal(rule, column, most)]
    if not below + above:
        raise broken_rule(rule, "it has neither min nor max.")
    return any_of(below + above)


def _literal(rule: Rule, column: Column, value: object) -> pl.Expr:
    return pl.lit(read_value(rule, column, value), dtype=POLARS_TYPES[column.type])


def _allowed(rule: Rule, column: Column) -> list[object]:
    values = [read_value(rule, column, value) for value in rule.arguments["values"]]
    return pl.Series(values, dtype=POLARS_TYPES[column.type]).to_list()
