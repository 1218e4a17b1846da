"""Named queries: SQL files whose header says which tables and parameters they have.

    -- title Volume-weighted average price
    -- description Of each symbol and span of time.
    -- table trades = market_data.trades
    -- parameter symbol: strings = null   one symbol, or several; null for all
    -- parameter width: duration = 1d     length of a span
    -- returns symbol, time, vwap
    select …  from trades  where ($symbol is null or symbol in $symbol) …

A table of the header is a logical name: `bind_query` puts the product behind it as a name of WITH. A
parameter without a default must be given. Lines that are indented go on with the text above them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.errors import ArgumentError, LakehouseError, NotFoundError, QueryError
from lakehouse.names import ProductName
from lakehouse.queries.arguments import KINDS, read_argument

if TYPE_CHECKING:
    from lakehouse.queries.result import Result
    from lakehouse.store import Store

FOLDER = "queries"
_MACROS = "macros"
_TABLE = re.compile(r"(?P<name>[a-z][a-z0-9_]*)\s*=\s*(?P<product>\S+)")
_PARAMETER = re.compile(
    r"(?P<name>[a-z][a-z0-9_]*)\s*:\s*(?P<kind>[a-z]+)(?:\s*=\s*(?P<default>'[^']*'|\S+))?(?:\s+(?P<text>.*))?"
)
_WITH = re.compile(r"\s*with\s+(?P<recursive>recursive\s+)?", re.IGNORECASE)
_WORDS = ("title", "description", "table", "parameter", "returns")


@dataclass(frozen=True, slots=True)
class QueryParameter:
    """One parameter of a named query."""

    name: str
    """as in the SQL, without the `$`"""
    kind: str
    """a name of `lakehouse.queries.arguments.KINDS`"""
    required: bool
    """whether it has no default"""
    default: Any = None
    """its value where none is given"""
    description: str = ""
    """what it means"""

    def __str__(self) -> str:
        """Return it as the header writes it."""
        default = "" if self.required else f" = {'null' if self.default is None else self.default}"
        return f"{self.name}: {self.kind}{default}"


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """One file of the library."""

    name: str
    """of the file, without `.sql`"""
    title: str
    """a few words"""
    description: str
    """what it computes, exactly"""
    tables: Mapping[str, ProductName]
    """logical table name to default product"""
    parameters: Mapping[str, QueryParameter]
    """by name, in order"""
    returns: str
    """its columns"""
    sql: str
    """the SELECT, over logical table names"""


def parse_query(name: str, text: str) -> NamedQuery:
    """Read the text of a named query.

    Raises:
        QueryError: the header can not be read, or there is no SQL below it.

    Examples:
        >>> query = parse_query("ticks", '''-- title Ticks
        ... -- table t = market_data.trades
        ... from t''')
        >>> query.title, str(query.tables["t"]), query.sql
        ('Ticks', 'market_data.trades', 'from t')
    """
    header, sql = _split(text)
    if not sql:
        raise QueryError(f"The query {name!r} has no SQL below its header.")
    entries = list(_entries(name, header))
    texts = {word: " ".join(rest for key, rest in entries if key == word) for word in _WORDS}
    tables = dict(_table(name, rest) for key, rest in entries if key == "table")
    parameters = {
        each.name: each for each in (_parameter(name, rest) for key, rest in entries if key == "parameter")
    }
    both = sorted(tables.keys() & parameters.keys())
    if both:
        raise QueryError(f"The query {name!r} has a table and a parameter of one name: {', '.join(both)}.")
    return NamedQuery(
        name, texts["title"] or name, texts["description"], tables, parameters, texts["returns"], sql
    )


def load_query(store: Store, name: str) -> NamedQuery:
    """Return a named query of a lake.

    Raises:
        NotFoundError: there is none of that name; the nearest ones are in the hint.
        QueryError: its header can not be read.
    """
    if name not in (known := query_names(store)):
        raise NotFoundError.among("query", str(name), known)
    return parse_query(name, store.get(f"{FOLDER}/{name}.sql").decode("utf-8"))


def query_names(store: Store) -> list[str]:
    """Return the names of all queries of a lake, sorted."""
    paths = (entry.path.removeprefix(f"{FOLDER}/") for entry in store.list(FOLDER))
    names = (path.removesuffix(".sql") for path in paths if path.endswith(".sql") and "/" not in path)
    return sorted(name for name in names if name != _MACROS)


def list_queries(store: Store) -> list[NamedQuery]:
    """Return all named queries of a lake, by name.

    Raises:
        QueryError: a header can not be read.
    """
    return [
        parse_query(name, store.get(f"{FOLDER}/{name}.sql").decode("utf-8")) for name in query_names(store)
    ]


def describe_queries(store: Store) -> Result:
    """Return one row a named query: name, title, tables, parameters, returns, description."""
    import pyarrow as pa

    from lakehouse.partitions.arrays import text_array
    from lakehouse.queries.result import Result

    queries = list_queries(store)
    columns = {
        "name": [query.name for query in queries],
        "title": [query.title for query in queries],
        "tables": [
            ", ".join(f"{name} = {product}" for name, product in query.tables.items()) for query in queries
        ],
        "parameters": [", ".join(map(str, query.parameters.values())) for query in queries],
        "returns": [query.returns for query in queries],
        "description": [query.description for query in queries],
    }
    return Result(pa.Table.from_arrays([text_array(values) for values in columns.values()], list(columns)))


def bind_query(query: NamedQuery, arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the SQL and the parameters of a named query for these arguments.

    Args:
        query: of the library.
        arguments: values of its parameters, and for a logical table the product to use instead.

    Raises:
        ArgumentError: an argument is unknown or can not be read, or one without a default is missing.

    Examples:
        >>> query = parse_query("ticks", '''-- table t = market_data.trades
        ... -- parameter n: integer = 5
        ... from t limit $n''')
        >>> bind_query(query, {"t": "crypto.trades"})
        ('WITH "t" AS NOT MATERIALIZED (FROM "crypto"."trades") from t limit $n', {'n': 5})
    """
    known = [*query.parameters, *query.tables]
    unknown = sorted(arguments.keys() - set(known))
    if unknown:
        raise ArgumentError(
            f"The query {query.name!r} has no argument {', '.join(map(repr, unknown))}.",
            hint=f"Its arguments: {', '.join(known) or 'none'}.",
        )
    missing = [
        each.name for each in query.parameters.values() if each.required and arguments.get(each.name) is None
    ]
    if missing:
        raise ArgumentError(
            f"The query {query.name!r} needs {', '.join(missing)}.", hint=f"Give {missing[0]}=…"
        )
    products = {
        name: ProductName.parse(arguments.get(name, product)) for name, product in query.tables.items()
    }
    values = {
        name: read_argument(name, each.kind, arguments.get(name, each.default))
        for name, each in query.parameters.items()
    }
    return _with_tables(query.sql, products), values


def _with_tables(sql: str, products: Mapping[str, ProductName]) -> str:
    """Put each product behind its logical name; inlined, so that conditions reach it."""
    if not products:
        return sql
    tables = ", ".join(
        f'"{name}" AS NOT MATERIALIZED (FROM "{product.domain}"."{product.product}")'
        for name, product in products.items()
    )
    found = _WITH.match(sql)
    if found is None:
        return f"WITH {tables} {sql}"
    recursive = "RECURSIVE " if found.group("recursive") else ""
    return f"WITH {recursive}{tables}, {sql[found.end() :]}"


def _split(text: str) -> tuple[list[str], str]:
    """Return the lines of the header, without their dashes, and the SQL."""
    lines = text.lstrip("\ufeff").splitlines()
    count = next(
        (rank for rank, line in enumerate(lines) if line.strip() and not line.startswith("--")), len(lines)
    )
    header = [line.removeprefix("--").removeprefix(" ") for line in lines[:count] if line.strip()]
    return header, "\n".join(lines[count:]).strip().rstrip(";").rstrip()


def _entries(name: str, header: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Return (word, text) of each entry; indented lines go on with the entry above them."""
    entries: list[tuple[str, str]] = []
    for line in header:
        word, _, rest = line.partition(" ")
        if line.startswith(" ") and entries:
            entries[-1] = (entries[-1][0], f"{entries[-1][1]} {line.strip()}")
        elif word.rstrip(":") in _WORDS:
            entries.append((word.rstrip(":"), rest.strip()))
        elif line.strip():
            raise QueryError(
                f"The query {name!r} has the header line {line!r}.",
                hint=f"Begin it with {', '.join(_WORDS)}.",
            )
    return entries


def _table(name: str, text: str) -> tuple[str, ProductName]:
    found = _TABLE.fullmatch(text)
    if found is None:
        raise QueryError(
            f"The query {name!r} has the table {text!r}.", hint="Write -- table name = domain.product"
        )
    try:
        return found.group("name"), ProductName.parse(found.group("product"))
    except ArgumentError as error:
        raise QueryError(f"The query {name!r}: {error.message}", hint=error.hint) from error


def _parameter(name: str, text: str) -> QueryParameter:
    found = _PARAMETER.fullmatch(text)
    if found is None or found.group("kind") not in KINDS:
        raise QueryError(
            f"The query {name!r} has the parameter {text!r}.",
            hint=f"Write -- parameter name: kind = default   text; kinds: {', '.join(KINDS)}.",
        )
    default = found.group("default")
    written = None if default in (None, "null") else default.strip("'")
    try:
        read_argument(found.group("name"), found.group("kind"), written)
    except LakehouseError as error:
        raise QueryError(f"The query {name!r}: {error.message}", hint=error.hint) from error
    return QueryParameter(
        found.group("name"),
        found.group("kind"),
        default is None,
        written,
        " ".join((found.group("text") or "").split()),
    )
