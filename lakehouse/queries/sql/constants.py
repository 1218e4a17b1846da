"""The constants of a query: literals, parameters, and expressions of nothing else, computed by DuckDB itself.

DuckDB computes them because its rules are its own: the literal '2024-01-01 00:00+02' is midnight (the zone is
ignored), and a time loses its hours when it is compared with a date column. Whoever reads dates by other
rules prunes wrongly.
"""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lakehouse.queries.sql.bounds import Kind
from lakehouse.queries.sql.functions import STEADY_FUNCTIONS
from lakehouse.queries.sql.tree import Node, find, fold

if TYPE_CHECKING:
    import duckdb

_PLAIN = re.compile(r"(19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}(?P<time> [0-9]{2}:[0-9]{2}:[0-9]{2})?", re.ASCII)
_STEADY_CLASSES = frozenset({"CAST", "CONSTANT", "FUNCTION", "PARAMETER", "TYPE"})
_SQL_TYPES: Mapping[Kind, str] = {
    "date": "DATE",
    "timestamp[us]": "TIMESTAMP",
    "timestamp[ns]": "TIMESTAMP_NS",
}
_TIME_TYPES = frozenset(
    {"DATE", "TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S", "TIMESTAMP WITH TIME ZONE"}
)


@dataclass(frozen=True, slots=True)
class Constants:
    """Computes the constants of one query."""

    connection: duckdb.DuckDBPyConnection
    """the query's own"""
    values: Mapping[str, Any]
    """parameters as they were given: str, list of str, bool, None or anything else"""
    bound: Mapping[str, Any]
    """parameters as they are handed to DuckDB"""
    computed: dict[tuple[str, str], int | None] = field(default_factory=dict)
    """instants computed so far"""

    def truth(self, node: Node) -> bool | None:
        """Return True if a condition holds for every row, False if for none, None if it is not constant."""
        match node.get("type"):
            case "OPERATOR_IS_NULL" | "OPERATOR_IS_NOT_NULL":
                null = self.is_null(node["children"][0])
                return None if null is None else null == (node["type"] == "OPERATOR_IS_NULL")
            case "VALUE_CONSTANT" if node["literal"].get("kind") == "BOOLEAN":
                return bool(node["literal"].get("text") == "true")
            case "VALUE_PARAMETER" if isinstance(self._value(node), bool):
                return bool(self._value(node))
            case "VALUE_CONSTANT" | "VALUE_PARAMETER" if self.is_null(node):
                return False
            case "OPERATOR_NOT":
                return self._negation(node["children"][0])
        return None

    def is_null(self, node: Node) -> bool | None:
        """Say whether a literal or parameter is null; None for anything else."""
        if node.get("class") == "CONSTANT":
            return bool(node["literal"].get("kind") == "NULL_LITERAL")
        if node.get("class") == "PARAMETER":
            return self._value(node) is None
        return None

    def string(self, node: Node) -> str | None:
        """Return the value of a string literal or parameter."""
        if node.get("class") == "CONSTANT" and node["literal"].get("kind") == "STRING":
            return str(node["literal"].get("text", ""))
        value = self._value(node) if node.get("class") == "PARAMETER" else None
        return value if isinstance(value, str) else None

    def strings(self, node: Node) -> frozenset[str] | None:
        """Return the members of a constant list of strings, nulls left out."""
        if node.get("class") == "PARAMETER":
            value = self._value(node)
            if isinstance(value, list) and all(isinstance(item, str | None) for item in value):
                return frozenset(item for item in value if item is not None)
        if node.get("class") == "FUNCTION" and fold(str(node.get("function_name"))) == "list_value":
            return self.members([argument["expression"] for argument in node.get("arguments", [])])
        return None

    def members(self, nodes: list[Node]) -> frozenset[str] | None:
        """Return the values of string constants, nulls left out; None if any is something else."""
        found = [self.string(node) for node in nodes if not self.is_null(node)]
        return None if None in found else frozenset(value for value in found if value is not None)

    def nanoseconds(self, node: Node, kind: Kind) -> int | None:
        """Return the instant with which a time column of this kind is compared; None if it is not certain."""
        plain = _plain_instant(self.string(node), kind)
        if plain is not None:
            return plain
        if not _is_steady(node):
            return None
        key = (json.dumps(node), kind)
        if key not in self.computed:
            self.computed[key] = self._compute(node, kind)
        return self.computed[key]

    def _compute(self, node: Node, kind: Kind) -> int | None:
        import duckdb

        try:
            text = self._text(node)
            needed = {each["identifier"] for each in find(node, "PARAMETER")}
            bound = {name: value for name, value in self.bound.items() if name in needed}
            found = str(self.connection.sql(f"SELECT {text}", params=bound).types[0])
            if found == "VARCHAR":
                text = f"CAST({text} AS {_SQL_TYPES[kind]})"
            elif found not in _TIME_TYPES:
                return None
            elif found == "TIMESTAMP WITH TIME ZONE":
                text = f"CAST({text} AS TIMESTAMP)"
            answer = self.connection.sql(
                f"SELECT epoch_ns(CAST({text} AS TIMESTAMP_NS))", params=bound
            ).fetchall()
        except duckdb.Error:  # the query itself will say what is wrong with it, if anything is
            return None
        return answer[0][0] if isinstance(answer[0][0], int) else None

    def _text(self, node: Node) -> str:
        select = {
            "type": "SELECT_NODE",
            "cte_map": {},
            "select_list": [node],
            "from_table": {"type": "EMPTY"},
            "aggregate_handling": "STANDARD_HANDLING",
        }
        tree = json.dumps({"error": False, "statements": [{"node": select}]})
        text: str = self.connection.sql(
            "SELECT json_deserialize_sql($tree)", params={"tree": tree}
        ).fetchall()[0][0]
        return text.removeprefix("SELECT ")

    def _value(self, node: Node) -> Any:
        return self.values.get(str(node.get("identifier")))

    def _negation(self, node: Node) -> bool | None:
        if self.is_null(node):
            return False
        truth = self.truth(node)
        return None if truth is None else not truth


def _plain_instant(text: str | None, kind: Kind) -> int | None:
    """Read a date, or a date and a time in whole seconds: what has one meaning need not go to DuckDB."""
    found = _PLAIN.fullmatch(text) if text is not None and kind != "symbol" else None
    if found is None or (kind == "date" and found["time"]):
        return None
    try:
        seconds = calendar.timegm(datetime.fromisoformat(found[0]).timetuple())
    except ValueError:  # there is no such day or hour
        return None
    return seconds * 1_000_000_000


def _is_steady(node: Any) -> bool:
    """Say whether an expression is made of literals, parameters and steady functions alone."""
    if isinstance(node, list):
        return all(_is_steady(item) for item in node)
    if not isinstance(node, dict):
        return True
    if "class" in node and node["class"] not in _STEADY_CLASSES:
        return False
    if node.get("class") == "FUNCTION" and fold(str(node.get("function_name"))) not in STEADY_FUNCTIONS:
        return False
    return all(_is_steady(child) for child in node.values())
