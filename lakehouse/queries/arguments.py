"""Arguments of named queries: from what a caller or a command line gives to a value for SQL."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from lakehouse.catalog.durations import parse_duration
from lakehouse.errors import ArgumentError, LakehouseError
from lakehouse.times import MAX_NS, to_nanoseconds


def read_argument(name: str, kind: str, value: Any) -> Any:
    """Return the value of an argument for SQL; None stays None.

    Args:
        name: of the parameter, for the message.
        kind: one of `KINDS`.
        value: as the caller gave it; text is read too, as a command line gives it.

    Raises:
        ArgumentError: the value is not of this kind.

    Examples:
        >>> read_argument("width", "duration", "5min"), read_argument("symbol", "strings", "IBM")
        (300000000000, ['IBM'])
    """
    if value is None:
        return None
    try:
        return KINDS[kind](value)
    except (LakehouseError, ValueError, TypeError, OverflowError) as error:
        raise ArgumentError(
            f"The argument {name!r} is {value!r}, which is no {kind}.", hint=f"Give {_HINTS[kind]}."
        ) from error


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _strings(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [_string(item) for item in value]


def _timestamp(value: Any) -> Any:
    import numpy as np

    return np.datetime64(to_nanoseconds(value), "ns")


def _integer(value: Any) -> int:
    number = int(value)
    if isinstance(value, bool) or (not isinstance(value, str) and number != value):
        raise ValueError
    return number


def _number(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError
    return number


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() not in ("true", "false"):
        raise ValueError
    return str(value).lower() == "true"


def _duration(value: Any) -> int:
    """Return nanoseconds, at least one."""
    if isinstance(value, timedelta):
        value = (value.days * 86_400 + value.seconds) * 1_000_000_000 + value.microseconds * 1000
    span = parse_duration(value) if isinstance(value, str) else _integer(value)
    if not 0 < span <= MAX_NS:
        raise ValueError
    return span


KINDS: Mapping[str, Callable[[Any], Any]] = {
    "string": _string,
    "strings": _strings,
    "timestamp": _timestamp,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "duration": _duration,
}
"""kind of a parameter to what reads it; `strings` is one string or several, a duration becomes nanoseconds"""

_HINTS: Mapping[str, str] = {
    "string": "a str",
    "strings": "a str, or several",
    "timestamp": "a str like '2024-01-02' or '2024-01-02T09:30:00Z', a date, or a datetime",
    "integer": "a whole number",
    "number": "a finite number",
    "boolean": "true or false",
    "duration": "a whole number and a unit, such as 5min or 1d, or a timedelta",
}
