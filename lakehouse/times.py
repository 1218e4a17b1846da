"""Points in time and half-open intervals, as int64 nanoseconds since 1970-01-01 UTC.

Times are UTC: a bound without a time zone is read as UTC, one with a time zone is converted. Intervals are
half open, `[start, end)`. Zones of *data* are never guessed: that is the write gate's affair.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from lakehouse.errors import ArgumentError

NS_PER_SECOND = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_SECOND
MIN_NS = -(2**63) + 1
MAX_NS = 2**63 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION = re.compile(r"(?:(?<=[^+\-\d]\d\d:\d\d:\d\d)|(?<=[^+\-\d]\d{6}))[.,]([0-9]+)(?=$|[Zz+\-])")

_CHOICES = (
    "a str like '2024-01-02' or '2024-01-02T09:30:00.123456789Z', a date, a datetime, or int nanoseconds"
)


@dataclass(frozen=True, slots=True)
class Interval:
    """The half-open interval `[start, end)` in UTC nanoseconds; either side may be open."""

    start: int = MIN_NS
    """first nanosecond inside"""
    end: int = MAX_NS
    """first nanosecond after it"""

    @classmethod
    def of(cls, start: Any = None, end: Any = None) -> Interval:
        """Read an interval from anything that names points in time; None leaves a side open.

        Raises:
            ArgumentError: a bound can not be read, or `start` is after `end`.

        Examples:
            >>> Interval.of("1970-01-01", "1970-01-02").end
            86400000000000
        """
        first = MIN_NS if start is None else to_nanoseconds(start)
        last = MAX_NS if end is None else to_nanoseconds(end)
        if first > last:
            raise ArgumentError(
                f"The start {start!s} is after the end {end!s}.", hint="Intervals are [start, end)."
            )
        return cls(first, last)

    @property
    def unbounded(self) -> bool:
        """Whether both sides are open."""
        return self.start == MIN_NS and self.end == MAX_NS

    def overlaps(self, first: int, last: int) -> bool:
        """Say whether any point of the closed range `first..last` lies inside."""
        return first < self.end and last >= self.start


def to_nanoseconds(value: Any) -> int:
    """Return a point in time as int64 nanoseconds since the epoch, UTC; nothing is rounded.

    Args:
        value: an ISO 8601 str with up to nine fractional digits, a date, a datetime, a `numpy.datetime64`, a
            `pandas.Timestamp`, or an integer (not a bool) of nanoseconds. Without a time zone it is UTC.

    Raises:
        ArgumentError: the value can not be read, or lies outside 1677-09-21 to 2262-04-11.

    Examples:
        >>> to_nanoseconds("1970-01-01T00:00:00.000000001")
        1
        >>> to_nanoseconds("1970-01-01T01:00:00+01:00")
        0
    """
    nanoseconds = _parse(value)
    if not MIN_NS <= nanoseconds <= MAX_NS:
        raise _outside(value)
    return nanoseconds


def to_iso(nanoseconds: int) -> str:
    """Write UTC nanoseconds as ISO 8601, with as many fractional digits as are needed.

    Examples:
        >>> to_iso(1_704_186_600_000_000_001)
        '2024-01-02T09:10:00.000000001Z'
    """
    seconds, fraction = divmod(nanoseconds, NS_PER_SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{text}{digits}Z"


def _parse(value: Any) -> int:
    if isinstance(value, str):
        return _parse_text(value)
    if hasattr(value, "nanosecond") and hasattr(
        value, "to_datetime64"
    ):  # pandas.Timestamp carries nanoseconds
        return _parse_pandas(value)
    if isinstance(value, datetime):
        return _from_datetime(value)
    if isinstance(value, date):
        return (value - date(1970, 1, 1)).days * NS_PER_DAY
    if type(value).__name__ == "datetime64":
        return _parse_numpy(value)
    return _parse_integer(value)


def _parse_text(text: str) -> int:
    found = _FRACTION.search(text.strip())
    digits = found.group(1) if found else ""
    if len(digits) > 9:
        raise ArgumentError(f"The time {text!r} has more than nine fractional digits.")
    try:
        rest = _FRACTION.sub("", text.strip(), count=1)
        if "." in rest or "," in rest:  # a fraction of something else than a second
            raise _unreadable(text)
        whole = datetime.fromisoformat(rest)
    except ValueError:
        raise _unreadable(text) from None
    return _from_datetime(whole) + int(digits.ljust(9, "0"))


def _from_datetime(value: datetime) -> int:
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    elapsed = aware - _EPOCH
    return (elapsed.days * 86_400 + elapsed.seconds) * NS_PER_SECOND + elapsed.microseconds * 1000


def _parse_pandas(value: Any) -> int:
    if value != value:
        raise _unreadable(value)
    aware = value.tz_localize("UTC") if value.tzinfo is None else value
    try:
        return int(aware.as_unit("ns").value)
    except (ValueError, OverflowError):  # pandas' OutOfBoundsDatetime is a ValueError
        raise _outside(value) from None


def _parse_numpy(value: Any) -> int:
    if value != value:  # NaT
        raise _unreadable(value)
    try:
        exact = value.astype("datetime64[ns]")
        kept = exact.astype(value.dtype) == value
    except OverflowError:
        kept = False
    if not kept:
        raise _outside(value)
    return int(exact.astype("int64"))


def _parse_integer(value: Any) -> int:
    """Read an integer of any library; bools and durations, which some count as integers, are none."""
    if type(value).__name__ in ("bool", "bool_", "timedelta64"):
        raise _unreadable(value)
    try:
        return operator.index(value)
    except TypeError:
        raise _unreadable(value) from None


def _outside(value: object) -> ArgumentError:
    huge = isinstance(value, int) and value.bit_length() > 256  # Python refuses to write such an int
    return ArgumentError(
        f"The time {'given' if huge else value} is outside 1677-09-21 to 2262-04-11, the range of nanoseconds"
        ", or finer than them."
    )


def _unreadable(value: object) -> ArgumentError:
    return ArgumentError(f"Can not read {value!r} as a point in time.", hint=f"Give {_CHOICES}.")
