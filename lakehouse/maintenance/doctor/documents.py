"""The documents of the catalog, read one by one, so that a broken one hides no other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.documents import read_json
from lakehouse.catalog.domains import Domain
from lakehouse.catalog.lake_document import LAKE_DOCUMENT, read_lake
from lakehouse.catalog.products import load_contract
from lakehouse.catalog.versions import is_version
from lakehouse.errors import IntegrityError, LakehouseError, NotFoundError
from lakehouse.maintenance.doctor.findings import Finding
from lakehouse.names import ProductName, is_plain_name
from lakehouse.queries.library import FOLDER as QUERIES
from lakehouse.queries.library import parse_query
from lakehouse.store import Store

UNREADABLE = (LakehouseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""what reading a document of any content can raise"""

T = TypeVar("T")

_RESTORE = "Take it from a backup: documents never change."
_BACKFILL = re.compile(
    r"catalog/backfills/[0-9a-f]{32}/(plan|failures/[^/]+\.[0-9a-f]{16}|claims/\d+\.\d+)\.json"
)
_APART = ("snapshots/", "pins/", "leases/", "intents/", "condemned/", "probes/")


@dataclass(frozen=True, slots=True)
class Catalog:
    """What could be read of the catalog."""

    contracts: Mapping[ProductName, Mapping[str, Contract | None]]
    """each version of each contract; None for a broken one"""
    domains: frozenset[str]
    """the domains with a document, broken or not"""
    findings: tuple[Finding, ...] = ()
    """what could not be read"""


def read_catalog(store: Store, paths: Iterable[str]) -> Catalog:
    """Read lake, domains, contracts, audit and backfills.

    Args:
        store: the lake.
        paths: of every object below `catalog`; snapshots, pins and claims have their own examiners.
    """
    contracts: dict[ProductName, dict[str, Contract | None]] = {}
    domains: set[str] = set()
    findings: list[Finding] = []
    for path in sorted({*paths, LAKE_DOCUMENT}):
        if path.removeprefix("catalog/").startswith(_APART):
            continue
        if found := _contract_name(path):
            contract, fault = try_read(path, partial(load_contract, store, *found))
            contracts.setdefault(found[0], {})[found[1]] = contract
        else:
            fault = _check_other(store, path, domains)
        findings += [fault] if fault else []
    return Catalog(contracts, frozenset(domains), tuple(findings))


def check_queries(store: Store) -> Iterator[Finding]:
    """Read every named query."""
    for entry in store.list(QUERIES):
        name = entry.path.removeprefix(f"{QUERIES}/").removesuffix(".sql")
        if not entry.path.endswith(".sql") or "/" in name:
            yield Finding("foreign-file", entry.path, "no named query has such a name")
            continue
        try:
            text = store.get(entry.path).decode("utf-8")
            if name != "macros":
                parse_query(name, text)
        except NotFoundError:
            continue
        except UNREADABLE as error:
            yield Finding("broken-query", entry.path, message_of(error), advice="Correct its header.")


def undeclared_domains(catalog: Catalog) -> Iterator[Finding]:
    """Yield the domains of products that no document declares."""
    for domain in sorted({name.domain for name in catalog.contracts} - catalog.domains):
        advice = f"Declare it: lake.add_domain(Domain({domain!r}, owners=(…,)))."
        yield Finding(
            "domain-undeclared",
            f"catalog/domains/{domain}.yaml",
            f"no document declares {domain}",
            advice=advice,
        )


def broken(path: str, error: Exception, consequence: str = "") -> Finding:
    """Return the finding for a document that can not be read."""
    return Finding("broken-document", path, message_of(error), consequence=consequence, advice=_RESTORE)


def message_of(error: Exception) -> str:
    """Return what an error says, in one line."""
    text = error.message if isinstance(error, LakehouseError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:500]


def _check_other(store: Store, path: str, domains: set[str]) -> Finding | None:
    if path == LAKE_DOCUMENT:
        return _check_lake(store)
    folder, _, name = path.rpartition("/")
    fault: Finding | None
    if folder == "catalog/domains" and name.endswith(".yaml"):
        domains.add(name.removesuffix(".yaml"))
        _, fault = try_read(path, partial(_domain, store, path))
    elif (folder == "catalog/audit" and name.endswith(".json")) or _BACKFILL.fullmatch(path):
        _, fault = try_read(path, partial(read_json, store, path))
    else:
        fault = Finding("foreign-file", path, "no document of the catalog has such a name")
    return fault


def _check_lake(store: Store) -> Finding | None:
    try:
        read_lake(store)
    except UNREADABLE as error:
        advice = "Take it from a backup or an export: locks know the lake by the id in it."
        what = f"{LAKE_DOCUMENT} is missing" if isinstance(error, NotFoundError) else message_of(error)
        return Finding(
            "broken-document", LAKE_DOCUMENT, what, consequence="The lake can not be opened.", advice=advice
        )
    return None


def try_read(path: str, read: Callable[[], T], consequence: str = "") -> tuple[T | None, Finding | None]:
    """Read a document; one that has gone since it was listed is no finding."""
    try:
        return read(), None
    except NotFoundError:
        return None, None
    except UNREADABLE as error:
        return None, broken(path, error, consequence)


def _domain(store: Store, path: str) -> Domain:
    domain = Domain.from_yaml(store.get(path).decode("utf-8"))
    if path != f"catalog/domains/{domain.name}.yaml":
        raise IntegrityError(f"{path} holds the domain {domain.name!r}.")
    return domain


def _contract_name(path: str) -> tuple[ProductName, str] | None:
    parts = path.removeprefix("catalog/").split("/")
    if len(parts) != 4 or parts[0] != "products" or not parts[3].endswith(".yaml"):
        return None
    version = parts[3].removesuffix(".yaml")
    plain = is_plain_name(parts[1]) and is_plain_name(parts[2]) and is_version(version)
    return (ProductName(parts[1], parts[2]), version) if plain else None
