"""A vendor's correction: a spin-off had been missed, so every earlier price of the stock is restated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lakehouse.demo.backtest import Backtest
from lakehouse.errors import ArgumentError

if TYPE_CHECKING:
    import polars as pl

    from lakehouse.product import Product

FACTOR = 0.85
"""what the earlier prices are multiplied by: 15 % of the value left with the spin-off"""


@dataclass(frozen=True)
class Correction:
    """What the vendor restates."""

    symbol: str
    """of the stock"""
    before: np.datetime64
    """the day of the spin-off: earlier rows change"""
    rows: pl.DataFrame
    """the restated rows, whole"""


def restate(product: Product, run: Backtest, columns: tuple[str, ...]) -> Correction:
    """Return the correction of the stock that the backtest held longest, on the middle one of those days.

    Raises:
        ArgumentError: the backtest held nothing, so that no correction could change its result.
    """
    import polars as pl

    if not run.held.any():
        raise ArgumentError("The backtest never held a stock on these data.", hint="Give a longer history.")
    longest = int(run.held.sum(axis=0).argmax())
    held = np.flatnonzero(run.held[:, longest])
    symbol, day = run.symbols[longest], run.times[held[len(held) // 2]]
    rows = pl.DataFrame(product.read(symbol, end=day))
    return Correction(symbol, day, rows.with_columns(pl.col(*columns) * FACTOR))
