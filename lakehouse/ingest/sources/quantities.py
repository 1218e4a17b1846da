"""Text and typed values to numbers, flags and strings of exactly the contract's type.

A number is taken if it has an exact value in the type: '100.0' is the integer 100 and '1.7' is none. Decimal
text becomes the nearest float, as in any parser; a float of another width, or an integer beyond 2^53, must
fit exactly.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from fractions import Fraction

import polars as pl

from lakehouse.errors import SourceError
from lakehouse.ingest.polars_types import POLARS_TYPES
from lakehouse.ingest.sources.cells import Cells, keep, strip_nulls

_EXACT_FLOAT = 2**53
_INTEGER = r"^([+-]?\d+)(?:\.0*)?$"
_INFINITE = r"(?i)^[+-]?inf"
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_FLAGS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


def to_number(column: pl.Series, kind: str, nulls: Collection[str], where: str) -> Cells:
    """Convert a column to one of the integer or float types.

    Raises:
        SourceError: the column's own type is no number: a flag, a time, bytes.
    """
    if column.dtype == pl.Null:
        return Cells(column.cast(POLARS_TYPES[kind]))
    if isinstance(column.dtype, pl.Decimal):
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        text = strip_nulls(column, nulls)
        return Cells.of(_parse(text, kind), text)
    if not column.dtype.is_numeric():
        raise SourceError(f"{where} holds {column.dtype}, which is no {kind}.")
    values = column.cast(POLARS_TYPES[kind], strict=False)
    same = values.cast(column.dtype, strict=False).eq_missing(column)
    return Cells.of(values if same.all() else keep(values, same), column)


def to_scaled(column: pl.Series, kind: str, scale: Fraction, nulls: Collection[str], where: str) -> Cells:
    """Convert to numbers and multiply by `scale`; the result is rounded once, as if computed without limits.

    Raises:
        SourceError: the column's own type is no number.
    """
    quick = _scale_quickly(column, scale) if kind == "float64" else None
    if quick is not None:
        return Cells.of(quick, column)
    if column.dtype != pl.String and not column.dtype.is_numeric():
        raise SourceError(f"{where} holds {column.dtype}, which is no {kind}.")
    text = strip_nulls(column.cast(pl.String), nulls)
    distinct = text.unique()
    scaled = pl.Series([_scale(cell, kind, scale) for cell in distinct], dtype=POLARS_TYPES[kind])
    return Cells.of(text.replace_strict(distinct, scaled, return_dtype=POLARS_TYPES[kind]), text)


def to_flag(column: pl.Series, nulls: Collection[str], where: str) -> Cells:
    """Convert true, false, t, f, 1 and 0 in any case to bool.

    Raises:
        SourceError: the column's own type is neither text nor a flag nor an integer.
    """
    if column.dtype in (pl.Boolean, pl.Null):
        return Cells(column.cast(pl.Boolean))
    if column.dtype != pl.String and not column.dtype.is_integer():
        raise SourceError(f"{where} holds {column.dtype}, which is no flag.")
    text = strip_nulls(column.cast(pl.String), nulls)
    values = text.str.to_lowercase().replace_strict(_FLAGS, default=None, return_dtype=pl.Boolean)
    return Cells.of(values, text)


def to_string(column: pl.Series, nulls: Collection[str], where: str, *, from_numbers: bool) -> Cells:
    """Return text as it is, blanks included; `nulls` become null.

    Raises:
        SourceError: the column is not text, and the recipe does not allow numbers in it.
    """
    if column.dtype == pl.Null:
        return Cells(column.cast(pl.String))
    if column.dtype != pl.String:
        if not (from_numbers and (column.dtype.is_integer() or column.dtype == pl.Boolean)):
            raise SourceError(
                f"{where} holds {column.dtype}, but the contract says string.",
                hint="Whole numbers are written as text if the recipe allows it: as_text: [column].",
            )
        return Cells(column.cast(pl.String))
    absent = column.is_in(list(nulls))
    return Cells(keep(column, ~absent) if absent.any() else column)


def _parse(text: pl.Series, kind: str) -> pl.Series:
    if kind.startswith("int"):
        return (
            text.str.extract(_INTEGER, 1).cast(pl.Int64, strict=False).cast(POLARS_TYPES[kind], strict=False)
        )
    values = text.cast(POLARS_TYPES[kind], strict=False)
    if not values.is_infinite().any():
        return values
    return keep(
        values, values.is_finite() | values.is_nan() | text.str.contains(_INFINITE)
    )  # 1e400 is no infinity


def _scale_quickly(column: pl.Series, scale: Fraction) -> pl.Series | None:
    """Scale in one IEEE operation, which rounds once; None where that takes more than one."""
    factor, divisor = scale.numerator, scale.denominator
    if not column.dtype.is_numeric() or min(factor, divisor) != 1 or max(factor, divisor) > _EXACT_FLOAT:
        return None
    if column.dtype.is_integer():
        low, high = column.min(), column.max()
        if low is not None and (int(str(low)) < -_EXACT_FLOAT or int(str(high)) > _EXACT_FLOAT):
            return None
    elif column.dtype != pl.Float64:
        return None
    values = column.cast(pl.Float64)
    if factor != 1:
        return values * float(factor)
    # NOTE: polars 2.1 divides by a scalar through its reciprocal: 549000 / 10000 became 54.900000000000006.
    # By a column of divisors it divides as IEEE says.
    return values / pl.Series([float(divisor)]).new_from_index(0, values.len())


def _scale(cell: str | None, kind: str, scale: Fraction) -> float | int | None:
    if cell is None or not _DECIMAL.fullmatch(cell):
        return None
    exact = Fraction(cell) * scale
    if kind.startswith("float"):
        return _nearest_float(exact)
    limit = 1 << (int(kind.removeprefix("int")) - 1)
    return exact.numerator if exact.denominator == 1 and -limit <= exact.numerator < limit else None


def _nearest_float(exact: Fraction) -> float | None:
    try:
        return float(exact)
    except OverflowError:
        return None
