"""The rows in quarantine as a table that a person reads: what broke, and what stood in the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lakehouse.catalog.contract import Contract
from lakehouse.demo.data import SYMBOL
from lakehouse.demo.report import show
from lakehouse.ingest.prepare import BROKE
from lakehouse.schema import RAW_PREFIX


def refused_table(rows: Sequence[Mapping[str, Any]], contract: Contract) -> tuple[list[str], list[list[str]]]:
    """Return the header and the cells of quarantined rows, as `product.quarantine.read()` gives them."""
    time = str(contract.schema.time)
    cells = [
        [_cell(row, SYMBOL), _cell(row, time), ", ".join(_broken(row)), _evidence(row, contract)]
        for row in rows
    ]
    return [SYMBOL, time, "broke", "as it came"], cells


def _broken(row: Mapping[str, Any]) -> list[str]:
    """Return the rules that a row broke."""
    return [name.removeprefix(BROKE) for name, flag in row.items() if name.startswith(BROKE) and flag]


def _evidence(row: Mapping[str, Any], contract: Contract) -> str:
    """Write the cells that the broken rules look at; every cell for a rule over whole rows."""
    columns = {rule.name: rule.columns for rule in contract.rules} | {"unique_key": contract.schema.key}
    looked: list[str] = []
    for rule in _broken(row):
        looked += columns.get(rule, rule.split(":")[1:]) or contract.schema.names
    return ", ".join(f"{name} {_cell(row, name) or 'null'}" for name in dict.fromkeys(looked))


def _cell(row: Mapping[str, Any], column: str) -> str:
    """Write what stood in the file: a text that is no value of the column's type is kept beside it."""
    raw = row.get(f"{RAW_PREFIX}{column}")
    return show(row[column]) if raw is None else str(raw)
