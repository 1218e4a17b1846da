"""Data products in the catalog: one immutable contract document a version, numbers that only rise."""

from __future__ import annotations

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.contract_diff import check_successor
from lakehouse.catalog.versions import is_version, parse_version, sort_versions
from lakehouse.errors import AlreadyExistsError, ArgumentError, ContractError, IntegrityError, NotFoundError
from lakehouse.names import ProductName, is_plain_name
from lakehouse.store import Store

_FOLDER = "catalog/products"


def create_product(store: Store, contract: Contract) -> None:
    """Publish the first contract of a new product.

    Raises:
        AlreadyExistsError: there is a product of that name, whatever its contract; it is untouched.
    """
    with store.lock(f"{_folder(contract.name)}/publish"):
        if _versions(store, contract.name):
            raise AlreadyExistsError(
                f"The product {contract.name} exists already.",
                hint="Publish a new contract version to change it, or choose another name.",
            )
        _put(store, contract)


def publish_contract(store: Store, contract: Contract) -> bool:
    """Publish a contract version, of a new product or as the successor of the versions that are there.

    Within a major number versions only rise, and each change fits its number; see `check_successor`.
    Publishing the same contract again changes nothing.

    Returns:
        False if an equal document of this version was there.

    Raises:
        AlreadyExistsError: this version exists with another content; documents are immutable.
        ContractError: the number does not rise, or not far enough for what changed.
    """
    # Two machines that publish different numbers at the same moment are not checked against each other, since
    # a bucket has no lock. The table's own commit is conditional and refuses what does not fit.
    with store.lock(f"{_folder(contract.name)}/publish"):
        versions = _versions(store, contract.name)
        if contract.version not in versions:
            for old in _predecessors(versions, contract.version):
                check_successor(load_contract(store, contract.name, old), contract)
        try:
            _put(store, contract)
        except AlreadyExistsError as error:
            if load_contract(store, contract.name, contract.version) == contract:
                return False
            raise AlreadyExistsError(
                f"Version {contract.version} of {contract.name} exists with another content.",
                hint="Documents are immutable: give the change a new version number.",
            ) from error
    return True


def list_products(store: Store) -> list[ProductName]:
    """Return every product that has a contract, sorted."""
    return sorted({name for entry in store.list(_FOLDER) for name in _name_in(entry.path)})


def contract_versions(store: Store, name: ProductName) -> tuple[str, ...]:
    """Return the versions of a product's contract, the lowest first, in the order of numbers.

    Raises:
        NotFoundError: there is no such product.
    """
    versions = _versions(store, name)
    if not versions:
        raise NotFoundError.among("product", str(name), map(str, list_products(store)))
    return versions


def load_contract(
    store: Store, name: ProductName, version: str | None = None, *, major: int | None = None
) -> Contract:
    """Read one contract version.

    Args:
        store: the lake.
        name: the product.
        version: `major.minor.patch`; None for the highest.
        major: consider only versions with this major number; None for all.

    Raises:
        NotFoundError: there is no such product or version.
        ContractError: the document is broken.
        IntegrityError: the document is that of another product or version.
    """
    versions = contract_versions(store, name)
    wanted = [known for known in versions if version in (None, known) and major in (None, _major(known))]
    if not wanted:
        asked = f"{major}.x" if version is None else version
        raise NotFoundError.among(f"contract version of {name}:", asked, versions)
    path = _path(name, wanted[-1])
    try:
        contract = Contract.from_yaml(store.get(path).decode("utf-8"))
    except (UnicodeDecodeError, ContractError, ArgumentError) as error:
        raise ContractError(f"{path} in {store.url}: {error}") from error
    if (contract.name, contract.version) != (name, wanted[-1]):
        raise IntegrityError(f"{path} in {store.url} holds {contract.name} {contract.version}.")
    return contract


def _predecessors(versions: tuple[str, ...], version: str) -> list[str]:
    """Return what a new version must follow: the highest of its own major number, else the highest below."""
    same = [known for known in versions if _major(known) == _major(version)]
    below = [known for known in versions if _major(known) < _major(version)]
    return same[-1:] or below[-1:]


def _major(version: str) -> int:
    return parse_version(version)[0]


def _put(store: Store, contract: Contract) -> None:
    store.put_if_absent(_path(contract.name, contract.version), contract.to_yaml().encode("utf-8"))


def _versions(store: Store, name: ProductName) -> tuple[str, ...]:
    folder = f"{_folder(name)}/"
    names = (entry.path.removeprefix(folder) for entry in store.list(folder.removesuffix("/")))
    found = [text.removesuffix(".yaml") for text in names if text.endswith(".yaml")]
    return sort_versions([version for version in found if is_version(version)])


def _name_in(path: str) -> list[ProductName]:
    parts = path.removeprefix(f"{_FOLDER}/").split("/")
    if len(parts) != 3 or not parts[2].endswith(".yaml") or not is_version(parts[2].removesuffix(".yaml")):
        return []
    return [ProductName(parts[0], parts[1])] if is_plain_name(parts[0]) and is_plain_name(parts[1]) else []


def _folder(name: ProductName) -> str:
    return f"{_FOLDER}/{name.domain}/{name.product}"


def _path(name: ProductName, version: str) -> str:
    return f"{_folder(name)}/{version}.yaml"
