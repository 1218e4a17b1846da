"""Cells of one column after conversion: exact values, and the text of those that have none."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Cells:
    """A converted column."""

    values: pl.Series
    """of the contract's type; null where the cell is null or has no exact value"""
    raw: pl.Series | None = None
    """String: the original text of cells that have no exact value, null elsewhere; None where every cell has
    one"""

    @classmethod
    def of(cls, values: pl.Series, original: pl.Series) -> Cells:
        """Keep the original text wherever a value was lost on the way."""
        lost = values.is_null() & original.is_not_null()
        if not lost.any():
            return cls(values)
        text = original if original.dtype == pl.String else original.cast(pl.String)
        return cls(values, keep(text, lost))


def keep(series: pl.Series, mask: pl.Series) -> pl.Series:
    """Return the series with null where the mask is not true."""
    return series.zip_with(mask, pl.Series([None], dtype=series.dtype))


def strip_nulls(series: pl.Series, nulls: Collection[str]) -> pl.Series:
    """Return text without blanks around it, with null for every word that means it."""
    text = series.str.strip_chars()
    return keep(text, ~text.is_in(list(nulls)))
