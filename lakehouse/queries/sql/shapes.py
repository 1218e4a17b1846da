"""Names in a query: which columns a FROM offers, to which of them a name refers, and what a query gives out.

A name is resolved only where it can mean one thing. Everything else is unknown, and unknown prunes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lakehouse.names import ProductName
from lakehouse.queries.sql.bounds import Key, Kind
from lakehouse.queries.sql.sandbox import product_of
from lakehouse.queries.sql.tree import Node, find, fold
from lakehouse.schema import SEQUENCE, TableSchema

_TIME_KINDS: Mapping[str, Kind] = {
    "date": "date",
    "timestamp[us]": "timestamp[us]",
    "timestamp[ns]": "timestamp[ns]",
}
_NUMBERED = re.compile(r"_[0-9]+$")
"""how DuckDB renames the second column of a name in a subquery"""
_RESHAPING = ("columns", "expr", "rename_list", "qualified_exclude_list")


@dataclass(frozen=True, slots=True)
class Output:
    """One column that a query gives out."""

    name: str | None
    """folded; None where DuckDB makes one up, which is never a plain identifier"""
    kind: Kind | None = None
    """where it is a plain copy of a column that prunes"""
    key: Key | None = None
    """the column of FROM that it copies"""


Shape = tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Common:
    """A query of WITH."""

    node: Node
    """its query"""
    aliases: tuple[str, ...]
    """new names of its first columns, folded"""
    scope: Mapping[str, Common | None]
    """the names of WITH that it can see"""


With = Mapping[str, Common | None]
"""names of WITH in scope; None for a recursive one"""


@dataclass(frozen=True, slots=True)
class Source:
    """One item of a FROM."""

    rank: int
    """its place, counted from the left"""
    node: Node
    """the table reference"""
    aliases: frozenset[tuple[str, ...]]
    """the qualifiers by which it can be named"""
    shape: Shape | None
    """its columns; None if they are not known"""

    def key(self, name: str) -> Key | None:
        """Return the column of this name, unless there are two, or DuckDB may have made the name up."""
        names = [output.name for output in self.shape or () if output.name is not None]
        if names.count(name) != 1 or (_NUMBERED.search(name) and len(set(names)) < len(names)):
            return None
        return self.rank, next(rank for rank, each in enumerate(self.shape or ()) if each.name == name)


@dataclass(frozen=True, slots=True)
class Scope:
    """The FROM of one SELECT."""

    sources: tuple[Source, ...]
    """in order"""
    merged: Mapping[str, Key | None] = field(default_factory=dict)
    """columns of USING, which need no qualifier"""

    def kind(self, key: Key) -> Kind | None:
        """Return what a column is."""
        shape = self.sources[key[0]].shape
        return None if shape is None else shape[key[1]].kind

    def resolve(self, node: Node) -> Key | None:
        """Return the column that prunes to which a column reference surely refers."""
        if node.get("class") != "COLUMN_REF":
            return None
        *qualifier, name = (fold(part) for part in node["column_names"])
        key = self._qualified(tuple(qualifier), name) if qualifier else self._plain(name)
        return key if key is not None and self.kind(key) else None

    def source_of(self, node: Node) -> Source | None:
        """Return the item of FROM that a table reference is."""
        return next((source for source in self.sources if source.node is node), None)

    def named(self, name: str) -> Source | None:
        """Return the item of FROM with this alias, unless there are two."""
        found = [source for source in self.sources if (name,) in source.aliases]
        return found[0] if len(found) == 1 else None

    def _plain(self, name: str) -> Key | None:
        if name in self.merged:
            return self.merged[name]
        if any(source.shape is None for source in self.sources):
            return None
        found = [
            source for source in self.sources if any(output.name == name for output in source.shape or ())
        ]
        return found[0].key(name) if len(found) == 1 else None

    def _qualified(self, qualifier: tuple[str, ...], name: str) -> Key | None:
        found = [source for source in self.sources if qualifier in source.aliases]
        return found[0].key(name) if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Shapes:
    """Finds the shapes of the queries of one statement; each is found once."""

    schemas: Mapping[ProductName, TableSchema]
    """of the products that the statement names"""
    ranked: bool = False
    """whether products show their stored sequence"""
    found: dict[int, Shape | None] = field(default_factory=dict)
    """by identity of the query node"""

    def of_query(self, query: Node, outer: With) -> Shape | None:
        """Return what a query gives out, or None if it is not known."""
        if id(query) not in self.found:
            self.found[id(query)] = self._of_query(query, outer)
        return self.found[id(query)]

    def scope(self, query: Node, names: With) -> Scope:
        """Return the FROM of a SELECT; `names` are those of WITH that it sees, its own included."""
        table = query.get("from_table", {})
        sources = tuple(self._source(rank, leaf, names) for rank, leaf in enumerate(leaves(table)))
        scope = Scope(sources)
        merged: dict[str, Key | None] = {}
        _merge(table, scope, merged)
        return Scope(sources, merged)

    def outputs(self, query: Node, scope: Scope) -> Shape | None:
        """Return the output columns of a SELECT with the columns of FROM that they copy."""
        outputs: list[Output] = []
        for expression in query.get("select_list", []):
            if expression.get("class") == "STAR":
                columns = _star(expression, query.get("from_table", {}), scope)
                if columns is None:
                    return None
                outputs.extend(columns)
            elif _expands(expression):
                return None
            else:
                outputs.append(_output(expression, scope))
        return tuple(outputs)

    def _of_query(self, query: Node, outer: With) -> Shape | None:
        names = with_names(query, outer)
        match query.get("type"):
            case "SELECT_NODE":
                return self.outputs(query, self.scope(query, names))
            case "SET_OPERATION_NODE" if query.get("setop_type") in ("UNION", "EXCEPT", "INTERSECT"):
                return _united([self.of_query(child, names) for child in query.get("children", [])])
        return None

    def _source(self, rank: int, table: Node, names: With) -> Source:
        alias, product = table.get("alias"), product_of(table)
        shape: Shape | None = None
        aliases: frozenset[tuple[str, ...]] = frozenset()
        match table.get("type"):
            case "BASE_TABLE" if product is not None:
                shape = _product_shape(self.schemas[product], ranked=self.ranked)
                aliases = frozenset([(product.product,), (product.domain, product.product)])
            case "BASE_TABLE":
                name = fold(table["table_name"])
                shape, aliases = self._common_shape(names.get(name)), frozenset([(name,)])
            case "SUBQUERY":
                shape = self.of_query(table["subquery"]["node"], names)
            case "EXPRESSION_LIST":
                shape = tuple(Output(f"col{rank}") for rank in range(len(table["values"][0])))
        if alias:
            aliases = frozenset([(fold(alias),)])
        return Source(
            rank, table, aliases, _renamed(shape, tuple(map(fold, table.get("column_name_alias", ()))))
        )

    def _common_shape(self, common: Common | None) -> Shape | None:
        return None if common is None else _renamed(self.of_query(common.node, common.scope), common.aliases)


def leaves(table: Node) -> Iterator[Node]:
    """Yield the items of a FROM, left to right."""
    if table.get("type") == "JOIN":
        yield from leaves(table["left"])
        yield from leaves(table["right"])
    elif table.get("type") != "EMPTY":
        yield table


def with_names(query: Node, outer: With) -> With:
    """Return the names of WITH inside a query: its own and those around it."""
    names = dict(outer)
    for entry in query.get("cte_map", {}).get("map", []):
        node, name = entry["value"]["query_node"], fold(entry["key"])
        recursive = node.get("type") == "RECURSIVE_CTE_NODE"
        aliases = tuple(map(fold, entry["value"].get("aliases", ())))
        names[name] = None if recursive else Common(node, aliases, dict(names))
    return names


def using_names(join: Node, scope: Scope) -> tuple[str, ...]:
    """Return the column names of a USING or NATURAL join."""
    if join.get("ref_type") == "NATURAL":
        left, right = _table_star(join["left"], scope), _table_star(join["right"], scope)
        offered = {output.name for output in right or ()} - {None}
        return tuple(
            output.name for output in left or () if output.name is not None and output.name in offered
        )
    return tuple(map(fold, join.get("using_columns", ())))


def side_key(table: Node, name: str, scope: Scope) -> Key | None:
    """Return the column that a name of USING means on one side of the join."""
    found = [output.key for output in _table_star(table, scope) or () if output.name == name]
    return found[0] if len(found) == 1 else None


def _merge(table: Node, scope: Scope, merged: dict[str, Key | None]) -> None:
    if table.get("type") != "JOIN":
        return
    _merge(table["left"], scope, merged)
    _merge(table["right"], scope, merged)
    kept = table.get("join_type") in ("INNER", "LEFT", "SEMI", "ANTI")
    for name in using_names(table, scope):
        twice = name in merged and merged[name] is None
        merged[name] = None if twice or not kept else side_key(table["left"], name, scope)


def _table_star(table: Node, scope: Scope) -> Shape | None:
    """Return the columns of `*` over a part of FROM."""
    if table.get("type") == "EMPTY":
        return ()
    if table.get("type") != "JOIN":
        source = scope.source_of(table)
        if source is None or source.shape is None:
            return None
        return tuple(
            Output(output.name, output.kind, (source.rank, rank)) for rank, output in enumerate(source.shape)
        )
    left, right = _table_star(table["left"], scope), _table_star(table["right"], scope)
    if left is None or right is None or table.get("join_type") in ("SEMI", "ANTI"):
        return left if table.get("join_type") in ("SEMI", "ANTI") else None
    using = using_names(table, scope)
    if table.get("join_type") in ("RIGHT", "FULL", "OUTER"):
        left = tuple(Output(output.name) if output.name in using else output for output in left)
    return left + tuple(output for output in right if output.name not in using)


def _star(star: Node, table: Node, scope: Scope) -> Shape | None:
    if any(key in star for key in _RESHAPING):
        return None
    columns = _table_star(table, scope)
    if "relation_name" in star:
        source = scope.named(fold(star["relation_name"]))
        columns = None if source is None else _table_star(source.node, scope)
    excluded = {fold(name) for name in star.get("exclude_list", ())}
    replaced = {fold(entry["key"]) for entry in star.get("replace_list", ())}
    if columns is None:
        return None
    kept = (output for output in columns if output.name not in excluded)
    return tuple(Output(output.name) if output.name in replaced else output for output in kept)


def _output(expression: Node, scope: Scope) -> Output:
    alias = expression.get("alias")
    if expression.get("class") != "COLUMN_REF":
        return Output(fold(alias) if alias else None)
    key = scope.resolve(expression)
    return Output(fold(alias or expression["column_names"][-1]), scope.kind(key) if key else None, key)


def _expands(expression: Node) -> bool:
    """Say whether an expression may give several columns, or one with a name that is not its alias."""
    if expression.get("class") == "POSITIONAL_REFERENCE" or next(find(expression, "STAR"), None):
        return True
    return expression.get("class") == "FUNCTION" and fold(str(expression.get("function_name"))) == "unnest"


def _united(shapes: list[Shape | None]) -> Shape | None:
    """Return the shape of a set operation: names of the first branch, kinds on which all agree."""
    first = shapes[0] if shapes else None
    if first is None or any(shape is None or len(shape) != len(first) for shape in shapes):
        return None
    rows = zip(*(shape for shape in shapes if shape is not None), strict=True)
    return tuple(
        Output(row[0].name, row[0].kind if len({each.kind for each in row}) == 1 else None) for row in rows
    )


def _renamed(shape: Shape | None, aliases: tuple[str, ...]) -> Shape | None:
    if shape is None or len(aliases) > len(shape):
        return None
    renamed = tuple(Output(name, output.kind) for name, output in zip(aliases, shape, strict=False))
    return renamed + shape[len(aliases) :]


def _product_shape(schema: TableSchema, *, ranked: bool) -> Shape:
    columns = tuple(Output(fold(column.name), _kind(schema, column.name)) for column in schema.columns)
    return (*columns, Output(SEQUENCE)) if ranked else columns


def _kind(schema: TableSchema, name: str) -> Kind | None:
    if name == schema.symbol:
        return "symbol"
    return _TIME_KINDS.get(schema[name].type) if name == schema.time else None
