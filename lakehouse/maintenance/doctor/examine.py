"""One look at a lake: the catalog first, then every table, by one listing and the logs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lakehouse.errors import NotFoundError
from lakehouse.maintenance.doctor.claims import Claims, dead_intents, read_claims
from lakehouse.maintenance.doctor.documents import (
    Catalog,
    check_queries,
    read_catalog,
    undeclared_domains,
)
from lakehouse.maintenance.doctor.findings import Finding
from lakehouse.maintenance.doctor.sets import PinnedState, read_sets
from lakehouse.maintenance.doctor.strays import check_unfinished
from lakehouse.maintenance.doctor.tables import Surroundings, check_table, product_of
from lakehouse.maintenance.garbage import writer_of
from lakehouse.names import ProductName
from lakehouse.partitions.replay import table_path
from lakehouse.store import Entry, Store

_TABLE = re.compile(r"(partitions/[a-z][a-z0-9_]{0,62}/[a-z][a-z0-9_]{0,62}/v[1-9][0-9]{0,8})/.+")
_FOLDERS = ("catalog", "partitions", "queries")


@dataclass(frozen=True, slots=True)
class Scope:
    """What to look at."""

    products: frozenset[ProductName] | None = None
    """None for the whole lake, its documents included"""
    quick: bool = False
    """read no data file"""
    only: frozenset[str] | None = None
    """the data files to read; None for all"""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found."""

    findings: tuple[Finding, ...]
    """in the order in which the lake was walked"""
    tables: int
    """how many were looked at"""
    files: int
    """how many data files were looked at"""


def examine(store: Store, scope: Scope) -> Look:
    """Look at a lake; nothing is changed, and nothing that is broken keeps the rest from being seen.

    Raises:
        NotFoundError: there is no such product.
        StorageError: the disk or bucket can not be listed.
    """
    paths = [entry.path for entry in store.list("catalog")]
    sets, catalog, claims = read_sets(store, paths), read_catalog(store, paths), read_claims(store, paths)
    listing, findings = _by_table(store, scope)
    pinned: dict[str, list[PinnedState]] = defaultdict(list)
    for each in sets.states:
        pinned[table_path(each.state.name, each.state.major)].append(each)
    if scope.products is None:
        findings += _check_catalog(store, catalog, claims, sets.findings)
    tables = {name for name in {*listing, *pinned} if _is_inside(scope, name)}
    _check_known(scope, {*catalog.contracts, *map(product_of, tables)})
    files = 0
    for table in sorted(tables):
        around = Surroundings(catalog.contracts.get(product_of(table), {}), claims, pinned.get(table, ()))
        found, count = check_table(
            store, table, listing.get(table, ()), around, read=not scope.quick, only=scope.only
        )
        findings, files = [*findings, *found], files + count
    return Look(tuple(findings), len(tables), files)


def _check_catalog(
    store: Store, catalog: Catalog, claims: Claims, sets: Iterable[Finding]
) -> Iterator[Finding]:
    yield from sets
    yield from catalog.findings
    yield from undeclared_domains(catalog)
    yield from claims.findings
    yield from dead_intents(claims, (writer_of(file) for file in claims.condemned))
    yield from check_queries(store)
    for folder in _FOLDERS:
        yield from check_unfinished(store, folder)


def _by_table(store: Store, scope: Scope) -> tuple[dict[str, list[Entry]], list[Finding]]:
    """Return the objects of every table, and findings for those outside of all."""
    tables: dict[str, list[Entry]] = defaultdict(list)
    outside = []
    products = scope.products
    folders = ["partitions"] if products is None else [_folder(name) for name in sorted(products)]
    for folder in folders:
        for entry in store.list(folder):
            found = _TABLE.fullmatch(entry.path)
            if found:
                tables[found.group(1)].append(entry)
            else:
                outside.append(Finding("foreign-file", entry.path, "it lies in the folder of no table"))
    return tables, outside


def _folder(name: ProductName) -> str:
    return f"partitions/{name.domain}/{name.product}"


def _is_inside(scope: Scope, table: str) -> bool:
    return scope.products is None or product_of(table) in scope.products


def _check_known(scope: Scope, known: set[ProductName]) -> None:
    for name in scope.products or ():
        if name not in known:
            raise NotFoundError.among("product", str(name), map(str, known))
