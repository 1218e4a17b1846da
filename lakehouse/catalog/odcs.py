"""Contracts as documents of the Open Data Contract Standard v3.1.

Where the standard has a word it is used: owners are `team.members`, rules are `quality` of `type: sql`, or of
`type: custom` with the engine `lakehouse`, retention and freshness are the service levels `retention` and
`latency`. It has none for a unit, the roles of columns, the layout and the fate of bad values: those are
`customProperties`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.catalog.durations import split_duration
from lakehouse.catalog.rule import Rule
from lakehouse.catalog.sql_text import to_query
from lakehouse.catalog.yaml_text import dump_yaml
from lakehouse.schema import TYPES, Column, TableSchema

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract

API_VERSION = "v3.1.0"


def write_text(contract: Contract) -> str:
    """Return the contract as a YAML document."""
    from open_data_contract_standard.model import OpenDataContractStandard

    document = _document(contract)
    OpenDataContractStandard.model_validate(document)
    return dump_yaml(document)


def _document(contract: Contract) -> dict[str, Any]:
    """Return the document in the order in which a person reads it."""
    name, schema = contract.name, contract.schema
    custom = {
        "timeColumn": schema.time,
        "symbolColumn": schema.symbol,
        "layout": contract.layout,
        "onBadValue": contract.on_bad_value,
    }
    levels = {"retention": contract.retention, "latency": contract.freshness}
    return _without_empty(
        {
            "apiVersion": API_VERSION,
            "kind": "DataContract",
            "id": f"urn:lakehouse:{name}",
            "name": name.product,
            "version": contract.version,
            "status": "active",
            "domain": name.domain,
            "dataProduct": name.product,
            "description": {"purpose": contract.description} if contract.description else None,
            "team": {"members": [{"username": owner, "role": "owner"} for owner in contract.owners]}
            if contract.owners
            else None,
            "schema": [_table_document(contract)],
            "slaProperties": [_level_document(key, text) for key, text in levels.items() if text],
            "customProperties": [{"property": key, "value": value} for key, value in custom.items() if value],
        }
    )


def _table_document(contract: Contract) -> dict[str, Any]:
    return _without_empty(
        {
            "name": contract.name.product,
            "logicalType": "object",
            "physicalType": "table",
            "physicalName": str(contract.name),
            "properties": [_column_document(contract.schema, column) for column in contract.schema.columns],
            "quality": [_rule_document(rule) for rule in contract.rules],
        }
    )


def _column_document(schema: TableSchema, column: Column) -> dict[str, Any]:
    in_key = column.name in schema.key
    return _without_empty(
        {
            "name": column.name,
            "logicalType": TYPES[column.type].logical,
            "physicalType": column.type,
            "required": None if column.nullable else True,
            "primaryKey": True if in_key else None,
            "primaryKeyPosition": schema.key.index(column.name) + 1 if in_key else None,
            "description": column.description,
            "customProperties": None if column.unit is None else [{"property": "unit", "value": column.unit}],
        }
    )


def _rule_document(rule: Rule) -> dict[str, Any]:
    common = {"name": rule.name, "description": rule.description, "severity": rule.level}
    if rule.kind == "sql":
        query = to_query(rule.arguments["expression"])
        return _without_empty({**common, "type": "sql", "query": query, "mustBe": 0})
    implementation = _without_empty({"rule": rule.kind, "columns": list(rule.columns)}) | {
        key: list(value) if isinstance(value, tuple) else value for key, value in rule.arguments.items()
    }
    return _without_empty(
        {**common, "type": "custom", "engine": "lakehouse", "implementation": implementation}
    )


def _level_document(key: str, text: str) -> dict[str, Any]:
    number, unit = split_duration(text)
    return {"property": key, "value": number, "unit": unit}


def _without_empty(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value is not None and value not in ("", [])}
