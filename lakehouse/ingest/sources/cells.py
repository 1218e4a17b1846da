"""Cells of one column after conversion: exact values, and the text of those that have none."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

_YEAR_9999_IN_DAYS = 2_932_896
_PER_DAY = {None: 1, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


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
        return cls(values, keep(_as_text(original), lost))


def _as_text(column: pl.Series) -> pl.Series:
    """Return a column as text; times beyond the calendar are written as numbers."""
    if not isinstance(column.dtype, pl.Datetime | pl.Date):
        return column if column.dtype == pl.String else column.cast(pl.String)
    # NOTE: polars 2.1 panics, past every `except Exception`, when it writes a time beyond the year 262142.
    ticks = column.to_physical().cast(pl.Int64)
    limit = min(_YEAR_9999_IN_DAYS * _PER_DAY[getattr(column.dtype, "time_unit", None)], 2**63 - 1)
    written = keep(column, ticks.is_between(-limit, limit)).cast(pl.String)
    return written.zip_with(written.is_not_null(), ticks.cast(pl.String))


def keep(series: pl.Series, mask: pl.Series) -> pl.Series:
    """Return the series with null where the mask is not true."""
    return series.zip_with(mask, pl.Series([None], dtype=series.dtype))


def strip_nulls(series: pl.Series, nulls: Collection[str]) -> pl.Series:
    """Return text without blanks around it, with null for every word that means it."""
    text = series.str.strip_chars()
    return keep(text, ~text.is_in(list(nulls)))
