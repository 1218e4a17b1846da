"""SQL over `domain.product` names: check, prune, run.

The text that runs is the text that was written, not one that is generated from the checked tree. It is safe
because the tree that is checked comes from the parser that runs it, and it is exact because nothing is
rewritten: products are views of their own names, parameters are bound by DuckDB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.errors import NotFoundError, QueryError
from lakehouse.names import ProductName
from lakehouse.queries.sql.bind import Parameters, bind
from lakehouse.queries.sql.bounds import ANY, Bounds
from lakehouse.queries.sql.choice import Engine as EngineName
from lakehouse.queries.sql.choice import Source, choose
from lakehouse.queries.sql.columns import named_columns
from lakehouse.queries.sql.constants import Constants
from lakehouse.queries.sql.engine import DEFAULT_MEMORY_LIMIT, Engine, SqlResult, prepare
from lakehouse.queries.sql.failures import translated
from lakehouse.queries.sql.plan import QueryPlan, scan_plan
from lakehouse.queries.sql.pruning import find_needs
from lakehouse.queries.sql.sandbox import check
from lakehouse.queries.sql.tree import Statement, find, fold, parse
from lakehouse.queries.sql.views import View
from lakehouse.schema import SEQUENCE

if TYPE_CHECKING:
    from lakehouse.partitions.state import TableState

_OF_DUCKDB = frozenset({"information_schema", "main", "memory", "pg_catalog", "system", "temp"})


def run_sql(
    text: str,
    resolve: Callable[[ProductName], TableState],
    *,
    parameters: Parameters = None,
    known: Callable[[], Iterable[str]],
    prune: bool = True,
    engine: EngineName | None = None,
    memory_limit: str = DEFAULT_MEMORY_LIMIT,
) -> SqlResult:
    """Check a query, list the files that it needs, and bind it; rows are computed when asked for.

    Args:
        text: one SELECT (WITH, VALUES, FROM, PIVOT … IN, DESCRIBE, SUMMARIZE) over `domain.product` names.
        resolve: gives the version of a product that is to be read; raises NotFoundError for an unknown
            product.
        parameters: a mapping for `$name`, a sequence for `?`. A list stands for an SQL list: `symbol IN
            $symbols`.
        known: gives the names of all products, for the message about an unknown one.
        prune: whether to list only the files that can matter; the answer is the same either way.
        engine: how products are read, for tests and measurements; None for the cheapest way.
        memory_limit: of this query, as '4GiB' or '50%'; what does not fit is spilled to a private temporary
            folder.

    Raises:
        QueryError: the sandbox refuses the SQL, or it can not be parsed or bound.
        NotFoundError: it names an unknown product.
    """
    duck = Engine(memory_limit=memory_limit)
    question = _ask(duck, text, resolve, parameters, known, prune=prune, engine=engine)
    files = duck.load(question.sources)
    return prepare(duck, question.text, question.bound, files)


def explain_sql(
    text: str,
    resolve: Callable[[ProductName], TableState],
    *,
    parameters: Parameters = None,
    known: Callable[[], Iterable[str]],
    prune: bool = True,
) -> QueryPlan:
    """Return what a query would read of each product, by name; opens footers and no data page.

    Raises:
        QueryError: the sandbox refuses the SQL, or it can not be parsed.
        NotFoundError: it names an unknown product.
        IntegrityError: a data file is missing, or its footer is altered.
    """
    duck = Engine()
    try:
        question = _ask(duck, text, resolve, parameters, known, prune=prune, engine=None)
    finally:
        duck.close()
    plans = tuple(map(scan_plan, question.sources))
    return QueryPlan(plans, question.notes if plans else ("The query reads no product.",))


@dataclass(frozen=True, slots=True)
class _Question:
    """A checked query, and how its products are read."""

    text: str
    """as it will run"""
    bound: Mapping[str, Any]
    """parameters as DuckDB gets them"""
    sources: tuple[Source, ...]
    """by name of product"""
    notes: tuple[str, ...] = ()
    """for the plan"""


def _ask(
    duck: Engine,
    text: str,
    resolve: Callable[[ProductName], TableState],
    parameters: Parameters,
    known: Callable[[], Iterable[str]],
    *,
    prune: bool,
    engine: EngineName | None,
) -> _Question:
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
    views = [View.of(state, needs[name], ranked=ranked) for name, state in states.items()]
    sources = tuple(choose(view, named, engine=engine) for view in views)
    return _Question(statement.text, binding.bound, sources)


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
