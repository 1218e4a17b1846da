"""From a query to what it needs of each product: the symbols and the interval that can matter.

Conditions travel down: from WHERE and inner ON to the items of FROM, and from an outer query into a subquery
or a name of WITH as long as filtering early is the same as filtering late. They never pass LIMIT, SAMPLE,
DISTINCT ON, a window that does not partition by the column, a grouping that does not keep it, nor the side of
an outer join that is filled with nulls. A product that is named twice needs what either reference needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lakehouse.names import ProductName
from lakehouse.queries.sql.bounds import ANY, NEVER, NOTHING, Bounds, Facts, Key
from lakehouse.queries.sql.constants import Constants
from lakehouse.queries.sql.predicates import Reader
from lakehouse.queries.sql.sandbox import product_of
from lakehouse.queries.sql.shapes import (
    Scope,
    Shapes,
    Source,
    With,
    leaves,
    side_key,
    using_names,
    with_names,
)
from lakehouse.queries.sql.tree import Node, find, fold, nodes, subqueries
from lakehouse.schema import TableSchema

_MOST_VISITS = 2_000

Wanted = Mapping[int, Bounds]
"""bounds of the output columns of a query, by rank"""


def find_needs(
    query: Node, schemas: Mapping[ProductName, TableSchema], constants: Constants, *, ranked: bool = False
) -> dict[ProductName, Bounds | None]:
    """Return what a query needs of each product; None where it needs no row at all.

    Args:
        query: the root of the tree, which the sandbox has passed.
        schemas: of every product that it names.
        constants: of the query.
        ranked: whether products show their stored sequence.
    """
    walk = _Walk(Shapes(schemas, ranked), constants)
    try:
        walk.query(query, {}, {}, never=False)
    except (RecursionError, _TooManyVisitsError, KeyError, IndexError):
        return dict.fromkeys(schemas, ANY)  # too deep, too wide, or of a shape that DuckDB 2.0 did not have
    walk.admit_unvisited(query)
    return {name: walk.needs.get(name) for name in schemas}


class _TooManyVisitsError(Exception):
    """WITH names that use each other so often that following them all would take too long."""


@dataclass(slots=True)
class _Walk:
    """One way down a tree, with what it has found so far."""

    shapes: Shapes
    constants: Constants
    needs: dict[ProductName, Bounds] = field(default_factory=dict)
    visited: set[int] = field(default_factory=set)
    visits: int = 0

    def query(self, query: Node, outer: With, wanted: Wanted, *, never: bool) -> None:
        """Visit a query of which only rows within `wanted` matter, or none at all."""
        self.visits += 1
        if self.visits > _MOST_VISITS:
            raise _TooManyVisitsError
        names = with_names(query, outer)
        wanted = {} if _cuts(query) else wanted
        match query.get("type"):
            case "SELECT_NODE":
                self._select(query, names, wanted, never=never)
            case "SET_OPERATION_NODE":
                passing = wanted if query.get("setop_type") in ("UNION", "EXCEPT", "INTERSECT") else {}
                for child in query.get("children", []):
                    self.query(child, names, passing, never=never)
            case "RECURSIVE_CTE_NODE":
                inner = {**names, fold(query["cte_name"]): None}
                self.query(query["left"], inner, {}, never=False)
                self.query(query["right"], inner, {}, never=False)
        self._expressions(query.get("modifiers", []), names)

    def admit_unvisited(self, query: Node) -> None:
        """Give all rows to products in parts of the tree that the walk did not reach."""
        for table in _product_references(query):
            if id(table) not in self.visited:
                self._need(table, ANY)

    def _select(self, query: Node, names: With, wanted: Wanted, *, never: bool) -> None:
        scope = self.shapes.scope(query, names)
        reader = Reader(scope, self.constants)
        facts = NOTHING if "sample" in query else reader.facts(query.get("where_clause"))
        if "sample" not in query:
            facts = facts.both(Facts(self._inherited(query, scope, wanted)))
        self._table(query.get("from_table", {}), facts.both(NEVER) if never else facts, reader, names)
        for key, part in query.items():
            if key not in ("from_table", "cte_map", "modifiers"):
                self._expressions(part, names)

    def _inherited(self, query: Node, scope: Scope, wanted: Wanted) -> dict[Key, Bounds]:
        """Return what is wanted of the output as bounds of the columns of FROM that it copies."""
        outputs = self.shapes.outputs(query, scope) if wanted else None
        copied = [(outputs[rank].key, bounds) for rank, bounds in wanted.items()] if outputs else []
        bounds = {key: each for key, each in copied if key is not None}
        for window in find([query.get("select_list"), query.get("qualify")], "WINDOW"):
            kept = {scope.resolve(each) for each in window.get("partitions", [])}
            bounds = {key: each for key, each in bounds.items() if key in kept}
        return bounds if _keeps_groups(query, scope, bounds) else {}

    def _table(self, table: Node, facts: Facts, reader: Reader, names: With) -> None:
        """Visit a part of FROM, of which only rows within `facts` matter."""
        if table.get("type") == "JOIN":
            self._join(table, facts, reader, names)
            return
        source = reader.scope.source_of(table)
        if source is None:
            return
        solved = facts.of_sources(frozenset([source.rank]))
        wanted = {} if "sample" in table else {key[1]: bounds for key, bounds in solved.bounds.items()}
        self._item(source, wanted, names, never=solved.never)

    def _item(self, source: Source, wanted: Wanted, names: With, *, never: bool) -> None:
        table = source.node
        match table.get("type"):
            case "BASE_TABLE" if product_of(table) is not None:
                self.visited.add(id(table))
                if not never:
                    self._need(table, _table_bounds(source, wanted))
            case "BASE_TABLE":
                common = names.get(fold(table["table_name"]))
                if common is not None:
                    self.query(common.node, common.scope, wanted, never=never)
            case "SUBQUERY":
                self.query(table["subquery"]["node"], names, wanted, never=never)
            case "SHOW_REF":
                self.query(table["query"], names, {}, never=table.get("show_type") == "DESCRIBE")
            case "PIVOT":
                inner = Scope(
                    tuple(
                        Source(rank, leaf, frozenset(), None)
                        for rank, leaf in enumerate(leaves(table["source"]))
                    )
                )
                self._table(table["source"], NOTHING, Reader(inner, self.constants), names)
                self._expressions([part for key, part in table.items() if key != "source"], names)
            case _:
                self._expressions(table, names)

    def _join(self, join: Node, facts: Facts, reader: Reader, names: With) -> None:
        left, right = join["left"], join["right"]
        on = reader.facts(join.get("condition")).both(_using_facts(join, reader))
        of_left, of_right = (_ranks(side, reader.scope) for side in (left, right))
        asof = join.get("ref_type") == "ASOF"
        matched = on.links() if asof else on  # an as-of join looks for its match before anything else filters
        to_left, to_right = NOTHING, NOTHING
        match join.get("join_type"):
            case _ if join.get("ref_type") not in ("REGULAR", "CROSS", "NATURAL", "ASOF"):
                pass
            case "INNER" if not asof:
                to_left = to_right = facts.both(on)
            case "INNER" | "SEMI":
                to_left = facts.both(on)
                to_right = to_left.of_sources(of_left).both(matched)
            case "LEFT" | "ANTI":
                to_left = facts
                to_right = facts.of_sources(of_left).both(matched)
            case "RIGHT" if not asof:
                to_left = facts.of_sources(of_right).both(on)
                to_right = facts
        self._table(left, to_left, reader, names)
        self._table(right, to_right, reader, names)
        self._expressions(join.get("condition"), names)

    def _expressions(self, part: Any, names: With) -> None:
        """Visit the subqueries of an expression, which need all rows that their own conditions admit."""
        for query in subqueries(part):
            self.query(query, names, {}, never=False)

    def _need(self, table: Node, bounds: Bounds) -> None:
        name = product_of(table)
        if name is not None:
            self.needs[name] = self.needs[name].join(bounds) if name in self.needs else bounds


def _cuts(query: Node) -> bool:
    """Say whether a query picks rows by their number, so that filtering first would pick others."""
    for modifier in query.get("modifiers", []):
        if (
            modifier.get("type") not in ("ORDER_MODIFIER", "DISTINCT_MODIFIER")
            or "distinct_on_targets" in modifier
        ):
            return True
    return False


def _keeps_groups(query: Node, scope: Scope, bounds: Mapping[Key, Bounds]) -> bool:
    """Say whether filtering by these columns before grouping is the same as after it."""
    groups = query.get("group_expressions", [])
    if len(query.get("group_sets", [])) > 1:
        return False
    if not groups:
        return True  # not grouped, or GROUP BY ALL, which keeps every plain column
    selected = query.get("select_list", [])
    kept = {scope.resolve(_referred(group, selected)) for group in groups}
    return bounds.keys() <= kept


def _referred(group: Node, selected: list[Node]) -> Node:
    """Return what a GROUP BY item means: itself, the n-th selected expression, or the one of that alias."""
    number = group.get("literal", {}).get("text", "")
    if str(number).isdigit() and 1 <= int(number) <= len(selected):
        return selected[int(number) - 1]
    names = group.get("column_names", [])
    found = [each for each in selected if len(names) == 1 and fold(each.get("alias", "")) == fold(names[0])]
    return found[0] if found else group


def _using_facts(join: Node, reader: Reader) -> Facts:
    """Return the equalities of USING; in an as-of join the last column is the one that is looked up."""
    facts, using = NOTHING, using_names(join, reader.scope)
    for name in using:
        left, right = (side_key(join[side], name, reader.scope) for side in ("left", "right"))
        looked_up = join.get("ref_type") == "ASOF" and name == using[-1]
        facts = facts.both(reader.not_after(right, left) if looked_up else reader.equal(left, right))
    return facts


def _ranks(table: Node, scope: Scope) -> frozenset[int]:
    sources = (scope.source_of(leaf) for leaf in leaves(table))
    return frozenset(source.rank for source in sources if source is not None)


def _table_bounds(source: Source, wanted: Wanted) -> Bounds:
    """Return the bounds of a table from those of its symbol and time columns."""
    bounds = ANY
    for rank, each in wanted.items():
        if source.shape is not None and source.shape[rank].kind is not None:
            bounds = bounds.meet(each)
    return bounds


def _product_references(value: Any) -> Iterable[Node]:
    return (
        node for node in nodes(value) if node.get("type") == "BASE_TABLE" and product_of(node) is not None
    )
