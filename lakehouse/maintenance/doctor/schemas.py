"""The schema of a table against the contract under which it was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.versions import parse_version
from lakehouse.maintenance.doctor.findings import Finding
from lakehouse.partitions.state import TableState
from lakehouse.schema import TableSchema


def check_schema_of(
    table: str, state: TableState, contracts: Mapping[str, Contract | None]
) -> Iterator[Finding]:
    """Compare a table with its contract; contracts that came later are no fault.

    Args:
        table: its path.
        state: its head.
        contracts: the versions of the product's contract; None for one that can not be read.
    """
    if not any(parse_version(version)[0] == state.major for version in contracts):
        what = f"no contract of {state.name} has the major version {state.major}"
        advice = "Take the contract from a backup, or publish it again."
        yield Finding("table-without-contract", table, what, advice=advice)
        return
    if state.contract_version not in contracts:
        what = f"it was written under contract {state.contract_version}, which is not there"
        advice = "Take the contract from a backup, or publish it again."
        yield Finding("table-without-contract", table, what, advice=advice)
        return
    contract = contracts[state.contract_version]
    if contract is None:  # a finding of its own
        return
    wanted, got = _described(contract.schema), _described(state.schema)
    if wanted != got:
        yield Finding(
            "schema-drift",
            table,
            f"its columns are not those of contract {state.contract_version}",
            ", ".join(part for part in wanted if part not in got),
            ", ".join(part for part in got if part not in wanted),
        )


def _described(schema: TableSchema) -> tuple[str, ...]:
    columns = [
        f"{column.name} {column.type}{'' if column.nullable else ' not null'}" for column in schema.columns
    ]
    return (*columns, f"symbol {schema.symbol}", f"time {schema.time}", f"key {', '.join(schema.key)}")
