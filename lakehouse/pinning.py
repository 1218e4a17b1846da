"""Snapshots and locks of an open lake: from names and versions to manifests that never change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.errors import ArgumentError
from lakehouse.names import ProductName
from lakehouse.partitions.manifest import encode_manifest

if TYPE_CHECKING:
    from lakehouse.catalog.locks import Lock
    from lakehouse.catalog.pinned import Snapshot
    from lakehouse.lake import Lake
    from lakehouse.partitions.state import TableState
    from lakehouse.partitions.verify import Verification

Products = Sequence[str] | Mapping[str, int] | None


def make_snapshot(lake: Lake, name: str, products: Products, *, author: str, message: str) -> Snapshot:
    """Publish a snapshot of the present, or the given, versions."""
    from lakehouse.catalog.snapshots import publish_snapshot

    states = states_of(lake, products)
    return publish_snapshot(lake.store, name, _pinnable(states), author=_author(author), message=message)


def make_lock(
    lake: Lake, path: str | Path, products: Products | str, *, author: str, message: str, overwrite: bool
) -> Lock:
    """Publish a pin, then write the lock file."""
    from lakehouse.catalog.locks import publish_pin, write_lock

    if isinstance(products, str):
        states = list(lake.checkout(products).states.values())
    else:
        states = states_of(lake, products)
    identity = lake.id  # before the pin is there: what fails now leaves none
    pin = publish_pin(lake.store, _pinnable(states), author=_author(author), message=message)
    return write_lock(path, pin, lake_id=identity, lake_url=lake.url, overwrite=overwrite)


def verify_products(lake: Lake, products: Sequence[str] | None, *, quick: bool) -> Verification:
    """Verify the newest version of some products, None for all."""
    from lakehouse.partitions.verify import Verification

    total = Verification(0, 0, 0)
    for name in lake.products() if products is None else products:
        total += lake[name].verify(quick=quick)
    return total


def states_of(lake: Lake, products: Products) -> list[TableState]:
    """Return the states of products at their newest or given versions.

    Raises:
        ArgumentError: there is nothing to pin.
        NotFoundError: a product or version does not exist.
    """
    if isinstance(products, Mapping):
        states = [lake[name].state(version=version) for name, version in products.items()]
    else:
        states = [lake[name].state() for name in (lake.products() if products is None else products)]
    if not states:
        raise ArgumentError("There is no product to pin.", hint="Create a product and write to it first.")
    return states


def _pinnable(states: Sequence[TableState]) -> Mapping[ProductName, tuple[TableState, bytes]]:
    return {state.name: (state, encode_manifest(state)) for state in states}


def _author(author: str) -> str:
    from lakehouse.ingest.write import Provenance, author_of

    return author_of(Provenance(author=author))
