"""The columns that a query can use, by their names: the others are not decoded.

A name keeps a column of every product that has one of that name. A star keeps all where its columns may come
out, be compared or be counted; the star of a subquery in FROM or of a name of WITH passes on what the query
around it names. In doubt all columns are kept.
"""

from __future__ import annotations

import re

from lakehouse.queries.sql.tree import Node, fold, nodes

_NUMBERED = re.compile(r"_[0-9]+$")
"""how DuckDB renames the second column of a name in a subquery"""
_UNKNOWN_TYPES = frozenset({"PIVOT", "SHOW_REF", "POSITIONAL_REFERENCE", "RECURSIVE_CTE_NODE"})
_SHAPING = ("modifiers", "group_expressions", "group_sets", "qualify", "having", "sample")
_RESHAPING = ("columns", "expr", "rename_list", "qualified_exclude_list")


def named_columns(query: Node) -> frozenset[str] | None:
    """Return the folded names of all columns that a query can use, or None for all.

    Args:
        query: the root of the tree.
    """
    every = list(nodes(query))
    names = {fold(name) for node in every for name in _names(node)}
    sorting = {
        id(order["expression"]) for node in every for order in node.get("orders", []) if _sorts_by_all(order)
    }
    every = [node for node in every if id(node) not in sorting]
    stars = [node for node in every if node.get("class") == "STAR"]
    passing = _passing_stars(query) if stars else set()
    if any(map(_is_unknown, every)) or any(id(star) not in passing for star in stars):
        return None
    if stars and any(node.get("column_name_alias") or node.get("aliases") for node in every):
        return None  # a column of a star can be meant by another name
    whole_rows = {fold(name) for node in every for name in _row_names(node)}
    if any(fold(node["column_names"][-1]) in whole_rows for node in every if "column_names" in node):
        return None
    return frozenset(names | {_without_numbers(name) for name in names})


def _names(node: Node) -> list[str]:
    return [*node.get("column_names", ()), *node.get("using_columns", ())]


def _row_names(node: Node) -> list[str]:
    """Return the names by which an item of FROM can be used as one value: its rows as structs."""
    if "class" in node or "type" not in node:
        return []
    named = [node[key] for key in ("alias", "table_name") if isinstance(node.get(key), str)]
    return [*named, *node.get("qualified_name", {}).get("path", [])]


def _is_unknown(node: Node) -> bool:
    """Say whether a node can use columns that it does not name."""
    if str(node.get("type")) in _UNKNOWN_TYPES or node.get("ref_type") == "NATURAL":
        return True
    renamed = node.get("type") == "BASE_TABLE" and node.get("column_name_alias")
    return bool(renamed) or (node.get("class") == "STAR" and any(key in node for key in _RESHAPING))


def _sorts_by_all(order: Node) -> bool:
    """Say whether this is ORDER BY ALL, which uses what the query gives out and nothing else."""
    expression = order.get("expression", {})
    return bool(expression.get("class") == "STAR" and expression.keys() == {"class", "type", "columns"})


def _passing_stars(query: Node) -> set[int]:
    """Return the stars whose columns go nowhere but to a query that names those it uses."""
    inner: list[Node] = []
    for node in nodes(query):
        if node.get("type") == "SUBQUERY" and "class" not in node:
            inner.append(node["subquery"]["node"])
        inner.extend(entry["value"]["query_node"] for entry in node.get("cte_map", {}).get("map", []))
    plain = [node for node in inner if _passes(node)]
    return {id(each) for node in plain for each in node.get("select_list", []) if each.get("class") == "STAR"}


def _passes(query: Node) -> bool:
    return (
        query.get("type") == "SELECT_NODE"
        and not any(query.get(key) for key in _SHAPING)
        and query.get("aggregate_handling", "STANDARD_HANDLING") == "STANDARD_HANDLING"
    )


def _without_numbers(name: str) -> str:
    while _NUMBERED.search(name):
        name = _NUMBERED.sub("", name)
    return name
