"""The wall around SQL: a syntax tree passes only if every part of it is on a list.

It fails closed, because DuckDB's own settings do not: with `enable_external_access = false` an allowed file
can still be overwritten by COPY, and `WITH x AS (COPY … TO …) SELECT 1` passes for a SELECT. So every key,
every node type, every function and every table name, at every depth, must be known here; whatever a later
DuckDB brings is refused until somebody has looked at it. The locked connection of `engine.py` is the second
wall.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lakehouse.errors import NotFoundError, QueryError
from lakehouse.names import ProductName, is_plain_name
from lakehouse.queries.sql.functions import FUNCTIONS, TABLE_FUNCTIONS, words
from lakehouse.queries.sql.tree import Node, Statement, fold

_DEEPEST = 2_500
_KEYS = words(
    """
    aggregate_handling aggregates alias aliases arguments case_checks child children class collation column
    column_name_alias column_names columns comparison_type condition cte_map cte_name distinct
    distinct_on_targets else_expr end end_expr entries exclude_clause exclude_list expr expression filter
    filter_expr from_table function function_name group_expressions group_sets groups has_ignore_nulls
    having id identifier ignore_nulls include_nulls index input is_implicit is_null is_operator
    is_percentage join_type key key_targets kind left lhs limit limit_type literal lower map materialized
    method modifiers name node null_order offset order_bys orders partitions path pivot_expressions pivots
    qualified_exclude_list qualified_name qualify query query_location query_location_length query_node
    ref_type relation_name rename_list repeatable replace_list right sample sample_size schema_name seed
    select_list setop_all setop_type show_type source star_expr start start_expr subquery subquery_type
    syntax_type table table_name text then_expr try_cast type type_expr type_name union_all unpivot_names
    upper using_columns value values when_expr where_clause
    """
)
_EXPRESSIONS = words(
    """
    BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION LAMBDA OPERATOR PARAMETER
    POSITIONAL_REFERENCE STAR SUBQUERY TYPE WINDOW
    """
)
_EXPRESSION_TYPES = words(
    """
    ARRAY_CONSTRUCTOR ARRAY_EXTRACT ARRAY_SLICE CASE_EXPR COLLATE COLUMN_REF COMPARE_BETWEEN
    COMPARE_DISTINCT_FROM COMPARE_EQUAL COMPARE_GREATERTHAN COMPARE_GREATERTHANOREQUALTO COMPARE_IN
    COMPARE_LESSTHAN COMPARE_LESSTHANOREQUALTO COMPARE_NOTEQUAL COMPARE_NOT_DISTINCT_FROM COMPARE_NOT_IN
    CONJUNCTION_AND CONJUNCTION_OR FUNCTION GROUPING_FUNCTION LAMBDA OPERATOR_CAST OPERATOR_COALESCE
    OPERATOR_IS_NOT_NULL OPERATOR_IS_NULL OPERATOR_NOT OPERATOR_NULLIF OPERATOR_TRY POSITIONAL_REFERENCE
    STAR STRUCT_EXTRACT SUBQUERY TYPE VALUE_CONSTANT VALUE_PARAMETER WINDOW_AGGREGATE WINDOW_CUME_DIST
    WINDOW_FILL WINDOW_FIRST_VALUE WINDOW_LAG WINDOW_LAST_VALUE WINDOW_LEAD WINDOW_NTH_VALUE WINDOW_NTILE
    WINDOW_PERCENT_RANK WINDOW_RANK WINDOW_RANK_DENSE WINDOW_ROW_NUMBER
    """
)
_OTHER_TYPES = words(
    """
    ASCENDING BASE_TABLE DESCENDING DISTINCT_MODIFIER EMPTY EXPRESSION_LIST JOIN LIMIT_MODIFIER
    LIMIT_PERCENT_MODIFIER ORDER_DEFAULT ORDER_MODIFIER PIVOT RECURSIVE_CTE_NODE SELECT_NODE
    SET_OPERATION_NODE SHOW_REF SUBQUERY TABLE_FUNCTION
    """
)
_HINT = (
    "SQL reads data products only, as domain.product, and can not read files, settings or other databases."
)


def check(statement: Statement, known: Callable[[], Iterable[str]]) -> frozenset[ProductName]:
    """Return the products that a statement names, or raise.

    Args:
        statement: as parsed.
        known: gives the names of all products, for the message about an unknown table.

    Raises:
        QueryError: something in it is not on the lists.
        NotFoundError: a table that is neither a product name nor a name of WITH.
    """
    products: set[ProductName] = set()
    for node, tables, in_from in _nodes(statement.node):
        _check_keys(node)
        _check_type(node)
        if node.get("class") in ("FUNCTION", "WINDOW"):
            _check_function(node, TABLE_FUNCTIONS if in_from else FUNCTIONS)
        elif node.get("type") == "BASE_TABLE":
            product = _product(node, tables, known)
            products.update(() if product is None else (product,))
        elif node.get("type") == "SHOW_REF":
            _check_show(node)
    return frozenset(products)


def product_of(table: Node) -> ProductName | None:
    """Return the product that a table reference names; None for a name of one part."""
    path = table.get("qualified_name", {}).get("path", [])
    return ProductName(fold(path[0]), fold(path[1])) if len(path) == 2 else None


def _nodes(root: Node) -> Iterator[tuple[Node, frozenset[str], bool]]:
    """Yield (node, names of WITH in scope, whether it is a function in FROM) for every node of the tree."""
    stack: list[tuple[Any, frozenset[str], bool, int]] = [(root, frozenset(), False, 0)]
    while stack:
        value, tables, in_from, depth = stack.pop()
        if depth > _DEEPEST:
            raise QueryError("The SQL is nested too deeply.")
        if isinstance(value, list):
            stack.extend((item, tables, in_from, depth + 1) for item in value)
        elif isinstance(value, dict):
            inside = tables | {fold(entry["key"]) for entry in value.get("cte_map", {}).get("map", [])}
            yield value, inside, in_from
            called = value.get("type") == "TABLE_FUNCTION"
            stack.extend(
                (child, inside, called and key == "function", depth + 1) for key, child in value.items()
            )


def _check_keys(node: Node) -> None:
    if node.keys() <= _KEYS:
        return
    if node.keys() & {"schema", "catalog", "catalog_name"}:
        raise QueryError(f"{_named(node)} must not be qualified with a schema or a database.", hint=_HINT)
    if str(node.get("type")).endswith("_NODE"):
        raise _refused(str(node["type"]))
    unknown = ", ".join(sorted(node.keys() - _KEYS))
    raise QueryError(f"SQL may not use {unknown.replace('_', ' ')!r}.", hint=_HINT)


def _check_type(node: Node) -> None:
    kind = node.get("type")
    if "class" in node:
        if node["class"] not in _EXPRESSIONS or kind not in _EXPRESSION_TYPES:
            raise _refused(str(kind))
    elif isinstance(kind, str) and kind not in _OTHER_TYPES:
        raise _refused(kind)


def _check_function(node: Node, allowed: frozenset[str]) -> None:
    name = str(node.get("function_name", ""))
    path = node.get("qualified_name", {}).get("path", [name])
    if len(path) == 1 and fold(name) in allowed and path[0] == name:
        return
    near = difflib.get_close_matches(fold(name), sorted(allowed), n=3, cutoff=0.7)
    suggestion = f"Did you mean {' or '.join(near)}?" if near else "Only functions that compute are allowed."
    place = "in FROM" if allowed is TABLE_FUNCTIONS else "in an expression"
    raise QueryError(f"SQL may not call {name!r} {place}.", hint=suggestion)


def _check_show(node: Node) -> None:
    if "query" not in node or node.get("show_type") not in ("DESCRIBE", "SUMMARY") or "table_name" in node:
        raise QueryError(
            "SQL may not use SHOW.", hint="Use DESCRIBE domain.product, or lake.products() for a list."
        )


def _product(node: Node, tables: frozenset[str], known: Callable[[], Iterable[str]]) -> ProductName | None:
    """Return the product, or None for a name of WITH."""
    path = node.get("qualified_name", {}).get("path", [])
    if len(path) == 1 and fold(path[0]) in tables:
        return None
    shown = ".".join(map(str, path))
    if not all(is_plain_name(fold(part)) for part in path):
        raise QueryError(f"{shown!r} is not a data product.", hint=_HINT)
    name = product_of(node)
    if name is None:
        raise NotFoundError.among("table", shown, known())
    return name


def _named(node: Node) -> str:
    name = node.get("function_name") or node.get("type_name") or node.get("table_name") or "A name"
    return f"{name!r}"


def _refused(kind: str) -> QueryError:
    words = kind.removesuffix("_NODE").removesuffix("_QUERY").removesuffix("_REF").replace("_", " ")
    return QueryError(f"SQL here only reads: {words} is refused.", hint=_HINT)
