"""Snapshots and pins: their documents, their manifests, and the data files that these name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from lakehouse.catalog import pins, snapshots
from lakehouse.catalog.documents import read_json
from lakehouse.catalog.pinned import PinnedProduct, load_set
from lakehouse.errors import NotFoundError
from lakehouse.maintenance.doctor.documents import UNREADABLE, broken, try_read
from lakehouse.maintenance.doctor.findings import Finding
from lakehouse.maintenance.doctor.kept import is_kept
from lakehouse.partitions.manifest import decode_manifest
from lakehouse.partitions.state import TableState
from lakehouse.store import Store

_KINDS = {snapshots.FOLDER: "snapshot", pins.FOLDER: "lock"}
_DROPPED = ".dropped"
_LOST = "What it pins can not be read, and garbage collection refuses to run."


@dataclass(frozen=True, slots=True)
class PinnedState:
    """One product of a snapshot or pin, as its manifest has it."""

    holder: str
    """which snapshot or lock, in words"""
    state: TableState
    """the version"""


@dataclass(frozen=True, slots=True)
class Sets:
    """What could be read of the snapshots and pins."""

    states: tuple[PinnedState, ...]
    """of the sets that were not dropped"""
    findings: tuple[Finding, ...]
    """what could not be read"""


def read_sets(store: Store, paths: Iterable[str]) -> Sets:
    """Read every set with its manifests.

    Args:
        store: the lake.
        paths: of every object below `catalog`.
    """
    listed = sorted(paths)
    states: list[PinnedState] = []
    findings: list[Finding] = []
    for folder, kind in _KINDS.items():
        own = [path.removeprefix(f"{folder}/") for path in listed if path.startswith(f"{folder}/")]
        names = {name.removesuffix(".json") for name in own if "/" not in name and name.endswith(".json")}
        findings += _foreign(folder, own)
        for name in sorted(names):
            found = list(_read_set(store, folder, kind, name, dropped=f"{name}{_DROPPED}" in names))
            states += [each for each in found if isinstance(each, PinnedState)]
            findings += [each for each in found if isinstance(each, Finding)]
    return Sets(tuple(states), tuple(findings))


def _read_set(
    store: Store, folder: str, kind: str, name: str, *, dropped: bool
) -> Iterator[PinnedState | Finding]:
    path = f"{folder}/{name}.json"
    if name.endswith(_DROPPED):
        _, fault = try_read(path, partial(read_json, store, path), f"Nobody can say who dropped the {kind}.")
        found = None
    else:
        found, fault = try_read(path, partial(load_set, store, folder, name), _LOST)
    if fault is not None:
        yield fault
    if found is not None and not dropped:
        for product in found.products:
            yield from _read_manifest(store, f"{kind} {name}", product)


def _read_manifest(store: Store, holder: str, product: PinnedProduct) -> Iterator[PinnedState | Finding]:
    try:
        data = store.get(product.manifest)
        found = hashlib.sha256(data).hexdigest()
        if found != product.manifest_sha256:
            yield _manifest_finding(product, holder, found, len(data))
            return
        state = decode_manifest(store, data, where=product.manifest)
    except NotFoundError:
        yield _manifest_finding(product, holder, None, 0)
        return
    except UNREADABLE as error:
        yield broken(product.manifest, error, _LOST)
        return
    yield PinnedState(holder, state)
    facts = product.version, product.rows, product.digest
    if facts != (state.version, state.rows, state.digest):
        yield Finding(
            "record-mismatch",
            product.manifest,
            f"the {holder} and its manifest of {product.name} tell different things",
            f"version {facts[0]}, {facts[1]} rows, digest {facts[2]}",
            f"version {state.version}, {state.rows} rows, digest {state.digest}",
        )


def _manifest_finding(product: PinnedProduct, holder: str, found: str | None, size: int) -> Finding:
    return Finding(
        "missing-manifest" if found is None else "altered-manifest",
        product.manifest,
        f"the manifest of {product.name} in {holder} is {'missing' if found is None else 'altered'}",
        f"sha256 {product.manifest_sha256}",
        "nothing" if found is None else f"{size} bytes, sha256 {found}",
        advice="Put it back from a copy or a backup: lake doctor --source PATH --apply",
        sha256=product.manifest_sha256,
    )


def _foreign(folder: str, names: Iterable[str]) -> Iterator[Finding]:
    """Yield what is no document and no manifest; manifests that no document names are left of crashes."""
    for name in names:
        document = "/" not in name and name.endswith(".json")
        manifest = name.count("/") == 1 and name.endswith(".parquet")
        if not document and not manifest and not is_kept(name):
            yield Finding("foreign-file", f"{folder}/{name}", "no document of the catalog has such a name")
