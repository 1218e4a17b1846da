"""Rows that are wrong on purpose, so that quarantine can be seen at work where the data have no defects.

They are of the symbol `DEMO` and lie in a file of their own, and each of them breaks a rule: none can land.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.catalog.contract import Contract

if TYPE_CHECKING:
    import polars as pl

BROKEN_SYMBOL = "DEMO"
_TYPING_ERROR = "1O1.25"  # a letter O in a number


def write_broken_rows(path: Path, good: pl.DataFrame, contract: Contract) -> int:
    """Write a CSV file with one row for each sort of defect that the contract's rules find; return how many.

    Args:
        path: of the new file.
        good: a row of the product, which the defects are put into.
        contract: says what a defect is.
    """
    import polars as pl

    schema = contract.schema
    model = {name: str(value) for name, value in good.row(0, named=True).items() if value is not None}
    rows = [model | {str(schema.symbol): BROKEN_SYMBOL} | defect for defect in _defects(model, contract)]
    pl.DataFrame(rows, schema=dict.fromkeys(schema.names, pl.String)).write_csv(path)
    return len(rows)


def _defects(model: dict[str, str], contract: Contract) -> Iterator[dict[str, str]]:
    """Yield the cells of each broken row that differ from the model's."""
    kinds = {rule.kind for rule in contract.rules}
    close = float(model.get("close", 100))
    if "ohlc" in kinds:
        yield {"high": str(round(close * 0.5, 2)), "low": str(round(close * 2, 2))}
    if "positive" in kinds:
        yield {"close": str(-close), "low": str(-close)}
    if "non_negative" in kinds and "volume" in contract.schema.names:
        yield {"volume": "-100"}
    yield {"close": _TYPING_ERROR}
    yield {str(contract.schema.time): ""}
