"""Immutable sets of product versions with their file manifests: the common form of snapshots and pins.

A set is readable without any Delta log: each product comes with a manifest, a Parquet file that lists its
data files. Manifests are published first, under names that hold their own digest, so that a crashed attempt
neither blocks a name nor leaves a wrong manifest behind; the JSON document is the atomic step that makes the
set exist.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from lakehouse.catalog.documents import now_iso, read_json, storable, take, to_json
from lakehouse.errors import (
    AlreadyExistsError,
    ArgumentError,
    IntegrityError,
    LakehouseError,
    NotFoundError,
    StorageError,
)
from lakehouse.names import ProductName, fresh_id
from lakehouse.store import Store, check_path

_DROPPED = ".dropped"


class VersionFacts(Protocol):
    """One version of one product, as the caller found it; `partitions.state.TableState` is one."""

    @property
    def major(self) -> int:
        """Major number of the contract, which names the table."""

    @property
    def version(self) -> int:
        """The commit."""

    @property
    def contract_version(self) -> str:
        """The contract under which it was written."""

    @property
    def rows(self) -> int:
        """Number of rows."""

    @property
    def digest(self) -> str:
        """Content digest of its rows, 32 hex digits."""


@dataclass(frozen=True, slots=True)
class PinnedProduct:
    """One version of one product in a set, and its manifest."""

    name: ProductName
    """the product"""
    major: int
    """major number of the contract, which names the table"""
    version: int
    """the commit"""
    contract_version: str
    """the contract under which it was written"""
    rows: int
    """number of rows"""
    digest: str
    """content digest of its rows, 32 hex digits"""
    manifest: str
    """path of the manifest in the lake"""
    manifest_sha256: str
    """of the manifest's bytes"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A named, immutable set of product versions."""

    name: str
    """as given by the user; for a pin its id"""
    id: str
    """32 hex digits, unique for ever"""
    created: str
    """when, ISO 8601 UTC"""
    author: str
    """who made it"""
    message: str
    """why"""
    products: tuple[PinnedProduct, ...]
    """sorted by name"""

    def __getitem__(self, name: ProductName) -> PinnedProduct:
        """Return one product of the set.

        Raises:
            NotFoundError: it is not in the set.
        """
        for product in self.products:
            if product.name == name:
                return product
        raise NotFoundError.among(
            f"product of snapshot {self.name}:", str(name), [str(p.name) for p in self.products]
        )


def publish_set(
    store: Store,
    folder: str,
    name: str,
    products: Mapping[ProductName, tuple[VersionFacts, bytes]],
    *,
    author: str,
    message: str,
    identity: str | None = None,
) -> Snapshot:
    """Publish the manifests, and then the document `<folder>/<name>.json`, in one atomic step.

    Raises:
        ArgumentError: there are no products.
        AlreadyExistsError: the name is taken; what it names is untouched.
        StorageError: the disk or bucket refused; what it has taken all the same is taken back.
    """
    if not products:
        raise ArgumentError("A snapshot, a pin or a lock needs at least one product.")
    pinned = tuple(
        _publish_manifest(store, f"{folder}/{name}", key, *products[key]) for key in sorted(products)
    )
    identity = identity or fresh_id()
    result = Snapshot(name, identity, now_iso(), storable(author), storable(message), pinned)
    try:
        store.put_if_absent(f"{folder}/{name}.json", to_json(to_fields(result)))
    except StorageError:
        _withdraw_if_landed(store, folder, result)
        raise
    return result


def _withdraw_if_landed(store: Store, folder: str, made: Snapshot) -> None:
    """Take a set back of which nobody was told: the disk or bucket may have failed after it had it."""
    with suppress(LakehouseError):  # where nothing can be read, nobody knows, as the first error says
        if load_set(store, folder, made.name).id == made.id:
            store.delete(f"{folder}/{made.name}.json")


def load_set(store: Store, folder: str, name: str) -> Snapshot:
    """Read the document `<folder>/<name>.json`.

    Raises:
        NotFoundError: there is none.
        IntegrityError: it is broken, or the document of another set.
    """
    path = f"{folder}/{name}.json"
    found = from_fields(read_json(store, path), of=path)
    if found.name != name:
        raise IntegrityError(f"{path} in {store.url} holds the set {found.name!r}.")
    return found


def set_names(store: Store, folder: str) -> tuple[str, ...]:
    """Return the names of the sets in a folder that were not dropped, sorted."""
    names = _document_names(store, folder)
    return tuple(
        name for name in sorted(names) if not name.endswith(_DROPPED) and name + _DROPPED not in names
    )


def dropped_names(store: Store, folder: str) -> tuple[str, ...]:
    """Return the names of the sets in a folder that were dropped, sorted."""
    names = _document_names(store, folder)
    return tuple(name.removesuffix(_DROPPED) for name in sorted(names) if name.endswith(_DROPPED))


def drop_set(store: Store, folder: str, name: str, *, author: str, message: str) -> None:
    """Let go of a set, by a document beside its own: nothing that was published is taken back.

    Raises:
        NotFoundError: it was dropped before.
    """
    document = {"dropped": now_iso(), "author": storable(author), "message": storable(message)}
    try:
        store.put_if_absent(f"{folder}/{name}{_DROPPED}.json", to_json(document))
    except AlreadyExistsError:
        check_not_dropped(store, folder, name)


def check_not_dropped(store: Store, folder: str, name: str) -> None:
    """Raise if a set was dropped.

    Raises:
        NotFoundError: naming who dropped it, when and why.
    """
    path = f"{folder}/{name}{_DROPPED}.json"
    if store.size(path) is None:
        return
    document = read_json(store, path)
    when, author, why = (take(document, key, str, of=path) for key in ("dropped", "author", "message"))
    kind = folder.rpartition("/")[2].removesuffix("s")
    raise NotFoundError(f"The {kind} {name!r} was dropped by {author} at {when}: {why or 'no reason given'}.")


def _document_names(store: Store, folder: str) -> frozenset[str]:
    names = (entry.path.removeprefix(f"{folder}/") for entry in store.list(folder))
    return frozenset(n.removesuffix(".json") for n in names if n.endswith(".json") and "/" not in n)


def read_manifest(store: Store, product: PinnedProduct) -> bytes:
    """Return a manifest whose bytes are proven to be those that were pinned.

    Raises:
        IntegrityError: the manifest is missing or was changed.
    """
    try:
        data = store.get(product.manifest)
    except NotFoundError as error:
        raise IntegrityError(
            f"The manifest {product.manifest} of {product.name} is missing in {store.url}."
        ) from error
    if hashlib.sha256(data).hexdigest() != product.manifest_sha256:
        raise IntegrityError(
            f"The manifest {product.manifest} of {product.name} is not the one that was pinned."
        )
    return data


def to_fields(snapshot: Snapshot) -> dict[str, Any]:
    """Return the set as plain values, for a document."""
    products = [{**asdict(product), "name": str(product.name)} for product in snapshot.products]
    return {**asdict(snapshot), "products": products}


def from_fields(document: Mapping[str, Any], *, of: str) -> Snapshot:
    """Read back what `to_fields` gave.

    Args:
        document: plain values.
        of: the place of the document, for the error.

    Raises:
        IntegrityError: a fact is missing or of another type.
    """
    products = products_from(take(document, "products", list, of=of), of=of)
    name, identity, created, author, message = (
        take(document, key, str, of=of) for key in ("name", "id", "created", "author", "message")
    )
    return Snapshot(name, identity, created, author, message, products)


def products_from(rows: Sequence[object], *, of: str) -> tuple[PinnedProduct, ...]:
    """Read the products of a set from plain values.

    Raises:
        IntegrityError: a fact is missing or of another type.
    """
    return tuple(_product(row, of=f"{of}, products[{index}]") for index, row in enumerate(rows))


def _product(row: object, *, of: str) -> PinnedProduct:
    if not isinstance(row, dict):
        raise IntegrityError(f"{of} must hold facts, got {row!r:.80}.")
    try:
        return PinnedProduct(
            name=ProductName.parse(take(row, "name", str, of=of)),
            major=take(row, "major", int, of=of),
            version=take(row, "version", int, of=of),
            contract_version=take(row, "contract_version", str, of=of),
            rows=take(row, "rows", int, of=of),
            digest=take(row, "digest", str, of=of),
            manifest=check_path(take(row, "manifest", str, of=of)),
            manifest_sha256=take(row, "manifest_sha256", str, of=of),
        )
    except ArgumentError as error:
        raise IntegrityError(f"{of}: {error.message}") from error


def _publish_manifest(
    store: Store, folder: str, name: ProductName, facts: VersionFacts, data: bytes
) -> PinnedProduct:
    sha256 = hashlib.sha256(data).hexdigest()
    product = PinnedProduct(
        name=name,
        manifest=f"{folder}/{name}.{sha256[:12]}.parquet",
        manifest_sha256=sha256,
        major=facts.major,
        version=facts.version,
        contract_version=facts.contract_version,
        rows=facts.rows,
        digest=facts.digest,
    )
    try:
        store.put_if_absent(product.manifest, data)
    except AlreadyExistsError:
        read_manifest(store, product)  # left by an attempt that crashed: the same bytes, or an error
    return product
