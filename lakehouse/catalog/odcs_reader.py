"""Reading documents of the Open Data Contract Standard, through its own pydantic models.

What the lake would have to enforce and can not (other quality engines, `unique`, nested columns) is refused;
what describes only (tags, roles, prices, servers) is accepted, and not kept. `odcs` says what stands where.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypedDict, cast

from lakehouse.catalog.durations import split_duration
from lakehouse.catalog.rule import Rule, RuleLevel
from lakehouse.catalog.sql_text import from_query
from lakehouse.catalog.yaml_text import load_yaml
from lakehouse.errors import ArgumentError, ContractError
from lakehouse.names import ProductName
from lakehouse.schema import TYPES, Column, TableSchema

if TYPE_CHECKING:
    from open_data_contract_standard.model import (
        CustomProperty,
        DataQuality,
        OpenDataContractStandard,
        SchemaObject,
        SchemaProperty,
        ServiceLevelAgreementProperty,
    )

READABLE_API_VERSIONS = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0")

_REQUIRED = ("apiVersion", "kind", "id", "version")
_CUSTOM = {"timeColumn": "time", "symbolColumn": "symbol", "layout": "layout", "onBadValue": "on_bad_value"}
_UNENFORCED = {
    "unique": "make it the primary key",
    "enum": "write a one_of rule",
    "logicalTypeOptions": "write a range, one_of or sql rule",
    "properties": "flatten it into columns",
    "items": "flatten it into columns",
    "map": "flatten it into columns",
}

_UNIT_WORDS = {"day": "d", "days": "d", "week": "w", "weeks": "w", "yr": "y", "year": "y", "years": "y"}
"""spellings of the standard's examples"""


class ContractFields(TypedDict):
    """The arguments of `Contract`, as read from a document."""

    name: ProductName
    version: str
    schema: TableSchema
    owners: tuple[str, ...]
    description: str
    layout: str
    rules: tuple[Rule, ...]
    retention: str | None
    freshness: str | None
    on_bad_value: Any


def read_fields(text: str) -> ContractFields:
    """Read what a YAML document says about a contract.

    Raises:
        ContractError: with the place in the document and the choices.
    """
    model = _validated(load_yaml(text, kind="contract"))
    table = _only_table(model)
    custom = _custom_values(model.customProperties or (), "customProperties")
    return ContractFields(
        name=_product_name(model),
        version=cast("str", model.version),
        schema=_schema(table, symbol=custom.get("symbol"), time=custom.get("time")),
        owners=_owners(model),
        description=(model.description.purpose if model.description else None) or "",
        layout=custom.get("layout", "auto"),
        rules=tuple(_rules(table)),
        retention=_service_level(model, "retention"),
        freshness=_service_level(model, "latency", "freshness"),
        on_bad_value=custom.get("on_bad_value", "quarantine"),
    )


def _validated(document: dict[str, Any]) -> OpenDataContractStandard:
    from open_data_contract_standard.model import OpenDataContractStandard
    from pydantic import ValidationError

    for key in _REQUIRED:
        if document.get(key) is None:
            raise ContractError(
                f"The contract has no {key!r}.", hint=f"The standard requires {', '.join(_REQUIRED)}."
            )
    _check_choice(document["kind"], ("DataContract",), "kind")
    _check_choice(document["apiVersion"], READABLE_API_VERSIONS, "apiVersion")
    try:
        model = OpenDataContractStandard.model_validate(document)
    except ValidationError as error:
        problems = [f"{_place(row['loc'])}: {row['msg']}, got {row['input']!r:.80}" for row in error.errors()]
        raise ContractError(
            f"The contract does not follow the standard: {'; '.join(problems[:3])}.",
            hint="Quote text that YAML takes for another type, such as 'NO', '1.0' or '2024-01-02'.",
        ) from error
    _check_known(document, model, "")
    return model


def _check_known(raw: object, model: object, place: str) -> None:
    """Raise for a key that the models would drop without a word: most often it is misspelt."""
    if isinstance(raw, list) and isinstance(model, list):
        for position, (part, parsed) in enumerate(zip(raw, model, strict=True)):
            _check_known(part, parsed, f"{place}[{position}]")
    fields = getattr(type(model), "model_fields", None)
    if not isinstance(raw, dict) or fields is None:
        return
    names = {info.alias or name: name for name, info in fields.items()}
    for key, value in raw.items():
        inner = f"{place}.{key}" if place else str(key)
        if key not in names:
            near = difflib.get_close_matches(str(key), names, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(names)}."
            raise ContractError(f"The contract has the unknown key {inner}.", hint=hint)
        _check_known(value, getattr(model, names[key]), inner)


def _place(location: tuple[int | str, ...]) -> str:
    """Write pydantic's path as in the document, without the names of classes in it."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location if _is_key(part)]
    return "".join(parts).lstrip(".")


def _is_key(part: int | str) -> bool:
    return isinstance(part, int) or (
        part[:1].islower() and "[" not in part and part not in ("str", "int", "float")
    )


def _product_name(model: OpenDataContractStandard) -> ProductName:
    product = model.dataProduct or model.name
    if not model.domain or not product:
        raise ContractError("The contract names no product.", hint="Give it the keys domain and name.")
    try:
        return ProductName.parse(f"{model.domain}.{product}")
    except ArgumentError as error:
        raise ContractError(f"domain and name: {error.message}", hint=error.hint) from error


def _only_table(model: OpenDataContractStandard) -> SchemaObject:
    tables = model.schema_ or []
    if len(tables) != 1 or not tables[0].properties:
        raise ContractError(
            f"A contract describes one table with columns, but schema holds {len(tables)} tables.",
            hint="Write schema as a list of one table, with its columns under properties.",
        )
    return tables[0]


def _schema(table: SchemaObject, *, symbol: str | None, time: str | None) -> TableSchema:
    properties = table.properties or []
    places = [f"schema[0].properties[{index}]" for index in range(len(properties))]
    columns = tuple(_column(row, place) for row, place in zip(properties, places, strict=True))
    keyed = [(row.primaryKeyPosition, row.name or "") for row in properties if row.primaryKey]
    if len(keyed) > 1 and sorted(position or 0 for position, _ in keyed) != list(range(1, len(keyed) + 1)):
        raise ContractError(
            f"The primaryKeyPosition of {', '.join(name for _, name in keyed)} must count 1 to {len(keyed)}."
        )
    return TableSchema(
        columns, symbol, time, tuple(name for _, name in sorted(keyed, key=lambda row: row[0] or 0))
    )


def _column(row: SchemaProperty, place: str) -> Column:
    if not row.name:
        raise ContractError(f"{place} has no name.")
    place = f"{place} ({row.name!r})"
    if row.physicalType is None or row.physicalType not in TYPES:
        raise ContractError(
            f"{place}: unknown physicalType {row.physicalType!r}.", hint=f"Use one of {', '.join(TYPES)}."
        )
    logical = TYPES[row.physicalType].logical
    if row.logicalType not in (None, logical):
        raise ContractError(
            f"{place}: logicalType {row.logicalType!r} does not fit {row.physicalType}.",
            hint=f"It is {logical}.",
        )
    for key, cure in _UNENFORCED.items():
        if getattr(row, key, None):  # the models of 3.1 lack some
            raise ContractError(f"{place}: the lake does not enforce {key!r}.", hint=f"Leave it out; {cure}.")
    custom = {item.property: item.value for item in row.customProperties or ()}
    unit = custom.get("unit")
    if unit is not None and not isinstance(unit, str):
        raise ContractError(f"{place}: the unit must be text, got {unit!r}.", hint="Put it in quotes.")
    return Column(row.name, row.physicalType, not row.required, unit, row.description or "")


def _rules(table: SchemaObject) -> Iterable[Rule]:
    for index, row in enumerate(table.quality or ()):
        yield _rule(row, f"schema[0].quality[{index}]", ())
    for position, column in enumerate(table.properties or ()):
        for index, row in enumerate(column.quality or ()):
            place = f"schema[0].properties[{position}].quality[{index}]"
            yield _rule(row, place, (column.name or "",))


def _rule(row: DataQuality, place: str, columns: tuple[str, ...]) -> Rule:
    """Read one rule; inside a column, a rule that names no columns checks that column."""
    level = cast("RuleLevel", row.severity or "quarantine")
    description = row.description or ""
    if row.type == "sql" and row.query is not None:
        if row.mustBe != 0 or isinstance(row.mustBe, bool):
            raise ContractError(
                f"{place}: a sql rule counts bad rows.", hint="Write mustBe: 0 and no other operator."
            )
        name = row.name or "sql"
        return Rule(name, "sql", (), {"expression": from_query(row.query, rule=name)}, level, description)
    details = row.implementation
    if row.type != "custom" or row.engine != "lakehouse" or not isinstance(details, dict):
        raise ContractError(
            f"{place}: the lake can not check a rule of type {row.type!r} and engine {row.engine!r}.",
            hint="Write type: custom, engine: lakehouse, implementation: {rule: …}; or type: sql.",
        )
    arguments = dict(details)
    kind = arguments.pop("rule", None)
    if not isinstance(kind, str):
        raise ContractError(
            f"{place}: the implementation names no rule.", hint="Write {rule: ohlc} or another kind."
        )
    named = arguments.pop("columns", list(columns))
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise ContractError(f"{place}: columns must be a list of column names, got {named!r}.")
    return Rule(row.name or kind, kind, tuple(named), arguments, level, description)


def _owners(model: OpenDataContractStandard) -> tuple[str, ...]:
    team = model.team
    members = team if isinstance(team, list) else (team.members if team else None) or []
    for index, member in enumerate(members):
        if not member.username:
            raise ContractError(f"team.members[{index}] has no username.")
    return tuple(member.username for member in members if member.username and member.role in (None, "owner"))


def _custom_values(properties: Iterable[CustomProperty], place: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    folded = {name.casefold(): name for name in _CUSTOM}
    for item in properties:
        name = item.property or ""
        wanted = folded.get(name.casefold().replace("_", ""))
        if wanted is None:
            continue
        if name != wanted or _CUSTOM[name] in values or not isinstance(item.value, str):
            raise ContractError(
                f"{place}: {name} = {item.value!r} can not be read.",
                hint=f"Write each of {', '.join(_CUSTOM)} once, with a text value.",
            )
        values[_CUSTOM[name]] = item.value
    return values


def _service_level(model: OpenDataContractStandard, *names: str) -> str | None:
    rows: list[ServiceLevelAgreementProperty] = [
        row for row in model.slaProperties or () if row.property in names
    ]
    if len(rows) > 1:
        raise ContractError(f"slaProperties holds {names[0]} {len(rows)} times.", hint="Write it once.")
    if not rows:
        return None
    text = f"{rows[0].value}{_UNIT_WORDS.get(rows[0].unit or '', rows[0].unit or '')}"
    split_duration(text, of=f"{names[0]} in slaProperties")
    return text


def _check_choice(value: object, choices: tuple[str, ...], key: str) -> None:
    if value not in choices:
        raise ContractError(f"The contract has {key} {value!r}.", hint=f"It must be {' or '.join(choices)}.")
