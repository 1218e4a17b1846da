"""Lakes to measure, with the contracts of the starter."""

from __future__ import annotations

from pathlib import Path

import lakehouse
from lakehouse.catalog.contract import Contract
from lakehouse.catalog.starter import starter_files


def starter_contract(name: str) -> Contract:
    """Return a contract of the starter, rules and all."""
    domain, product = name.split(".")
    wanted = f"catalog/products/{domain}/{product}/1.0.0.yaml"
    text = next(data.decode() for path, data in starter_files() if path == wanted)
    return Contract.from_yaml(text)


def new_product(folder: Path, name: str) -> lakehouse.Product:
    """Make a lake in a new folder, with one product under its starter contract."""
    return lakehouse.open(folder, create=True).apply(starter_contract(name))
