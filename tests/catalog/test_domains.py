from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lakehouse.catalog.domains import Domain, domain_names, list_domains, load_domain, publish_domain
from lakehouse.errors import AlreadyExistsError, ArgumentError, ContractError, NotFoundError
from lakehouse.store import Store

DOMAIN = Domain("market_data", ("ada", "NO"), "What the market did: 1e5 rows.", "10y")


def test_a_domain_comes_back_from_its_document() -> None:
    assert Domain.from_yaml(DOMAIN.to_yaml()) == DOMAIN
    assert Domain.from_yaml(Domain("bare").to_yaml()) == Domain("bare")


def test_published_domains_are_listed_and_loaded(store: Store) -> None:
    publish_domain(store, DOMAIN)
    publish_domain(store, Domain("events"))
    assert domain_names(store) == ("events", "market_data")
    assert list_domains(store) == [Domain("events"), DOMAIN]
    assert load_domain(store, "market_data") == DOMAIN


def test_an_equal_domain_is_no_change_and_another_one_is_refused(store: Store) -> None:
    assert publish_domain(store, DOMAIN)
    assert not publish_domain(store, DOMAIN)
    with pytest.raises(AlreadyExistsError, match="exists with other facts"):
        publish_domain(store, replace(DOMAIN, owners=("eve",)))
    assert load_domain(store, "market_data") == DOMAIN


def test_an_unknown_domain_names_the_known_ones(store: Store) -> None:
    publish_domain(store, DOMAIN)
    with pytest.raises(NotFoundError, match=r"Unknown domain 'market'.*\n.*market_data"):
        load_domain(store, "market")


@pytest.mark.parametrize("name", ["Market", "a b", "..", "", "con"])
def test_a_name_that_is_not_plain_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match="Not a name for a domain"):
        Domain(name)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: x", "apiVersion: lakehouse/v1"),
        ("apiVersion: lakehouse/v1\nkind: Domain\nname: x\nowner: ada", "unknown keys: owner.*\n.*owners"),
        ("apiVersion: lakehouse/v1\nkind: Domain\nname: x\nowners: ada", "must be a list of names"),
        ("apiVersion: lakehouse/v1\nkind: Domain\nname: x\nowners: [NO]", "Owners must be names"),
        ("apiVersion: lakehouse/v1\nkind: Domain\nname: x\nretention: 10", "Not a retention: 10"),
        ("apiVersion: lakehouse/v1\nkind: Domain\nname: x\ndescription: 5", "description must be text"),
    ],
)
def test_a_broken_document_says_what_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(ContractError, match=problem):
        Domain.from_yaml(text)


def test_a_document_under_another_name_is_refused(store: Store, tmp_path: Path) -> None:
    store.put_if_absent("catalog/domains/events.yaml", DOMAIN.to_yaml().encode())
    with pytest.raises(ContractError, match=r"events.yaml .* holds the domain 'market_data'"):
        load_domain(store, "events")
