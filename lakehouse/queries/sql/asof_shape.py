"""Which as-of join of a query we can do ourselves, and the query with its rows in place of it.

The shape: the one as-of join of the statement, INNER or LEFT, over two products (by name, or through a plain
`SELECT * FROM product` of WITH or a subquery), on equal symbols and one inequality of times of one type. Its
two sides become two tables whose rows belong together by position, which is what POSITIONAL JOIN joins; all
else stays as it was written. The new text is made from the checked tree by DuckDB itself, and taken only
if it parses to that very tree again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lakehouse.errors import QueryError
from lakehouse.names import ProductName
from lakehouse.queries.sql.sandbox import product_of
from lakehouse.queries.sql.shapes import Shapes, With, with_names
from lakehouse.queries.sql.tree import Node, Statement, fold, nodes, parse
from lakehouse.schema import TableSchema

if TYPE_CHECKING:
    import duckdb

    from lakehouse.queries.sql.shapes import Scope

Comparison = Literal[">=", ">", "<=", "<"]
"""of the left time with the right one: the first two look back, the others ahead"""

SIDES = ("lakehouse:left", "lakehouse:right")
"""names of the two tables, which no product can have"""

_COMPARISONS: Mapping[str, Comparison] = {
    "COMPARE_GREATERTHANOREQUALTO": ">=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_LESSTHAN": "<",
}
_MIRRORED: Mapping[Comparison, Comparison] = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}
_PLAIN_QUERY = {"type", "cte_map", "select_list", "from_table", "aggregate_handling", "query_location"}
_PLACES = ("query_location", "query_location_length")


@dataclass(frozen=True, slots=True)
class AsofJoin:
    """An as-of join of two products."""

    node: Node
    """the join, in the tree of the statement"""
    left: ProductName
    """each row of it is looked up for"""
    right: ProductName
    """in it a row is looked up"""
    comparison: Comparison
    """how the left time compares with the right one"""
    keeps: bool
    """whether left rows without a match stay, with nulls"""


def find_asof(query: Node, schemas: Mapping[ProductName, TableSchema]) -> AsofJoin | str | None:
    """Return the as-of join that we can do, or why we can not; None where a query has none.

    Args:
        query: the root of the tree.
        schemas: of every product that it names.
    """
    joins = list(_asof_joins(query, {}))
    if not joins:
        return None
    if len(joins) > 1:
        return "it has several"
    node, names = joins[0]
    left, right = (_product(node[side], names) for side in ("left", "right"))
    if left is None or right is None:
        return "a side of it is not the whole of a product"
    if node.get("join_type") not in ("INNER", "LEFT"):
        return "it is neither INNER nor LEFT"
    comparison = _comparison(node, Shapes(schemas).scope({"from_table": _direct(node, left, right)}, {}))
    if comparison is None:
        return "its condition is not one equality of symbols and one inequality of times"
    if _names_schemas(query):
        return "a column is named with the domain of its product"
    if _names_columns(query, node):
        return "a column of the answer is named after its text"
    return AsofJoin(node, left, right, comparison, node["join_type"] == "LEFT")


def without_asof(
    connection: duckdb.DuckDBPyConnection, statement: Statement, join: AsofJoin
) -> Statement | None:
    """Return a statement that reads matched rows instead of the join; None where it can not be written."""
    import duckdb

    tree = _replaced(statement.node, join.node, _positional(join))
    document = json.dumps({"error": False, "statements": [{"node": tree}]})
    try:
        rows = connection.sql("SELECT json_deserialize_sql($tree)", params={"tree": document}).fetchall()
        again = parse(connection, rows[0][0])
    except (duckdb.Error, QueryError):
        return None
    return again if _without_places(again.node) == _without_places(tree) else None


def _asof_joins(value: Any, names: With) -> Iterator[tuple[Node, With]]:
    """Yield every as-of join with the names of WITH that it sees."""
    if isinstance(value, list):
        for item in value:
            yield from _asof_joins(item, names)
    elif isinstance(value, dict):
        inside = with_names(value, names) if "cte_map" in value else names
        if value.get("type") == "JOIN" and value.get("ref_type") == "ASOF":
            yield value, inside
        for child in value.values():
            yield from _asof_joins(child, inside)


def _product(table: Node, names: With) -> ProductName | None:
    """Return the product of which a table reference is the whole."""
    if "column_name_alias" in table or "sample" in table:
        return None
    if table.get("type") == "SUBQUERY":
        return _whole_of(table["subquery"]["node"], names)
    if table.get("type") != "BASE_TABLE":
        return None
    product = product_of(table)
    if product is not None:
        return product
    common = names.get(fold(table["table_name"]))
    return None if common is None or common.aliases else _whole_of(common.node, common.scope)


def _whole_of(query: Node, names: With) -> ProductName | None:
    """Return the product of a query that is `SELECT * FROM product` and nothing else."""
    selected = query.get("select_list", [])
    if query.get("type") != "SELECT_NODE" or not query.keys() <= _PLAIN_QUERY or len(selected) != 1:
        return None
    star = selected[0].keys() - {*_PLACES, "class", "type"}
    return None if selected[0].get("class") != "STAR" or star else _product(query["from_table"], names)


def _direct(join: Node, left: ProductName, right: ProductName) -> Node:
    """Return the join with its products in place of the names of WITH and subqueries."""
    tables = (
        {**_table(product.domain, product.product), "alias": _alias(join[side])}
        for product, side in ((left, "left"), (right, "right"))
    )
    return {**join, **dict(zip(("left", "right"), tables, strict=True))}


def _comparison(join: Node, scope: Scope) -> Comparison | None:
    condition = join.get("condition", {})
    parts = condition.get("children", [])
    if condition.get("type") != "CONJUNCTION_AND" or len(parts) != 2:
        return None
    found: Comparison | None = None
    equal = False
    for part in parts:
        if part.get("class") != "COMPARISON":
            return None
        left, right = scope.resolve(part["left"]), scope.resolve(part["right"])
        if left is None or right is None or {left[0], right[0]} != {0, 1}:
            return None
        kinds = scope.kind(left), scope.kind(right)
        if kinds == ("symbol", "symbol") and part["type"] == "COMPARE_EQUAL":
            equal = True
        elif kinds[0] == kinds[1] != "symbol" and part["type"] in _COMPARISONS:
            written = _COMPARISONS[part["type"]]
            found = written if left[0] == 0 else _MIRRORED[written]
    return found if equal else None


def _names_schemas(query: Node) -> bool:
    """Say whether a column is named by its domain too, which the new tables do not have."""
    return any(len(node["column_names"]) > 2 for node in nodes(query) if "column_names" in node)


def _names_columns(query: Node, join: Node) -> bool:
    """Say whether a join lies in an expression: without AS, the text of this is the name of a column."""
    expressions = (node for node in nodes(query) if node.get("class") == "SUBQUERY")
    return any(inner is join for expression in expressions for inner in nodes(expression))


def _positional(join: AsofJoin) -> Node:
    kept = {key: each for key, each in join.node.items() if key != "condition"}
    left, right = (
        {**_table("main", name), "alias": _alias(join.node[side])}
        for name, side in zip(SIDES, ("left", "right"), strict=True)
    )
    return {**kept, "join_type": "INNER", "ref_type": "POSITIONAL", "left": left, "right": right}


def _table(schema: str, name: str) -> Node:
    path = {"path": [schema, name]}
    return {"type": "BASE_TABLE", "schema_name": schema, "table_name": name, "qualified_name": path}


def _alias(table: Node) -> str:
    return str(table.get("alias") or table.get("table_name") or "")


def _replaced(value: Any, old: Node, new: Node) -> Any:
    if value is old:
        return new
    if isinstance(value, list):
        return [_replaced(item, old, new) for item in value]
    if isinstance(value, dict):
        return {key: _replaced(child, old, new) for key, child in value.items()}
    return value


def _without_places(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_places(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_places(child) for key, child in value.items() if key not in _PLACES}
    return value
