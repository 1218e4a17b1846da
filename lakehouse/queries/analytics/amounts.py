"""What the arguments of analytics mean: spans of time, and columns of sizes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.catalog.durations import split_duration
from lakehouse.errors import ArgumentError, LakehouseError
from lakehouse.queries.arguments import read_argument
from lakehouse.queries.inputs import Input
from lakehouse.queries.rows import frozen
from lakehouse.times import NS_PER_DAY

_WEEK = 7 * NS_PER_DAY
_MONDAY = 4 * NS_PER_DAY  # the epoch was a Thursday


def span_of(every: str | timedelta | int, *, name: str = "every") -> int:
    """Return a span of time in nanoseconds.

    Args:
        every: a whole number and a unit such as "1min" or "1d", a timedelta, or nanoseconds.
        name: of the argument, for the error.

    Raises:
        ArgumentError: it is none, or in months or years, which have no fixed length.
    """
    if every is None:
        raise ArgumentError(f"The argument {name!r} is None: it must be a span of time, such as 5min.")
    if isinstance(every, str) and every.endswith(("mo", "y")):
        try:
            split_duration(every)
        except LakehouseError:
            pass
        else:
            raise ArgumentError(
                f"The argument {name!r} is {every!r}: months and years have no fixed length.",
                hint="Give days or weeks, such as 1d or 1w.",
            )
    return int(read_argument(name, "duration", every))


def origin_of(span: int) -> int:
    """Return an instant at which a cell begins: weeks begin on Mondays, all else at midnight UTC."""
    return _MONDAY if span and span % _WEEK == 0 else 0


def positive(value: Any, *, name: str) -> float:
    """Return a positive finite number.

    Raises:
        ArgumentError: it is none.
    """
    number = read_argument(name, "number", value)
    if number is None or number <= 0:
        raise ArgumentError(f"The argument {name!r} must be above 0, not {value!r}.")
    return float(number)


def one_of(value: Any, choices: Collection[str], *, name: str) -> None:
    """Raise unless an argument is one of some names.

    Raises:
        ArgumentError: with the choices.
    """
    if not isinstance(value, str) or value not in choices:
        raise ArgumentError(f"The argument {name!r} is {value!r}.", hint=f"Use one of {', '.join(choices)}.")


def names_of(columns: str | Sequence[str]) -> tuple[str, ...]:
    """Return names of columns, each once; a str is one name.

    Raises:
        ArgumentError: they are not names.
    """
    chosen: Any = [columns] if isinstance(columns, str) else columns
    if not isinstance(chosen, Iterable) or not all(isinstance(name, str) for name in list(chosen)):
        raise ArgumentError(f"Columns are named by a str, or several; got {columns!r}.")
    return tuple(dict.fromkeys(chosen))


def amount_type(source: Input, column: str) -> pa.DataType:
    """Return the type in which sums of a column are exact: int64 for integers, else float64."""
    kind = source.schema.field(column).type
    return pa.int64() if pa.types.is_integer(kind) or pa.types.is_boolean(kind) else pa.float64()


def amounts(values: npt.NDArray[Any], kind: pa.DataType) -> npt.NDArray[Any]:
    """Return sizes as a loop can sum them: integers stay exact, and a null is 0 among them."""
    if pa.types.is_int64(kind) and values.dtype.kind == "f":
        values = np.nan_to_num(values)
    return (
        frozen(values.astype(np.int64)) if values.dtype.kind in "bfu" and pa.types.is_int64(kind) else values
    )
