"""Every table of a lake: one a product and major contract version."""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.products import contract_versions, list_products, load_contract
from lakehouse.catalog.versions import parse_version
from lakehouse.names import ProductName
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.table import Table
from lakehouse.store import Store


def open_tables(store: Store) -> Iterator[Table]:
    """Yield a fresh view of every table, by product and major version; some may not be written yet."""
    for name in list_products(store):
        majors = sorted({parse_version(version)[0] for version in contract_versions(store, name)})
        for major in majors:
            yield open_table(store, name, major)


def open_table(store: Store, name: ProductName, major: int) -> Table:
    """Return a fresh view of one table, which shares nothing with others.

    Raises:
        NotFoundError: there is no such product or major version.
    """
    return table_under(store, load_contract(store, name, major=major))


def table_under(store: Store, contract: Contract) -> Table:
    """Return the table of a product, as its contract describes it."""
    layout = None if contract.layout == "auto" else Layout.parse(contract.layout)
    return Table(
        store,
        contract.name,
        contract.major,
        contract.schema,
        contract_version=contract.version,
        layout=layout,
    )
