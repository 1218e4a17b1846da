"""SQL rules as text: a boolean expression, and the query of the standard that counts its bad rows."""

from __future__ import annotations

import re

from lakehouse.errors import ContractError

_QUERY = re.compile(
    r"\s*select\s+count\s*\(\s*\*\s*\)\s+from\s+\$?\{(?:object|table|model)\}"
    r"\s+where\s+not\s*\((?P<expression>.*)\)\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def to_query(expression: str) -> str:
    """Return the query that counts the rows for which `expression` is false.

    Examples:
        >>> to_query("bid <= ask")
        'SELECT count(*) FROM {object} WHERE NOT (bid <= ask)'
    """
    return f"SELECT count(*) FROM {{object}} WHERE NOT ({expression})"


def from_query(query: str, *, rule: str) -> str:
    """Return the expression for which a query of the form of `to_query` counts the bad rows.

    Raises:
        ContractError: the query has another form, which the lake could not apply to single rows.

    Examples:
        >>> from_query("select count(*) from ${object} where not (bid <= ask)", rule="uncrossed")
        'bid <= ask'
    """
    found = _QUERY.fullmatch(query)
    if found is None:
        raise ContractError(
            f"Rule {rule!r}: the query {query!r} does not count the bad rows one by one.",
            hint=f"Write {to_query('<expression that is true for a good row>')} with mustBe: 0.",
        )
    return check_expression(found.group("expression"), rule=rule)


def check_expression(expression: str, *, rule: str) -> str:
    """Return `expression` if it is one expression: no comment, no semicolon, every bracket and quote closed.

    So that it stays inside the brackets into which every engine puts it; whether it is good SQL over the
    columns is for the engine to say.

    Raises:
        ContractError: it is not.
    """
    bare = _QUOTED.sub(" ", expression)
    if not bare.strip() and bare == expression:
        raise ContractError(f"Rule {rule!r}: the SQL expression is empty.")
    if any(mark in bare for mark in (";", "--", "/*", "'", '"')) or not _is_balanced(bare):
        raise ContractError(
            f"Rule {rule!r}: {expression!r} is not one closed SQL expression.",
            hint="No comments or semicolons; close every bracket and quote.",
        )
    return expression


def _is_balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0
