"""Plain weekly calendars, such as `mon-fri` or `sun-thu 18:00-17:00 America/Chicago`, without holidays."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from lakehouse.times import NS_PER_DAY, NS_PER_SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = "|".join(_DAYS)
_SPAN = re.compile(
    rf"(?P<first>{_DAY})(-(?P<last>{_DAY}))?( (?P<open>\d\d:\d\d)-(?P<close>\d\d:\d\d) (?P<zone>[\w/+-]+))?"
)
_MONDAY = 3  # 1 January 1970 was a Thursday
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Week:
    """A week that repeats: its days, and the hours of each."""

    days: frozenset[int]
    """from 0, Monday, to 6"""
    open: time = time()
    """local time at which a session begins"""
    close: time = time()
    """local time at which it ends; not after `open`: on the next day"""
    zone: str = "UTC"
    """IANA name"""

    def sessions(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the sessions from one day to another, both included, as days since 1970."""
        days = np.arange(first, last + 1, dtype=np.int64)
        return days[np.isin((days + _MONDAY) % 7, sorted(self.days))]

    def hours(self, sessions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first instant of each session and the first after it, as UTC nanoseconds."""
        over_night = int(self.close <= self.open)
        return self._instants(sessions, self.open), self._instants(sessions + over_night, self.close)

    def _instants(self, days: NDArray[np.int64], at: time) -> NDArray[np.int64]:
        if self.zone == "UTC":
            offset = (at.hour * 60 + at.minute) * 60 * NS_PER_SECOND
            return np.asarray(days * NS_PER_DAY + offset, np.int64)
        zone = ZoneInfo(self.zone)
        local = [datetime.combine(_EPOCH + timedelta(days=day), at, zone) for day in days.tolist()]
        return np.array([int(each.timestamp()) for each in local], np.int64) * NS_PER_SECOND


def parse_week(text: str) -> Week | None:
    """Return the week that a text describes; None where it is none, such as the code of an exchange.

    Examples:
        >>> sorted(parse_week("mon-wed").days), parse_week("XNYS")
        ([0, 1, 2], None)
    """
    found = _SPAN.fullmatch("mon-sun" if text == "24/7" else text)
    if found is None:
        return None
    first = _DAYS.index(found["first"])
    last = _DAYS.index(found["last"] or found["first"])
    days = frozenset(day % 7 for day in range(first, last + 1 + (7 if last < first else 0)))
    if found["open"] is None:
        return Week(days)
    try:
        ZoneInfo(found["zone"])
        return Week(
            days, time.fromisoformat(found["open"]), time.fromisoformat(found["close"]), found["zone"]
        )
    except (ZoneInfoNotFoundError, ValueError):
        return None
