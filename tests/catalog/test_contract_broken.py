"""Broken documents: each gives a ContractError that says where and what is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from lakehouse.catalog.contract import Contract
from lakehouse.errors import ContractError, LakehouseError

Change = Callable[[dict[str, Any]], Any]


def _column(document: dict[str, Any], **facts: Any) -> None:
    document["schema"][0]["properties"][2].update(facts)


def _rule(document: dict[str, Any], **facts: Any) -> None:
    document["schema"][0]["quality"][1].update(facts)


def _custom(document: dict[str, Any], name: str, value: Any) -> None:
    document["customProperties"].append({"property": name, "value": value})


BROKEN: list[tuple[str, Change]] = [
    ("has no 'version'", lambda d: d.pop("version")),
    ("has no 'id'", lambda d: d.pop("id")),
    ("kind 'Contract'", lambda d: d.update(kind="Contract")),
    ("apiVersion 'v9'.*\n.*v3.1.0", lambda d: d.update(apiVersion="v9")),
    ("version: Input should be a valid string, got 1.0", lambda d: d.update(version=1.0)),
    ("Not a contract version: '1.0'", lambda d: d.update(version="1.0")),
    ("domain and name: Not a product name", lambda d: d.update(domain="Market Data")),
    ("names no product", lambda d: d.pop("domain")),
    ("Extra inputs are not permitted", lambda d: d.update(owner="ada")),
    ("unknown key description.purpos.*\n.*purpose", lambda d: d.update(description={"purpos": "x"})),
    ("schema holds 0 tables", lambda d: d.pop("schema")),
    ("schema holds 2 tables", lambda d: d["schema"].append(d["schema"][0])),
    ("with columns", lambda d: d["schema"][0].pop("properties")),
    (
        r"unknown key schema\[0\].properties\[2\].physcialType.*\n.*physicalType",
        lambda d: _column(d, physcialType="x"),
    ),
    (
        r"schema\[0\].properties\[2\] \('open'\): unknown physicalType 'double'.*\n.*float64",
        lambda d: _column(d, physicalType="double"),
    ),
    (r"unknown physicalType None", lambda d: _column(d, physicalType=None)),
    ("logicalType 'string' does not fit float64", lambda d: _column(d, logicalType="string")),
    ("does not enforce 'unique'.*\n.*primary key", lambda d: _column(d, unique=True)),
    ("does not enforce 'logicalTypeOptions'", lambda d: _column(d, logicalTypeOptions={"minimum": 0})),
    (
        "the unit must be text, got 5",
        lambda d: _column(d, customProperties=[{"property": "unit", "value": 5}]),
    ),
    (r"schema\[0\].properties\[2\].name: .*got False", lambda d: _column(d, name=False)),
    ("Column names must be unique", lambda d: _column(d, name="symbol")),
    ("key column 'open' must not be nullable", lambda d: _column(d, primaryKey=True, primaryKeyPosition=3)),
    ("must count 1 to 3", lambda d: _column(d, primaryKey=True, primaryKeyPosition=7)),
    ("unknown kind 'postive'.*\n.*positive", lambda d: _rule(d, implementation={"rule": "postive"})),
    ("names no rule", lambda d: _rule(d, implementation={"columns": ["open"]})),
    ("columns must be a list", lambda d: _rule(d, implementation={"rule": "positive", "columns": "open"})),
    ("unknown column 'opne'", lambda d: _rule(d, implementation={"rule": "positive", "columns": ["opne"]})),
    ("unknown level 'error'.*\n.*reject, quarantine, warn", lambda d: _rule(d, severity="error")),
    (r"quality\[1\]: .* type 'library'", lambda d: _rule(d, type="library")),
    (r"quality\[1\]: .* engine 'soda'", lambda d: _rule(d, engine="soda")),
    ("Write mustBe: 0", lambda d: d["schema"][0]["quality"][2].update(mustBe=1)),
    ("does not count the bad rows", lambda d: d["schema"][0]["quality"][2].update(query="select 1")),
    (r"team.members\[0\] has no username", lambda d: d.update(team={"members": [{"name": "Ada"}]})),
    (
        "Not a retention in slaProperties: '10furlongs'",
        lambda d: d["slaProperties"][0].update(unit="furlongs"),
    ),
    ("retention 2 times", lambda d: d["slaProperties"].append(d["slaProperties"][0])),
    ("time column 'tmie' is not a column", lambda d: d["customProperties"][0].update(value="tmie")),
    ("timecolumn = 'date' can not be read.*\n.*timeColumn", lambda d: _custom(d, "timecolumn", "date")),
    ("layout = 'auto' can not be read", lambda d: _custom(d, "layout", "auto")),
    ("on_bad_value is 'drop'", lambda d: d["customProperties"][3].update(value="drop")),
]


@pytest.mark.parametrize(("problem", "change"), BROKEN)
def test_a_broken_document_says_where_and_what_is_possible(
    bars: Contract, problem: str, change: Change
) -> None:
    document = yaml.safe_load(bars.to_yaml())
    change(document)
    with pytest.raises(ContractError, match=problem):
        Contract.from_yaml(yaml.safe_dump(document))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be a YAML mapping, got NoneType"),
        ("- a\n- b", "must be a YAML mapping, got list"),
        ("a: [1, 2", "is not YAML: .*line 2"),
        ("a: 1\nb: 2\na: 3", "the key 'a' stands twice.*line 3, column 1"),
        ("a: !!python/object:os.system x", "is not YAML"),
        ("a: 2024-13-45", "is not YAML"),
        ("[" * 5000, "is not YAML"),
        (
            "id: &x [*x]\nkind: DataContract\napiVersion: v3.1.0\nversion: '1.0.0'",
            "does not follow the standard",
        ),
        ("\x00", "is not YAML"),
        ("? [a, b]\n: 1", "found unhashable key"),
    ],
)
def test_text_that_is_no_mapping_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ContractError, match=problem):
        Contract.from_yaml(text)


def test_no_truncation_of_a_document_is_a_contract_of_other_rows(bars: Contract) -> None:
    text = bars.to_yaml()
    for end in range(0, text.index("slaProperties"), 7):
        try:
            found = Contract.from_yaml(text[:end])
        except LakehouseError:
            continue
        assert set(found.schema.names) <= set(bars.schema.names)
