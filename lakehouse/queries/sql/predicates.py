"""What a condition proves about the symbol and time columns of the rows for which it is true.

Understood are comparisons with constants, IN, BETWEEN, lists, `time::date`, equality and order between
columns, AND, and OR as the join of both sides. Anything else proves nothing, which is always right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lakehouse.queries.sql.bounds import NEVER, NOTHING, Bounds, Facts, Key, Kind, all_of, any_of
from lakehouse.queries.sql.constants import Constants
from lakehouse.queries.sql.shapes import Scope
from lakehouse.queries.sql.tree import Node, find, fold
from lakehouse.times import MAX_NS, MIN_NS, NS_PER_DAY

_EQUAL, _LESS, _LESS_EQUAL = "COMPARE_EQUAL", "COMPARE_LESSTHAN", "COMPARE_LESSTHANOREQUALTO"
_GREATER, _GREATER_EQUAL = "COMPARE_GREATERTHAN", "COMPARE_GREATERTHANOREQUALTO"
_MIRRORED: Mapping[str, str] = {
    _EQUAL: _EQUAL,
    _LESS: _GREATER,
    _LESS_EQUAL: _GREATER_EQUAL,
    _GREATER: _LESS,
    _GREATER_EQUAL: _LESS_EQUAL,
}
_LIST_SEARCHES = frozenset({"contains", "list_contains", "list_has", "array_contains", "array_has"})
_ROUNDING_NS = 1_000
"""a cast of nanoseconds to microseconds rounds by less than this; one to dates may round up to the next
day"""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the conditions of one SELECT."""

    scope: Scope
    """its FROM"""
    constants: Constants
    """of the query"""

    def facts(self, condition: Node | None) -> Facts:
        """Return what a condition proves."""
        if not condition:
            return NOTHING
        truth = self.constants.truth(condition)
        if truth is not None:
            return NOTHING if truth else NEVER
        match condition.get("type"):
            case "CONJUNCTION_AND":
                return all_of([self.facts(child) for child in condition["children"]])
            case "CONJUNCTION_OR":
                return any_of([self.facts(child) for child in condition["children"]])
            case "COMPARE_BETWEEN":
                value, lower, upper = condition["input"], condition["lower"], condition["upper"]
                return self._compare(value, _GREATER_EQUAL, lower).both(
                    self._compare(value, _LESS_EQUAL, upper)
                )
            case "COMPARE_IN":
                return self._in(*condition["children"])
            case "FUNCTION" if fold(str(condition.get("function_name"))) in _LIST_SEARCHES:
                return self._search(condition)
            case "SUBQUERY" if (
                condition.get("subquery_type") == "ANY" and condition.get("comparison_type") == _EQUAL
            ):
                return self._any_of_list(condition)
            case kind if kind in _MIRRORED and condition.get("class") == "COMPARISON":
                return self._compare(condition["left"], str(kind), condition["right"])
        return NOTHING

    def equal(self, left: Key | None, right: Key | None) -> Facts:
        """Return the fact that two columns are equal, where they are of one sort."""
        return Facts(equal=((left, right),)) if left and right and self._comparable(left, right) else NOTHING

    def not_after(self, left: Key | None, right: Key | None) -> Facts:
        """Return the fact that one time column is not after another."""
        if not left or not right or not self._comparable(left, right) or self.scope.kind(left) == "symbol":
            return NOTHING
        return Facts(ordered=((left, right),))

    def _comparable(self, left: Key, right: Key) -> bool:
        return (self.scope.kind(left) == "symbol") == (self.scope.kind(right) == "symbol")

    def _compare(self, left: Node, operator: str, right: Node) -> Facts:
        if self.constants.is_null(left) or self.constants.is_null(right):
            return NEVER
        mine, other = self.scope.resolve(left), self.scope.resolve(right)
        if mine and other:
            return self._relate(mine, operator, other)
        if other or (mine is None and self._cast_column(left) is None):
            return self._compare_constant(right, _MIRRORED[operator], left)
        return self._compare_constant(left, operator, right)

    def _in(self, value: Node, *members: Node) -> Facts:
        key = self.scope.resolve(value)
        if key is not None and self.scope.kind(key) == "symbol":
            strings = self.constants.members(list(members))
            return NOTHING if strings is None else Facts({key: Bounds(strings)})
        return any_of([self._compare(value, _EQUAL, member) for member in members])

    def _relate(self, left: Key, operator: str, right: Key) -> Facts:
        if operator == _EQUAL:
            return self.equal(left, right)
        early, late = (left, right) if operator in (_LESS, _LESS_EQUAL) else (right, left)
        return self.not_after(early, late)

    def _compare_constant(self, column: Node, operator: str, constant: Node) -> Facts:
        key = self.scope.resolve(column)
        if key is None:
            return self._compare_cast(column, operator, constant)
        kind = self.scope.kind(key)
        if kind == "symbol":
            text = self.constants.string(constant)
            return NOTHING if text is None or operator != _EQUAL else Facts({key: Bounds(frozenset([text]))})
        instant = None if kind is None else self.constants.nanoseconds(constant, kind)
        return NOTHING if instant is None else Facts({key: _range(operator, instant)})

    def _compare_cast(self, column: Node, operator: str, constant: Node) -> Facts:
        """Read `time::date` and `time::timestamp`, which may round up."""
        found = self._cast_column(column)
        if found is None:
            return NOTHING
        key, kind = found
        instant = self.constants.nanoseconds(constant, kind)
        if instant is None:
            return NOTHING
        bounds = _days(operator, instant) if kind == "date" else _range(operator, instant)
        last = bounds.last if kind == "date" else min(bounds.last + _ROUNDING_NS, MAX_NS)
        first = max(bounds.first - _ROUNDING_NS, MIN_NS)
        return Facts({key: Bounds(first=first, last=last)})

    def _cast_column(self, node: Node) -> tuple[Key, Kind] | None:
        """Return the time column below a cast, and the kind to which it is cast."""
        if node.get("class") != "CAST":
            return None
        key = self.scope.resolve(node["child"])
        target = fold(str(node.get("type_expr", {}).get("type_name")))
        if key is None or self.scope.kind(key) == "symbol" or "children" in node["type_expr"]:
            return None
        if target == "date":
            return key, "date"
        return (key, "timestamp[us]") if target == "timestamp" else None

    def _search(self, call: Node) -> Facts:
        """Read `symbol IN $list` and `list_contains(list, symbol)`."""
        arguments = [argument["expression"] for argument in call.get("arguments", [])]
        if len(arguments) != 2:
            return NOTHING
        return self._member(arguments[1], arguments[0])

    def _any_of_list(self, subquery: Node) -> Facts:
        """Read `symbol = ANY(list)`, which the parser turns into a subquery over `unnest(list)`."""
        query = subquery.get("subquery", {}).get("node", {})
        selected = query.get("select_list", [])
        plain = query.get("from_table", {}).get("type") == "EMPTY" and "where_clause" not in query
        calls = list(find(selected, "FUNCTION"))[:1]
        if (
            not plain
            or len(selected) != 1
            or calls != selected
            or fold(str(calls[0]["function_name"])) != "unnest"
        ):
            return NOTHING
        arguments = calls[0].get("arguments", [])
        return self._member(subquery["child"], arguments[0]["expression"]) if len(arguments) == 1 else NOTHING

    def _member(self, column: Node, members: Node) -> Facts:
        if self.constants.is_null(members):
            return NEVER
        key, strings = self.scope.resolve(column), self.constants.strings(members)
        if key is None or strings is None or self.scope.kind(key) != "symbol":
            return NOTHING
        return Facts({key: Bounds(strings)})


def _range(operator: str, instant: int) -> Bounds:
    match operator:
        case "COMPARE_LESSTHAN":
            return Bounds(last=instant - 1)
        case "COMPARE_LESSTHANOREQUALTO":
            return Bounds(last=instant)
        case "COMPARE_GREATERTHAN":
            return Bounds(first=instant + 1)
        case "COMPARE_GREATERTHANOREQUALTO":
            return Bounds(first=instant)
    return Bounds(first=instant, last=instant)


def _days(operator: str, instant: int) -> Bounds:
    """Return the instants whose day compares like this with `instant`."""
    midnight = instant // NS_PER_DAY * NS_PER_DAY
    after = midnight + NS_PER_DAY
    match operator:
        case "COMPARE_LESSTHAN":
            return Bounds(last=(midnight if instant == midnight else after) - 1)
        case "COMPARE_LESSTHANOREQUALTO":
            return Bounds(last=after - 1)
        case "COMPARE_GREATERTHAN":
            return Bounds(first=after)
        case "COMPARE_GREATERTHANOREQUALTO":
            return Bounds(first=midnight)
    return Bounds(first=midnight, last=after - 1)
