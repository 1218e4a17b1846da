"""Spans of time as contracts write them: a whole number and a unit, such as `10y`, `1d` or `90s`."""

from __future__ import annotations

import re

from lakehouse.errors import ArgumentError, ContractError
from lakehouse.times import MAX_NS, NS_PER_DAY, NS_PER_SECOND

UNITS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_SECOND,
    "min": 60 * NS_PER_SECOND,
    "h": 3600 * NS_PER_SECOND,
    "d": NS_PER_DAY,
    "w": 7 * NS_PER_DAY,
    "mo": 30 * NS_PER_DAY,
    "y": 365 * NS_PER_DAY,
}
"""nanoseconds of each unit; a month counts as 30 days and a year as 365"""

_DURATION = re.compile(r"([1-9][0-9]{0,18})([a-z]+)", re.ASCII)


def parse_duration(text: str, *, of: str = "duration") -> int:
    """Return a span of time in nanoseconds.

    Args:
        text: a positive whole number and a unit of `UNITS`, without a space.
        of: what the span is, for the error.

    Raises:
        ContractError: the text can not be read, or is longer than 292 years.

    Examples:
        >>> parse_duration("3d")
        259200000000000
    """
    number, unit = split_duration(text, of=of)
    return number * UNITS[unit]


def parse_span(text: str, *, of: str) -> int:
    """Return a span of time in nanoseconds, that may also be none at all: `0` and a unit.

    Raises:
        ArgumentError: the text can not be read, or is longer than 292 years.

    Examples:
        >>> parse_span("0s", of="grace")
        0
    """
    if isinstance(text, str) and text.startswith("0") and text[1:] in UNITS:
        return 0
    try:
        return parse_duration(text, of=of)
    except ContractError as error:
        raise ArgumentError(error.message, hint=error.hint) from error


def split_duration(text: str, *, of: str = "duration") -> tuple[int, str]:
    """Return the number and the unit of a span of time.

    Raises:
        ContractError: as for `parse_duration`.

    Examples:
        >>> split_duration("10y")
        (10, 'y')
    """
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None or found.group(2) not in UNITS:
        raise ContractError(
            f"Not a {of}: {text!r}.",
            hint=f"Write a whole number and a unit, such as 10y; units: {', '.join(UNITS)}.",
        )
    number, unit = int(found.group(1)), found.group(2)
    if number * UNITS[unit] > MAX_NS:
        raise ContractError(
            f"The {of} {text!r} is longer than 292 years.", hint="Leave it out to set no limit."
        )
    return number, unit
