from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.domains import Domain, domain_names
from lakehouse.catalog.lake_document import read_lake
from lakehouse.catalog.product_names import list_products
from lakehouse.catalog.products import load_contract
from lakehouse.catalog.starter import _starter_root, starter_files
from lakehouse.errors import NotFoundError
from lakehouse.ingest.rules import check_rules
from lakehouse.schema import TYPES
from lakehouse.store import LocalStore

ROOT = Path(__file__).parents[2]
PRODUCTS = {
    "market_data": ["bars_1d", "bars_1m", "order_book", "quotes", "trades"],
    "reference": ["corporate_actions", "instruments", "roll_calendars", "sessions"],
    "events": ["economic"],
    "signals": ["daily"],
    "features": ["daily"],
    "operations": ["fills", "orders", "positions"],
    "analytics": ["returns_1d"],
}
DOCUMENTS = {path: data.decode("utf-8") for path, data in starter_files() if path.endswith(".yaml")}
CONTRACTS = sorted(path for path in DOCUMENTS if path.startswith("catalog/products/"))


def test_the_repository_root_is_a_lake_with_the_products_of_a_desk() -> None:
    store = LocalStore(ROOT)
    assert read_lake(store).format == 1
    found = {str(name) for name in list_products(store)}
    assert {f"{domain}.{name}" for domain, names in PRODUCTS.items() for name in names} <= found
    assert set(PRODUCTS) <= set(domain_names(store))


def test_the_starter_is_the_whole_catalog_of_the_root_and_no_lake_of_its_own() -> None:
    stored = (ROOT / "catalog").glob("*/**/*.yaml")
    assert set(DOCUMENTS) == {file.relative_to(ROOT).as_posix() for file in stored}
    for path, data in starter_files():
        assert (ROOT / path).read_bytes() == data
        assert path.startswith(("catalog/domains/", "catalog/products/", "queries/"))


@pytest.mark.parametrize("path", CONTRACTS)
def test_a_starter_contract_is_valid_canonical_and_documented(path: str) -> None:
    contract = Contract.from_yaml(DOCUMENTS[path])
    check_rules(contract.rules, contract.schema)
    assert contract.to_yaml() == DOCUMENTS[path]
    assert path == f"catalog/products/{str(contract.name).replace('.', '/')}/{contract.version}.yaml"
    assert contract.owners
    assert contract.description
    assert contract.freshness
    assert [column.name for column in contract.schema.columns if not column.description] == []
    floats = [column for column in contract.schema.columns if TYPES[column.type].logical == "number"]
    assert [column.name for column in floats if column.unit is None] == []


@pytest.mark.parametrize("path", CONTRACTS)
def test_a_starter_contract_follows_the_json_schema_of_the_standard(path: str) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = json.loads((files("open_data_contract_standard") / "schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft201909Validator(schema).validate(yaml.safe_load(DOCUMENTS[path]))


@pytest.mark.parametrize("name", sorted(PRODUCTS))
def test_a_starter_domain_is_valid_canonical_and_owned(name: str) -> None:
    text = DOCUMENTS[f"catalog/domains/{name}.yaml"]
    domain = Domain.from_yaml(text)
    assert (domain.name, domain.to_yaml()) == (name, text)
    assert domain.owners
    assert domain.description


@pytest.mark.parametrize(("name", "key"), [("trades", ()), ("quotes", ()), ("bars_1m", ("symbol", "time"))])
def test_ticks_have_no_key_and_times_are_nanoseconds(name: str, key: tuple[str, ...]) -> None:
    schema = Contract.from_yaml(DOCUMENTS[f"catalog/products/market_data/{name}/1.0.0.yaml"]).schema
    assert (schema.key, schema["time"].type) == (key, "timestamp[ns]")


def test_daily_bars_are_keyed_by_symbol_and_date() -> None:
    schema = Contract.from_yaml(DOCUMENTS["catalog/products/market_data/bars_1d/1.0.0.yaml"]).schema
    assert schema.names == ("symbol", "date", "open", "high", "low", "close", "volume")
    assert (schema.time, schema.key, schema["date"].type) == ("date", ("symbol", "date"), "date")


def test_a_lake_filled_with_the_starter_reads_every_contract(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for path, data in starter_files():
        store.put_if_absent(path, data)
    for name in list_products(store):
        assert load_contract(store, name).name == name


def test_an_installed_package_reads_the_copy_that_the_wheel_carries(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "lakehouse"
    for folder in ("catalog/domains", "catalog/products", "queries"):
        (package / "_starter" / folder).mkdir(parents=True)
    (tmp_path / "site-packages" / "catalog").mkdir()
    assert _starter_root(package) == package / "_starter"


def test_an_installation_without_the_starter_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="carries no starter catalog"):
        _starter_root(tmp_path / "lakehouse")
