"""Which products there are, and which versions of their contracts: the names alone, no document is read."""

from __future__ import annotations

from lakehouse.catalog.versions import is_version, major_of, sort_versions
from lakehouse.errors import NotFoundError
from lakehouse.names import ProductName, is_plain_name
from lakehouse.store import Store

_FOLDER = "catalog/products"


def list_products(store: Store) -> list[ProductName]:
    """Return every product that has a contract, sorted."""
    return sorted({name for entry in store.list(_FOLDER) for name in _name_in(entry.path)})


def contract_versions(store: Store, name: ProductName) -> tuple[str, ...]:
    """Return the versions of a product's contract, the lowest first, in the order of numbers.

    Raises:
        NotFoundError: there is no such product.
    """
    versions = published_versions(store, name)
    if not versions:
        raise NotFoundError.among("product", str(name), map(str, list_products(store)))
    return versions


def choose_version(
    store: Store, name: ProductName, version: str | None = None, *, major: int | None = None
) -> str:
    """Return a version of a product's contract: the given one, or the highest of a major number, or of all.

    Raises:
        NotFoundError: there is no such product or version.
    """
    versions = contract_versions(store, name)
    wanted = [known for known in versions if version in (None, known) and major in (None, major_of(known))]
    if not wanted:
        asked = f"{major}.x" if version is None else version
        raise NotFoundError.among(f"contract version of {name}:", asked, versions)
    return wanted[-1]


def published_versions(store: Store, name: ProductName) -> tuple[str, ...]:
    """Return the same, and none for an unknown product."""
    folder = f"{product_folder(name)}/"
    names = (entry.path.removeprefix(folder) for entry in store.list(folder.removesuffix("/")))
    found = [text.removesuffix(".yaml") for text in names if text.endswith(".yaml")]
    return sort_versions([version for version in found if is_version(version)])


def product_folder(name: ProductName) -> str:
    """Return where the contracts of a product lie."""
    return f"{_FOLDER}/{name.domain}/{name.product}"


def contract_path(name: ProductName, version: str) -> str:
    """Return where one contract version lies."""
    return f"{product_folder(name)}/{version}.yaml"


def _name_in(path: str) -> list[ProductName]:
    parts = path.removeprefix(f"{_FOLDER}/").split("/")
    if len(parts) != 3 or not parts[2].endswith(".yaml") or not is_version(parts[2].removesuffix(".yaml")):
        return []
    return [ProductName(parts[0], parts[1])] if is_plain_name(parts[0]) and is_plain_name(parts[1]) else []
