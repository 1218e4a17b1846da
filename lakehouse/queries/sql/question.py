"""From a text to a question that is ready to run: checked, its parameters bound, its reading chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.errors import NotFoundError, QueryError
from lakehouse.names import ProductName
from lakehouse.queries.sql.asof import MatchedRows, with_matched_rows
from lakehouse.queries.sql.bind import Parameters, bind
from lakehouse.queries.sql.bounds import ANY, Bounds
from lakehouse.queries.sql.choice import Engine as EngineName
from lakehouse.queries.sql.choice import Source, choose
from lakehouse.queries.sql.columns import named_columns
from lakehouse.queries.sql.constants import Constants
from lakehouse.queries.sql.engine import Engine
from lakehouse.queries.sql.failures import translated
from lakehouse.queries.sql.pruning import find_needs
from lakehouse.queries.sql.sandbox import check, product_of
from lakehouse.queries.sql.tree import Node, Statement, find, fold, nodes, parse
from lakehouse.queries.sql.views import View
from lakehouse.schema import SEQUENCE

if TYPE_CHECKING:
    from lakehouse.partitions.state import TableState

_OF_DUCKDB = frozenset({"information_schema", "main", "memory", "pg_catalog", "system", "temp"})


@dataclass(frozen=True, slots=True)
class Question:
    """A checked query, and how its products are read."""

    text: str
    """as it will run"""
    bound: Mapping[str, Any]
    """parameters as DuckDB gets them"""
    sources: tuple[Source, ...]
    """the products that the text names, in order of their names"""
    join: MatchedRows | None = None
    """the as-of join that is done by us"""
    notes: tuple[str, ...] = ()
    """for the plan"""

    @property
    def read(self) -> tuple[Source, ...]:
        """How each product is read, by name; one that is matched and named besides shows as matched."""
        joined = () if self.join is None else (self.join.right, self.join.left)
        found = {source.view.state.name: source for source in (*self.sources, *joined)}
        return tuple(found[name] for name in sorted(found))


def ask(
    duck: Engine,
    text: str,
    resolve: Callable[[ProductName], TableState],
    parameters: Parameters,
    known: Callable[[], Iterable[str]],
    *,
    prune: bool,
    engine: EngineName | None,
) -> Question:
    """Check a query, and choose how its products are read.

    Raises:
        QueryError: the sandbox refuses the SQL, or it can not be parsed.
        NotFoundError: it names an unknown product.
        IntegrityError: a data file is missing, or its footer is altered.
    """
    with translated({}):
        statement = parse(duck.connection, text)
    names = sorted(check(statement, known))
    binding = bind(statement.parameters, parameters)
    states = {name: _resolve(name, resolve, known) for name in names}
    needs: Mapping[ProductName, Bounds | None] = dict.fromkeys(states, ANY)
    ranked = _names_sequence(statement)
    if prune:
        schemas = {name: state.schema for name, state in states.items()}
        constants = Constants(duck.connection, binding.values, binding.bound)
        needs = find_needs(statement.node, schemas, constants, ranked=ranked)
    named = named_columns(statement.node)
    views = {name: View.of(state, needs[name], ranked=ranked) for name, state in states.items()}
    joined = None
    if prune and engine in (None, "as-of kernel"):
        joined = with_matched_rows(duck.connection, statement, views, named)
    single = None if engine == "as-of kernel" else engine
    if isinstance(joined, tuple):
        again, rows = joined
        sources = tuple(choose(views[name], named, engine=single) for name in _products(again.node))
        return Question(again.text, binding.bound, sources, rows)
    sources = tuple(choose(view, named, engine=single) for view in views.values())
    notes = () if joined is None else (f"The as-of join is left to DuckDB: {joined}.",)
    return Question(statement.text, binding.bound, sources, notes=notes)


def _products(query: Node) -> list[ProductName]:
    """Return the products that a checked tree names, sorted."""
    tables = (node for node in nodes(query) if node.get("type") == "BASE_TABLE")
    found = {product_of(table) for table in tables}
    return sorted(name for name in found if name is not None and name.domain != "main")


def _resolve(
    name: ProductName, resolve: Callable[[ProductName], TableState], known: Callable[[], Iterable[str]]
) -> TableState:
    if name.domain in _OF_DUCKDB:
        raise QueryError(
            f"The domain {name.domain!r} can not be read in SQL: the name belongs to DuckDB.",
            hint="Read its products with product.read(), and do not name new domains so.",
        )
    try:
        return resolve(name)
    except NotFoundError as error:
        choices = list(known())
        if str(name) in choices:
            raise
        raise NotFoundError.among("product", str(name), choices) from error


def _names_sequence(statement: Statement) -> bool:
    """Say whether a statement asks for the rank of rows of equal symbol and time."""
    columns = find(statement.node, "COLUMN_REF", inside=True)
    return any(fold(column["column_names"][-1]) == SEQUENCE for column in columns)
