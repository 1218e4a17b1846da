"""SQL over `domain.product` names: check, prune, run.

The text that runs is the text that was written, not one that is generated from the checked tree. It is safe
because the tree that is checked comes from the parser that runs it, and it is exact because nothing is
rewritten: products are views of their own names, parameters are bound by DuckDB. The one exception is an
as-of join that we do: see `asof_shape.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from lakehouse.names import ProductName
from lakehouse.queries.sql.bind import Parameters
from lakehouse.queries.sql.choice import Engine as EngineName
from lakehouse.queries.sql.engine import DEFAULT_MEMORY_LIMIT, Engine, SqlResult, prepare
from lakehouse.queries.sql.plan import QueryPlan, scan_plan
from lakehouse.queries.sql.question import ask

if TYPE_CHECKING:
    from lakehouse.partitions.state import TableState


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
    question = ask(duck, text, resolve, parameters, known, prune=prune, engine=engine)
    files = duck.load(question.sources, question.join)
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
        question = ask(duck, text, resolve, parameters, known, prune=prune, engine=None)
    finally:
        duck.close()
    plans = tuple(map(scan_plan, question.read))
    return QueryPlan(plans, question.notes if plans else ("The query reads no product.",))
