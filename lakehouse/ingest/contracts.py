"""Make and change products: from a contract, a frame that shows the columns, or a source that names them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.infer import infer_contract
from lakehouse.catalog.product_names import contract_versions, list_products
from lakehouse.catalog.products import create_product, load_contract, publish_contract
from lakehouse.catalog.versions import parse_version
from lakehouse.errors import ArgumentError, ContractError, LakehouseError, NotFoundError
from lakehouse.ingest.frames import to_table
from lakehouse.ingest.rules import check_rules
from lakehouse.ingest.sources.base import Source
from lakehouse.names import ProductName
from lakehouse.schema import TableSchema
from lakehouse.store import Store


def create_from(
    store: Store,
    contract: Contract | str,
    *,
    like: Any,
    key: Sequence[str] | None,
    changes: Mapping[str, Any],
) -> Contract:
    """Publish the first contract of a product; see `Lake.create`.

    Raises:
        AlreadyExistsError: there is a product of that name.
        ArgumentError: a name came without a frame, or a contract with one.
        ContractError: the contract is not valid.
        SchemaError: a column of the frame has no type of ours.
    """
    made = _inferred(contract, like, key, changes) if isinstance(contract, str) else contract
    if not isinstance(contract, str) and (like is not None or key is not None or changes):
        raise ArgumentError(
            "A contract says everything itself.", hint="Give a contract alone, or a name with like=frame."
        )
    check_rules(made.rules, made.schema)
    _check_symbol_folder(made)
    create_product(store, made)
    return made


def apply_contract(store: Store, contract: Contract) -> None:
    """Publish a contract version, new or the next; the same one twice changes nothing.

    Raises:
        ContractError: a rule is not valid, or the version number does not fit the change.
        AlreadyExistsError: the version exists with another content.
    """
    check_rules(contract.rules, contract.schema)
    _check_symbol_folder(contract)
    _check_partition_column(store, contract)
    publish_contract(store, contract)


def missing_product(error: NotFoundError, name: str, source: Source) -> NotFoundError:
    """Return the error of a backfill into no product, with how to make it from what the source declares."""
    try:
        declared = source.contract() is not None
    except LakehouseError:  # it can not say, and the product is missing all the same
        declared = False
    if not declared:
        return error
    made = f"Make it as the source declares: lake.create({str(name)!r}, like=source)."
    return NotFoundError(error.message, hint=f"{error.hint} {made}" if error.hint else made)


def _check_symbol_folder(contract: Contract) -> None:
    """Refuse a folder for each symbol whose name no Delta reader would take apart again.

    Raises:
        ContractError: the symbol column's name is no plain word.
    """
    symbol = contract.schema.symbol
    if "identity" in contract.layout and symbol is not None and not symbol.isidentifier():
        raise ContractError(
            f"The column {symbol!r} can not name the folders of {contract.name}.",
            hint="Rename it to a plain word, or choose the layout symbol=row_groups.",
        )


def _check_partition_column(store: Store, contract: Contract) -> None:
    """Refuse a new column `date` in an old table: its partition folders may have that name already.

    Raises:
        ContractError: the column needs a new major version.
    """
    added = [name for name in contract.schema.names if name.casefold() == "date"]
    if not added or contract.name not in list_products(store):
        return
    versions = [parse_version(version) for version in contract_versions(store, contract.name)]
    if contract.major not in {version[0] for version in versions}:
        return
    before = load_contract(store, contract.name, major=contract.major).schema.names
    if not any(name.casefold() == "date" for name in before):
        raise ContractError(
            f"The column {added[0]!r} can not be added to {contract.name}: its folders have that name.",
            hint=f"Give it another name, or publish {contract.major + 1}.0.0.",
        )


def _inferred(name: str, like: Any, key: Sequence[str] | None, changes: Mapping[str, Any]) -> Contract:
    if like is None:
        raise ArgumentError(f"What are the columns of {name}?", hint="Give a contract, or like=frame.")
    found = _declared(name, like) if isinstance(like, Source) else _shown(name, like)
    known = {field.name for field in dataclasses.fields(Contract)} - {"name", "schema"}
    for field in changes:
        if field not in known:
            raise ArgumentError(f"A contract has no field {field!r}; it has {', '.join(sorted(known))}.")
    schema = found.schema if key is None else _with_key(found.schema, tuple(key))
    return dataclasses.replace(found, schema=schema, **changes)


def _shown(name: str, frame: Any) -> Contract:
    table = to_table(frame)
    return infer_contract(name, table.schema, sample=table)


def _declared(name: str, source: Source) -> Contract:
    found = source.contract()
    if found is None:
        raise ArgumentError(
            f"The source {source.name} does not say which columns {name} would have.",
            hint="Give a contract, or like=frame with a few of its rows.",
        )
    return dataclasses.replace(found, name=ProductName.parse(name))


def _with_key(schema: TableSchema, key: tuple[str, ...]) -> TableSchema:
    columns = tuple(
        dataclasses.replace(column, nullable=column.nullable and column.name not in key)
        for column in schema.columns
    )
    return TableSchema(columns, schema.symbol, schema.time, key)
