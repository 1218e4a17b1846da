"""Data products in the catalog: one immutable contract document a version, numbers that only rise."""

from __future__ import annotations

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.contract_diff import check_successor
from lakehouse.catalog.product_names import (
    choose_version,
    contract_path,
    product_folder,
    published_versions,
)
from lakehouse.catalog.versions import major_of
from lakehouse.errors import AlreadyExistsError, ArgumentError, ContractError, IntegrityError
from lakehouse.names import ProductName
from lakehouse.store import Store


def create_product(store: Store, contract: Contract) -> None:
    """Publish the first contract of a new product.

    Raises:
        AlreadyExistsError: there is a product of that name, whatever its contract; it is untouched.
    """
    with store.lock(f"{product_folder(contract.name)}/publish"):
        if published_versions(store, contract.name):
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
    with store.lock(f"{product_folder(contract.name)}/publish"):
        versions = published_versions(store, contract.name)
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
    chosen = choose_version(store, name, version, major=major)
    path = contract_path(name, chosen)
    try:
        contract = Contract.from_yaml(store.get(path).decode("utf-8"))
    except (UnicodeDecodeError, ContractError, ArgumentError) as error:
        raise ContractError(f"{path} in {store.url}: {error}") from error
    if (contract.name, contract.version) != (name, chosen):
        raise IntegrityError(f"{path} in {store.url} holds {contract.name} {contract.version}.")
    return contract


def _predecessors(versions: tuple[str, ...], version: str) -> list[str]:
    """Return what a new version must follow: the highest of its own major number, else the highest below."""
    same = [known for known in versions if major_of(known) == major_of(version)]
    below = [known for known in versions if major_of(known) < major_of(version)]
    return same[-1:] or below[-1:]


def _put(store: Store, contract: Contract) -> None:
    store.put_if_absent(contract_path(contract.name, contract.version), contract.to_yaml().encode("utf-8"))
