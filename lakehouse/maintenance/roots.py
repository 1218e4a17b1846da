"""What nobody may take away: heads, history, snapshots, locks, and what open processes read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lakehouse.catalog.claims import Lease, list_leases
from lakehouse.catalog.pinned import PinnedProduct, read_manifest
from lakehouse.errors import IntegrityError
from lakehouse.maintenance.holders import Holder, holds_still, list_holders
from lakehouse.partitions.manifest import manifest_paths
from lakehouse.store import Store


@dataclass(frozen=True, slots=True)
class Roots:
    """The roots of one look at the lake; heads and history are those of each table."""

    leases: tuple[Lease, ...]
    """of the sessions that live"""
    holders: tuple[Holder, ...]
    """snapshots and pins"""

    def since(self, table: str, own: int) -> int:
        """Return the oldest version from which all later ones are held: by leases, or `own`."""
        held = [lease.tables[table].since for lease in self.leases if table in lease.tables]
        return min([own, *(since for since in held if since is not None)])

    def versions(self, table: str) -> tuple[int, ...]:
        """Return the old versions that leases hold one by one, sorted."""
        found = {v for lease in self.leases if table in lease.tables for v in lease.tables[table].versions}
        return tuple(sorted(found))

    @property
    def leased_manifests(self) -> frozenset[str]:
        """The manifests of the sets that are checked out, dropped or not."""
        return frozenset(path for lease in self.leases for path in lease.manifests)


def read_roots(store: Store, leases: Iterable[Lease]) -> Roots:
    """Read every root but the heads and the leases, which the caller has read.

    Raises:
        IntegrityError: a document is broken: who can not read what is held must not take anything away.
    """
    return Roots(tuple(leases), tuple(list_holders(store)))


def read_roots_last(store: Store) -> Roots:
    """Read every root but the heads, so that none is missed that moves from a lease to a set or back.

    What is made from a lease that ended before the first look at the leases shows among the sets; what was
    checked out of a set that was dropped before the look at the sets shows in the second look at the leases.

    Raises:
        IntegrityError: a document is broken.
    """
    before = list_leases(store)
    holders = tuple(list_holders(store))
    return Roots((*before.values(), *list_leases(store).values()), holders)


def held_files(store: Store, roots: Roots) -> Iterator[tuple[str, list[str]]]:
    """Yield who holds files by a manifest, and which; one manifest at a time.

    Raises:
        IntegrityError: a manifest is missing or broken.
    """
    for holder in roots.holders:
        for product in holder.products:
            try:
                paths = paths_of(store, product)
            except IntegrityError:
                if holds_still(store, holder):
                    raise
                break  # it was dropped meanwhile, and another collector took its manifests
            yield str(holder), paths
    seen = {product.manifest for holder in roots.holders for product in holder.products}
    for lease in roots.leases:
        for path in sorted(set(lease.manifests) - seen):
            if store.size(path) is not None:
                yield str(lease), manifest_paths(store.get(path), where=path)


def subtract_held(store: Store, roots: Roots, candidates: Iterable[str]) -> tuple[set[str], dict[str, int]]:
    """Return the candidates that no manifest names, and how many each holder keeps."""
    dead = set(candidates)
    kept: dict[str, int] = {}
    everything = frozenset(dead)
    for holder, paths in held_files(store, roots):
        found = everything.intersection(paths)
        dead -= found
        if found:
            kept[holder] = kept.get(holder, 0) + len(found)
    return dead, kept


def paths_of(store: Store, product: PinnedProduct) -> list[str]:
    """Return the data files of one version of a set.

    Raises:
        IntegrityError: its manifest is missing or was changed.
    """
    return manifest_paths(read_manifest(store, product), where=product.manifest)
