"""SQL over `domain.product` names: check, prune, run.

The text that runs is the text that was written, not one that is generated from the checked tree. It is safe
because the tree that is checked comes from the parser that runs it, and it is exact because nothing is
rewritten: products are views of their own names, parameters are bound by DuckDB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.errors import NotFoundError, QueryError
from lakehouse.names import ProductName
from lakehouse.queries.sql.bind import Binding, Parameters, bind
from lakehouse.queries.sql.bounds import ANY
from lakehouse.queries.sql.constants import Constants
from lakehouse.queries.sql.engine import DEFAULT_MEMORY_LIMIT, Engine, SqlResult, prepare
from lakehouse.queries.sql.failures import translated
from lakehouse.queries.sql.pruning import find_needs
from lakehouse.queries.sql.sandbox import check
from lakehouse.queries.sql.tree import Statement, find, fold, parse
from lakehouse.queries.sql.views import View
from lakehouse.schema import SEQUENCE

if TYPE_CHECKING:
    from lakehouse.partitions.state import TableState

_OF_DUCKDB = frozenset({"information_schema", "main", "memory", "pg_catalog", "system", "temp"})


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """What a query reads of one product."""

    product: str
    """its name"""
    version: int
    """the commit that is read"""
    files: int
    """live data files of that version"""
    files_listed: int
    """those that can hold a row of the answer"""
    rows: int
    """rows in the listed files"""
    size: int
    """bytes of the listed files"""
    predicates: tuple[str, ...]
    """conditions on stored columns that the files were chosen by, and that DuckDB skips row groups by"""


def run_sql(
    text: str,
    resolve: Callable[[ProductName], TableState],
    *,
    parameters: Parameters = None,
    known: Callable[[], Iterable[str]],
    prune: bool = True,
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
        memory_limit: of this query, as '4GiB' or '50%'; what does not fit is spilled to a private temporary
            folder.

    Raises:
        QueryError: the sandbox refuses the SQL, or it can not be parsed or bound.
        NotFoundError: it names an unknown product.
    """
    engine = Engine(memory_limit=memory_limit)
    statement, binding, views = _plan(engine, text, resolve, parameters, known, prune=prune)
    files = engine.load(views)
    return prepare(engine, statement.text, binding.bound, files)


def explain_sql(
    text: str,
    resolve: Callable[[ProductName], TableState],
    *,
    parameters: Parameters = None,
    known: Callable[[], Iterable[str]],
    prune: bool = True,
) -> tuple[ScanPlan, ...]:
    """Return what a query would read of each product, by name, without reading any file.

    Raises:
        QueryError: the sandbox refuses the SQL, or it can not be parsed.
        NotFoundError: it names an unknown product.
    """
    engine = Engine()
    _, _, views = _plan(engine, text, resolve, parameters, known, prune=prune)
    engine.close()
    return tuple(_scan_plan(view) for view in views)


def _plan(
    engine: Engine,
    text: str,
    resolve: Callable[[ProductName], TableState],
    parameters: Parameters,
    known: Callable[[], Iterable[str]],
    *,
    prune: bool,
) -> tuple[Statement, Binding, list[View]]:
    with translated({}):
        statement = parse(engine.connection, text)
    names = sorted(check(statement, known))
    binding = bind(statement.parameters, parameters)
    states = {name: _resolve(name, resolve, known) for name in names}
    schemas = {name: state.schema for name, state in states.items()}
    ranked = _names_sequence(statement)
    if not prune:
        return statement, binding, [View.of(state, ANY, ranked=ranked) for state in states.values()]
    constants = Constants(engine.connection, binding.values, binding.bound)
    needs = find_needs(statement.node, schemas, constants, ranked=ranked)
    return statement, binding, [View.of(state, needs[name], ranked=ranked) for name, state in states.items()]


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


def _scan_plan(view: View) -> ScanPlan:
    state = view.state
    return ScanPlan(
        product=str(state.name),
        version=state.version,
        files=len(state.files),
        files_listed=len(view.files),
        rows=sum(file.rows for file in view.files),
        size=sum(file.size for file in view.files),
        predicates=view.predicates(),
    )
