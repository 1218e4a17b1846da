"""Quality rules: what a contract demands of rows, and the table of the kinds that the lake can check."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from lakehouse.catalog.durations import parse_duration
from lakehouse.catalog.sql_text import check_expression
from lakehouse.errors import ArgumentError, ContractError
from lakehouse.names import ProductName, is_plain_name
from lakehouse.schema import TYPES, TableSchema

RuleLevel = Literal["reject", "quarantine", "warn"]

LEVELS: tuple[RuleLevel, ...] = get_args(RuleLevel)
NUMBERS = tuple(name for name, row in TYPES.items() if row.logical in ("integer", "number"))
OHLC_COLUMNS = ("open", "high", "low", "close")
_USUAL_COLUMNS = {"ohlc": OHLC_COLUMNS, "volume": ("volume", "high", "low")}


@dataclass(frozen=True, slots=True)
class RuleKind:
    """The shape of one kind of rule."""

    columns: tuple[int, int] = (0, 0)
    """fewest and most columns"""
    types: tuple[str, ...] = tuple(TYPES)
    """column types it can check"""
    required: Mapping[str, str] = field(default_factory=dict)
    """argument to sort of value, see `_SORTS`"""
    optional: Mapping[str, str] = field(default_factory=dict)
    """likewise"""
    needs_time: bool = False
    """whether the product must have a time column"""


_MANY = 10_000
RULE_KINDS: Mapping[str, RuleKind] = {
    "ohlc": RuleKind((4, 4), NUMBERS),
    "positive": RuleKind((1, _MANY), NUMBERS),
    "non_negative": RuleKind((1, _MANY), NUMBERS),
    "not_null": RuleKind((1, _MANY)),
    "range": RuleKind((1, _MANY), NUMBERS, optional={"min": "number", "max": "number"}),
    "one_of": RuleKind((1, _MANY), ("bool", "string", *NUMBERS), required={"values": "values"}),
    "spike": RuleKind((1, 1), NUMBERS, required={"window": "window", "threshold": "positive number"}),
    "jump": RuleKind((1, 1), NUMBERS, required={"max_change": "positive number"}, needs_time=True),
    "stale": RuleKind((1, 1), required={"max_rows": "count"}, needs_time=True),
    "spacing": RuleKind((1, 1), NUMBERS, required={"min_gap": "duration"}, needs_time=True),
    "adjusted": RuleKind((3, 3), NUMBERS, optional={"tolerance": "positive number"}, needs_time=True),
    "gap": RuleKind(required={"max_gap": "duration"}, optional={"calendar": "calendar"}, needs_time=True),
    "session": RuleKind(required={"calendar": "calendar"}, needs_time=True),
    "monotonic_time": RuleKind(needs_time=True),
    "volume": RuleKind((3, 3), NUMBERS),
    "distinct": RuleKind((0, _MANY)),
    "known": RuleKind((1, 1), required={"product": "product"}, optional={"column": "text"}),
    "agrees": RuleKind(
        (1, 1),
        NUMBERS,
        required={"product": "product"},
        optional={"column": "text", "absolute": "positive number", "relative": "positive number"},
        needs_time=True,
    ),
    "sql": RuleKind(required={"expression": "expression"}),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One demand on the rows of a product.

    A null breaks no rule but `not_null`; NaN breaks `positive`, `non_negative`, `ohlc`, `volume` and `range`.

    - `ohlc`: low <= open, close <= high; the four columns are named in the order open, high, low, close.
    - `positive`, `non_negative`, `not_null`: of every column named.
    - `range`: `min` <= value <= `max`, both inclusive, one may be absent.
    - `one_of`: the value is among `values`.
    - `spike`: |value - rolling median of `window` rows| <= `threshold` * 1.4826 * MAD, per symbol.
    - `jump`: |value - previous value of the symbol| <= `max_change` * |previous value|.
    - `stale`: a value of a symbol stands for at most `max_rows` rows one after the other.
    - `spacing`: at least `min_gap` between rows of a symbol whose value is neither null nor zero.
    - `adjusted`: columns close, adjusted close and dividend; adjusted / close changes by the dividend alone.
    - `gap`: at most `max_gap` (such as "3d") between consecutive rows of a symbol; with a `calendar`, counted
      in sessions of a day each (dates), or in the time in which the exchange is open (timestamps).
    - `session`: the time lies in a session of the `calendar`, such as "XNYS" or "mon-fri".
    - `monotonic_time`: time never goes backwards within a symbol, in order of arrival.
    - `volume`: columns volume, high and low; not below zero, and above zero where the price moved.
    - `distinct`: no earlier row has the same values in `columns`; in all columns where none is named.
    - `known`: the value is among those of `column` (by default the same) of another `product`.
    - `agrees`: at most `absolute` or `relative` times the value away from the `column` (by default the same)
      of the row of another `product` with the same symbol and time, where there is one.
    - `sql`: `expression` is a boolean SQL expression over the row's columns, true or null for a good row.

    Raises:
        ContractError: an unknown kind or level, or columns or arguments that the kind can not have.

    Examples:
        >>> Rule("sane_size", "range", ("size",), {"max": 1_000_000}).level
        'quarantine'
    """

    name: str
    """unique in its contract: lower-case letters, digits, underscores"""
    kind: str
    """a key of `RULE_KINDS`"""
    columns: tuple[str, ...] = ()
    """what it checks; empty for rules over whole rows"""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """plain values; lists are kept as tuples"""
    level: RuleLevel = "quarantine"
    """what becomes of a write (reject), a row (quarantine) or the report (warn)"""
    description: str = ""
    """one sentence for the reader of the catalog"""

    def __post_init__(self) -> None:
        """Bring columns and arguments to their one form, and check them."""
        columns = (self.columns,) if isinstance(self.columns, str) else tuple(self.columns)
        object.__setattr__(self, "columns", columns or _USUAL_COLUMNS.get(self.kind, ()))
        plain = {
            key: tuple(value) if isinstance(value, list) else value for key, value in self.arguments.items()
        }
        object.__setattr__(self, "arguments", plain)
        _check_shape(self)


def check_rule(rule: Rule, schema: TableSchema) -> None:
    """Raise unless the rule's columns exist and have types that its kind can check.

    Raises:
        ContractError: with the rule, the column and the choices.
    """
    kind = RULE_KINDS[rule.kind]
    for name in rule.columns:
        if name not in schema.names:
            raise _broken(rule, f"unknown column {name!r}", f"The columns are {', '.join(schema.names)}.")
        if schema[name].type not in kind.types:
            raise _broken(
                rule,
                f"{rule.kind} can not check column {name!r} of type {schema[name].type}",
                f"It checks {', '.join(kind.types)}.",
            )
    if kind.needs_time and schema.time is None:
        raise _broken(rule, f"{rule.kind} needs a time column, and the product has none")
    for name in rule.columns if rule.kind == "one_of" else ():
        _check_values_fit(rule, name, schema[name].type)


def _check_shape(rule: Rule) -> None:
    if not isinstance(rule.name, str) or not is_plain_name(rule.name):
        raise ContractError(
            f"Not a name for a rule: {rule.name!r}.", hint="Use lower-case letters, digits and underscores."
        )
    if rule.kind not in RULE_KINDS:
        raise _broken(rule, f"unknown kind {rule.kind!r}", f"Kinds: {', '.join(RULE_KINDS)}.")
    if rule.level not in LEVELS:
        raise _broken(rule, f"unknown level {rule.level!r}", f"Levels: {', '.join(LEVELS)}.")
    kind = RULE_KINDS[rule.kind]
    fewest, most = kind.columns
    if not fewest <= len(rule.columns) <= most or len(set(rule.columns)) < len(rule.columns):
        amount = str(fewest) if fewest == most else f"{fewest} or more"
        raise _broken(rule, f"{rule.kind} takes {amount} different columns, got {list(rule.columns)}")
    if not all(isinstance(name, str) for name in rule.columns):
        raise _broken(rule, f"column names must be text, got {list(rule.columns)}")
    _check_arguments(rule, kind)


def _check_arguments(rule: Rule, kind: RuleKind) -> None:
    sorts = {**kind.required, **kind.optional}
    choices = f"{rule.kind} takes {', '.join(sorts) or 'no arguments'}."
    for name, value in rule.arguments.items():
        if name not in sorts:
            raise _broken(rule, f"unknown argument {name!r}", choices)
        fits, meaning = _SORTS[sorts[name]]
        if not fits(value):
            raise _broken(rule, f"{name} must be {meaning}, got {value!r}")
    missing = [name for name in kind.required if name not in rule.arguments]
    if missing:
        raise _broken(rule, f"{rule.kind} needs {', '.join(missing)}", choices)
    if rule.kind == "range":
        _check_bounds(rule)
    if rule.kind == "agrees" and not {"absolute", "relative"} & rule.arguments.keys():
        raise _broken(rule, "agrees needs absolute, relative or both", choices)
    for name in {"max_gap", "min_gap"} & rule.arguments.keys():
        parse_duration(rule.arguments[name], of=f"{name} of rule {rule.name!r}")
    if "product" in rule.arguments:
        _check_product(rule)
    if "expression" in rule.arguments:
        check_expression(rule.arguments["expression"], rule=rule.name)


def _check_bounds(rule: Rule) -> None:
    low, high = rule.arguments.get("min"), rule.arguments.get("max")
    if low is None and high is None:
        raise _broken(rule, "range needs min, max or both")
    if low is not None and high is not None and low > high:
        raise _broken(rule, f"min {low} is above max {high}")


def _check_product(rule: Rule) -> None:
    try:
        ProductName.parse(rule.arguments["product"])
    except ArgumentError as error:
        raise _broken(rule, error.message.rstrip("."), error.hint) from error


def _check_values_fit(rule: Rule, column: str, type_name: str) -> None:
    wanted: tuple[type, ...] = {
        "string": (str,),
        "bool": (bool,),
        "float32": (int, float),
        "float64": (int, float),
    }.get(type_name, (int,))
    for value in rule.arguments["values"]:
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            raise _broken(
                rule,
                f"the value {value!r} can not be in column {column!r} of type {type_name}",
                "In YAML, quote words such as 'NO', 'ON' and '1.0' to keep them text.",
            )


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64


def _is_plain(value: object) -> bool:
    return isinstance(value, str | bool) or _is_number(value)


_SORTS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "number": (_is_number, "a number (write 0.001, not 1e-3)"),
    "positive number": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    "window": (lambda value: type(value) is int and 3 <= value <= 100_000, "a whole number from 3 to 100000"),
    "count": (lambda value: type(value) is int and 1 <= value <= 100_000, "a whole number from 1 to 100000"),
    "calendar": (lambda value: isinstance(value, str) and bool(value), "a calendar such as XNYS or mon-fri"),
    "product": (lambda value: isinstance(value, str), "the name of a product"),
    "text": (lambda value: isinstance(value, str) and bool(value), "text"),
    "duration": (lambda value: isinstance(value, str), "a duration such as 3d"),
    "expression": (lambda value: isinstance(value, str), "a SQL expression"),
    "values": (
        lambda value: isinstance(value, tuple) and bool(value) and all(map(_is_plain, value)),
        "a list of at least one text, number or boolean",
    ),
}


def _broken(rule: Rule, problem: str, hint: str | None = None) -> ContractError:
    return ContractError(f"Rule {rule.name!r}: {problem}.", hint=hint)
