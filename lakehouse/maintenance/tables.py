"""Every table of a lake: one a product and major contract version."""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.product_names import contract_versions, list_products
from lakehouse.catalog.products import load_contract
from lakehouse.catalog.versions import major_of
from lakehouse.names import ProductName
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.table import Table, Terms
from lakehouse.store import Store


def open_tables(store: Store) -> Iterator[Table]:
    """Yield a fresh view of every table, by product and major version; some may not be written yet."""
    for name in list_products(store):
        majors = sorted({major_of(version) for version in contract_versions(store, name)})
        for major in majors:
            yield open_table(store, name, major)


def open_table(store: Store, name: ProductName, major: int) -> Table:
    """Return a fresh view of one table, which shares nothing with others.

    Raises:
        NotFoundError: there is no such product or major version.
    """
    terms = terms_of(load_contract(store, name, major=major))
    return Table(store, name, major, lambda: terms)


def terms_of(contract: Contract) -> Terms:
    """Return what a contract says of its table."""
    layout = None if contract.layout == "auto" else Layout.parse(contract.layout)
    return Terms(contract.schema, contract.version, layout)
