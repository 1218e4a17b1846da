from __future__ import annotations

from dataclasses import replace

import pytest

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.product_names import contract_versions, list_products
from lakehouse.catalog.products import create_product, load_contract, publish_contract
from lakehouse.errors import AlreadyExistsError, ContractError, IntegrityError, NotFoundError
from lakehouse.names import ProductName
from lakehouse.schema import Column
from lakehouse.store import Store

BARS = "catalog/products/market_data/bars"


def _with_column(contract: Contract, version: str, name: str) -> Contract:
    columns = (*contract.schema.columns, Column(name, "float64"))
    return replace(contract, version=version, schema=replace(contract.schema, columns=columns))


def test_a_published_contract_comes_back(store: Store, bars: Contract) -> None:
    create_product(store, bars)
    assert load_contract(store, bars.name) == bars
    assert list_products(store) == [bars.name]
    assert store.get(f"{BARS}/1.2.0.yaml").decode() == bars.to_yaml()


def test_a_second_product_of_the_same_name_is_refused(store: Store, bars: Contract) -> None:
    create_product(store, bars)
    with pytest.raises(AlreadyExistsError, match=r"market_data.bars exists already"):
        create_product(store, replace(bars, version="2.0.0"))
    assert contract_versions(store, bars.name) == ("1.2.0",)


def test_publishing_the_same_contract_again_changes_nothing(store: Store, bars: Contract) -> None:
    assert publish_contract(store, bars)
    assert not publish_contract(store, bars)
    assert contract_versions(store, bars.name) == ("1.2.0",)


def test_a_version_with_another_content_is_refused(store: Store, bars: Contract) -> None:
    publish_contract(store, bars)
    with pytest.raises(AlreadyExistsError, match=r"1.2.0 of market_data.bars exists with another content"):
        publish_contract(store, replace(bars, description="Other bars."))
    assert load_contract(store, bars.name) == bars


def test_a_change_that_its_number_forbids_is_refused(store: Store, bars: Contract) -> None:
    publish_contract(store, bars)
    with pytest.raises(ContractError, match=r"breaking: the key changed.*\n.*2.0.0"):
        publish_contract(store, replace(bars, version="1.3.0", schema=replace(bars.schema, key=())))
    assert contract_versions(store, bars.name) == ("1.2.0",)


def test_versions_are_sorted_as_numbers(store: Store, bars: Contract) -> None:
    for minor in (8, 9, 10):
        publish_contract(store, replace(bars, version=f"1.{minor}.0"))
    assert contract_versions(store, bars.name) == ("1.8.0", "1.9.0", "1.10.0")
    assert load_contract(store, bars.name).version == "1.10.0"


def test_a_major_number_asks_for_its_highest_version(store: Store, bars: Contract) -> None:
    for version in ("1.2.0", "1.3.0", "2.0.0"):
        publish_contract(store, replace(bars, version=version))
    assert load_contract(store, bars.name, major=1).version == "1.3.0"
    assert load_contract(store, bars.name, "1.2.0").version == "1.2.0"


def test_an_older_major_version_goes_on_under_its_own_rules(store: Store, bars: Contract) -> None:
    publish_contract(store, bars)
    publish_contract(store, replace(bars, version="2.0.0", schema=replace(bars.schema, key=())))
    publish_contract(store, _with_column(bars, "1.3.0", "vwap"))
    with pytest.raises(ContractError, match=r"can not follow 1.3.0"):
        publish_contract(store, _with_column(bars, "1.2.5", "count"))


def test_an_unknown_product_names_the_nearest(store: Store, bars: Contract) -> None:
    create_product(store, bars)
    for look in (load_contract, contract_versions):
        with pytest.raises(
            NotFoundError, match=r"Unknown product 'market_data.bras'.*\n.*market_data.bars\?"
        ):
            look(store, ProductName("market_data", "bras"))


@pytest.mark.parametrize(("version", "major"), [("1.2.1", None), (None, 2), ("1.2.0", 2)])
def test_an_unknown_version_names_the_known_ones(
    store: Store, bars: Contract, version: str | None, major: int | None
) -> None:
    create_product(store, bars)
    with pytest.raises(NotFoundError, match=r"Unknown contract version of market_data.bars.*Known: 1.2.0"):
        load_contract(store, bars.name, version, major=major)


def test_files_that_are_no_contracts_are_passed_over(store: Store, bars: Contract) -> None:
    create_product(store, bars)
    for path in (
        f"{BARS}/README.md",
        f"{BARS}/draft.yaml",
        f"{BARS}/old/1.0.0.yaml",
        "catalog/products/x.yaml",
    ):
        store.put_if_absent(path, b"?")
    assert list_products(store) == [bars.name]
    assert contract_versions(store, bars.name) == ("1.2.0",)


def test_a_stored_document_that_is_broken_names_its_path(store: Store, bars: Contract) -> None:
    store.put_if_absent(f"{BARS}/1.0.0.yaml", b"\xff")
    store.put_if_absent(f"{BARS}/2.0.0.yaml", b"kind: DataContract")
    for version in ("1.0.0", "2.0.0"):
        with pytest.raises(ContractError, match=f"{BARS}/{version}.yaml in "):
            load_contract(store, bars.name, version)


def test_a_document_under_another_name_is_an_integrity_error(store: Store, bars: Contract) -> None:
    store.put_if_absent(f"{BARS}/1.0.0.yaml", bars.to_yaml().encode())
    with pytest.raises(IntegrityError, match=r"1.0.0.yaml .* holds market_data.bars 1.2.0"):
        load_contract(store, bars.name)
