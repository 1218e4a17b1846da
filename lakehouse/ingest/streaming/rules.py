"""The rules for single rows, on the values of one row: the answers of `ingest.rules`, without a frame."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from lakehouse.errors import SchemaError
from lakehouse.ingest.polars_types import POLARS_TYPES
from lakehouse.ingest.rules import evaluate_rules
from lakehouse.ingest.rules.arguments import FLOATS, read_value
from lakehouse.schema import UNIT_NS
from lakehouse.times import MAX_NS, MIN_NS

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract
    from lakehouse.catalog.rule import Rule
    from lakehouse.schema import Column, TableSchema

Breaks = Callable[[Sequence[Any]], bool]
"""says whether the values of a row break a rule"""


class RowJudge:
    """The rules of a contract for single rows; safe to share between threads."""

    def __init__(self, contract: Contract) -> None:
        """Take a contract with row rules alone, see `prepare.row_contract`."""
        self._name = contract.name
        schema = contract.schema
        self._rules = [(rule, _breaks(rule, schema)) for rule in contract.rules]
        self._demands = list(_demands(schema))
        self.needs_engine = any(rule.kind not in _OF_VALUES for rule, _ in self._rules)
        """whether a row costs milliseconds by itself, and no more among many"""

    def refuses(self, values: Sequence[Any]) -> bool:
        """Say whether sealing will quarantine a row.

        Raises:
            SchemaError: it breaks a rule of level `reject`.
        """
        refused = False
        for demand in self._demands:
            if demand(values):
                refused = True
        for rule, breaks in self._rules:
            if breaks(values):
                if rule.level == "reject":
                    raise SchemaError(
                        f"The row breaks the rule {rule.name!r} of {self._name}, which rejects the write.",
                        hint="Correct the row, or give the rule the level 'quarantine' or 'warn'.",
                    )
                refused = True
        return refused


def _demands(schema: TableSchema) -> list[Breaks]:
    """Return what every row must have: see `prepare`, which flags the same at sealing."""
    places = {column.name: place for place, column in enumerate(schema.columns)}
    found: list[Breaks] = [
        partial(_is_null, place)
        for place, column in enumerate(schema.columns)
        if not column.nullable and column.name != schema.symbol
    ]
    found += [partial(_is_nan, places[name]) for name in schema.key if schema[name].type in FLOATS]
    if schema.symbol is not None:
        found.append(partial(_is_empty, places[schema.symbol]))
    if schema.time is not None:
        unit = UNIT_NS[schema[schema.time].type]
        found.append(partial(_is_outside, places[schema.time], -(-MIN_NS // unit), (MAX_NS - 1) // unit))
    return found


def _is_null(place: int, values: Sequence[Any]) -> bool:
    return values[place] is None


def _is_nan(place: int, values: Sequence[Any]) -> bool:
    value = values[place]
    return bool(value != value)


def _is_empty(place: int, values: Sequence[Any]) -> bool:
    return not values[place]


def _is_outside(place: int, first: int, last: int, values: Sequence[Any]) -> bool:
    value = values[place]
    return value is not None and not first <= value <= last


def _breaks(rule: Rule, schema: TableSchema) -> Breaks:
    names = schema.names
    places = [names.index(name) for name in rule.columns]
    columns = [schema[name] for name in rule.columns]
    if rule.kind == "not_null":
        return partial(_any_null, places)
    if rule.kind == "ohlc":
        return partial(_impossible_bar, places)
    if rule.kind in _TESTS:
        make = _TESTS[rule.kind]
        tests = [(place, make(rule, column)) for place, column in zip(places, columns, strict=True)]
        return partial(_any_broken, tests)
    return partial(_by_the_judges, rule, schema)


def _any_null(places: Sequence[int], values: Sequence[Any]) -> bool:
    return any(values[place] is None for place in places)


def _any_broken(tests: Sequence[tuple[int, Callable[[Any], bool]]], values: Sequence[Any]) -> bool:
    for place, is_good in tests:
        value = values[place]
        if value is not None and not is_good(value):
            return True
    return False


def _impossible_bar(places: Sequence[int], values: Sequence[Any]) -> bool:
    opened, high, low, closed = (values[place] for place in places)
    pairs = ((low, opened), (low, closed), (low, high), (opened, high), (closed, high))
    if any(a is not None and b is not None and not a <= b for a, b in pairs):  # true for NaN
        return True
    return any(value is not None and value != value for value in (opened, high, low, closed))


def _positive(rule: Rule, column: Column) -> Callable[[Any], bool]:
    return partial(operator.lt, 0)


def _non_negative(rule: Rule, column: Column) -> Callable[[Any], bool]:
    return partial(operator.le, 0)


def _between(rule: Rule, column: Column) -> Callable[[Any], bool]:
    low, high = rule.arguments.get("min"), rule.arguments.get("max")
    least = -math.inf if low is None else _in_type(rule, column, low)
    most = math.inf if high is None else _in_type(rule, column, high)
    return lambda value: least <= value <= most


def _one_of(rule: Rule, column: Column) -> Callable[[Any], bool]:
    return frozenset(_in_type(rule, column, value) for value in rule.arguments["values"]).__contains__


def _in_type(rule: Rule, column: Column, value: object) -> Any:
    read = read_value(rule, column, value)
    return pa.scalar(read, pa.float32()).as_py() if column.type == "float32" else read


def _by_the_judges(rule: Rule, schema: TableSchema, values: Sequence[Any]) -> bool:
    """Judge one row as a frame: a rule in SQL, which needs the engine."""
    frame = pl.DataFrame(
        [
            pl.Series(column.name, [value], POLARS_TYPES[column.type])
            for column, value in zip(schema.columns, values, strict=True)
        ]
    )
    return bool(evaluate_rules(frame, [rule], schema)[rule.name][0])


_TESTS: Mapping[str, Callable[[Rule, Column], Callable[[Any], bool]]] = {
    "positive": _positive,
    "non_negative": _non_negative,
    "range": _between,
    "one_of": _one_of,
}
_OF_VALUES = frozenset({*_TESTS, "not_null", "ohlc"})
