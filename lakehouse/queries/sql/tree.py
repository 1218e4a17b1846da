"""SQL text as DuckDB's own syntax tree, in plain dictionaries.

The tree comes from the parser that later runs the text (`json_serialize_sql`), on the same connection. So
what is checked is what is executed, and the text never has to be rewritten: with a second parser, every
difference between the two would be either a hole in the sandbox or a changed meaning. A shape of the tree
that this version does not know is refused by the sandbox and prunes nothing.
"""

from __future__ import annotations

import contextlib
import json
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.errors import QueryError

if TYPE_CHECKING:
    import duckdb

Node = dict[str, Any]

_SERIALIZE = (
    "SELECT json_serialize_sql($text, skip_null := true, skip_empty := true, skip_default := true)::VARCHAR"
)
_FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_ALLOWED = "SELECT, WITH, VALUES, FROM, PIVOT … ON … IN (…), UNPIVOT, DESCRIBE or SUMMARIZE"


@dataclass(frozen=True, slots=True)
class Statement:
    """One parsed statement."""

    text: str
    """as the user wrote it, and as it will run"""
    node: Node
    """its query node"""
    parameters: tuple[str, ...]
    """names of its parameters, sorted; positional ones are '1', '2', …"""


def parse(connection: duckdb.DuckDBPyConnection, text: str) -> Statement:
    """Parse exactly one SELECT statement.

    Raises:
        QueryError: it can not be parsed, is empty, is several statements, or is not a SELECT.
    """
    _check_text(text)
    answer = _serialized(connection, text)
    if answer.get("error"):
        raise _refusal(connection, text, answer)
    statements = answer.get("statements", [])
    if len(statements) != 1:
        count = len(statements)
        raise QueryError(
            f"Give exactly one SQL statement; got {count or 'none'}.", hint=f"Use one {_ALLOWED}."
        )
    statement = statements[0]
    names = tuple(sorted(entry["key"] for entry in statement.get("named_param_map", [])))
    return Statement(text, statement["node"], names)


def fold(name: str) -> str:
    """Return an identifier as DuckDB compares it: without ASCII case.

    Examples:
        >>> fold("Market_Data")
        'market_data'
    """
    return name.translate(_FOLD)


def is_expression(node: Node, kind: str) -> bool:
    """Say whether a node is an expression of this class."""
    return node.get("class") == kind


def subqueries(value: Any) -> Iterator[Node]:
    """Yield the queries of the subqueries in an expression, without those inside them."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            inner = item.get("subquery") if is_expression(item, "SUBQUERY") else None
            if isinstance(inner, dict) and "node" in inner:
                yield inner["node"]
            stack.extend(child for key, child in item.items() if key != "subquery" or inner is None)


def find(value: Any, kind: str, *, inside: bool = False) -> Iterator[Node]:
    """Yield the expressions of a class at every depth of a value, of subqueries too if `inside`."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            if is_expression(item, kind):
                yield item
            stack.extend(child for key, child in item.items() if inside or key != "subquery")


def nodes(value: Any) -> Iterator[Node]:
    """Yield every node of a tree, at every depth."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            yield item
            stack.extend(item.values())


def _check_text(text: str) -> None:
    if not isinstance(text, str):
        raise QueryError(f"SQL must be a str; got {type(text).__name__}.")
    if "\0" in text:
        raise QueryError("SQL must not hold the character NUL.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise QueryError("SQL must be valid Unicode.") from error


def _serialized(connection: duckdb.DuckDBPyConnection, text: str) -> Node:
    rows = connection.sql(_SERIALIZE, params={"text": text}).fetchall()
    try:
        answer: Node = json.loads(rows[0][0])
    except RecursionError as error:
        raise QueryError("The SQL is nested too deeply.") from error
    return answer


def _refusal(connection: duckdb.DuckDBPyConnection, text: str, answer: Node) -> QueryError:
    message = str(answer.get("error_message", "it can not be parsed")).splitlines()[0]
    if answer.get("error_type") != "not implemented":
        return QueryError(f"The SQL can not be parsed: {message}{_position(text, answer)}.")
    verb = _verb(connection, text)
    if verb in (None, "SELECT"):
        return QueryError(f"The SQL can not be used: {message}", hint=f"Use one {_ALLOWED}.")
    return QueryError(f"SQL here only reads: {verb} is refused.", hint=f"Use one {_ALLOWED}.")


def _position(text: str, answer: Node) -> str:
    if not str(answer.get("position", "")).isdigit():
        return ""
    before = text.encode()[: int(answer["position"])].decode(errors="ignore")
    return f" (line {before.count(chr(10)) + 1}, character {len(before) - before.rfind(chr(10))})"


def _verb(connection: duckdb.DuckDBPyConnection, text: str) -> str | None:
    """Name the first statement that is no SELECT, for the message alone."""
    import duckdb

    with contextlib.suppress(duckdb.Error):
        kinds = [statement.type.name.replace("_", " ") for statement in connection.extract_statements(text)]
        return next((kind for kind in kinds if kind != "SELECT"), "SELECT")
    return None
