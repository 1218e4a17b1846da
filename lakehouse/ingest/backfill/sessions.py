"""Trading sessions of an exchange's calendar: where a plan is cut, and which of them have no row."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.ingest.exchanges import exchange_calendar
from lakehouse.times import MAX_NS, MIN_NS, NS_PER_DAY, Interval

_DAYS = 2


@dataclass(frozen=True, slots=True)
class Session:
    """One trading session; an exchange in another time zone may open on the day before, in UTC."""

    date: str
    """its name, an ISO 8601 date"""
    day_ns: int
    """midnight UTC of that date: the time of a daily bar"""
    open_ns: int
    """the opening, UTC nanoseconds"""
    close_ns: int
    """the close, likewise"""

    @property
    def start_ns(self) -> int:
        """Where the session begins that holds both its trades and its daily bar."""
        return min(self.day_ns, self.open_ns)


def sessions_of(calendar: str, interval: Interval) -> tuple[Session, ...]:
    """Return the sessions whose dates lie in an interval; where a side is open, as far as the calendar knows.

    Args:
        calendar: a name that exchange-calendars knows, such as XNYS.
        interval: half open, UTC.

    Raises:
        NotFoundError: there is no such calendar.
        ArgumentError: it has no session in the interval.
        MissingExtraError: exchange-calendars is not installed.
    """
    start = None if interval.start == MIN_NS else _date(interval.start, -_DAYS)
    end = None if interval.end == MAX_NS else _date(interval.end, _DAYS)
    found = exchange_calendar(calendar, start, end)
    opens, closes = found.opens_nanos, found.closes_nanos
    days = found.sessions.to_numpy().astype("datetime64[ns]").astype(np.int64)
    sessions = tuple(
        Session(str(np.datetime64(day, "ns").astype("datetime64[D]")), day, first, last)
        for day, first, last in zip(days.tolist(), opens.tolist(), closes.tolist(), strict=True)
        if interval.start <= day < interval.end
    )
    if not sessions:
        raise ArgumentError(f"The calendar {calendar} has no session in the interval.")
    return sessions


def windows_of(sessions: Sequence[Session], interval: Interval, count: int) -> tuple[Interval, ...]:
    """Cut an interval where every so many sessions begin; the windows leave no gap between them."""
    borders = [session.start_ns for session in sessions[count::count]]
    starts, ends = [interval.start, *borders], [*borders, interval.end]
    return tuple(Interval(start, end) for start, end in zip(starts, ends, strict=True))


def missing_sessions(sessions: Sequence[Session], times: Iterable[pa.Array]) -> tuple[str, ...]:
    """Return the dates of the closed sessions that hold none of some times.

    A time belongs to a session from its opening to its close, both included, or if it is midnight UTC of its
    date, as that of a daily bar is.

    Args:
        sessions: of one calendar, in order.
        times: columns of timestamps or dates.
    """
    closed = [session for session in sessions if session.close_ns <= time.time_ns()]
    days, opens, closes = (
        np.array([getattr(session, name) for session in closed], np.int64)
        for name in ("day_ns", "open_ns", "close_ns")
    )
    seen = np.zeros(len(closed) + 1, np.bool_)  # the last one stands for none
    for column in times:
        moments = column.cast(pa.timestamp("ns")).cast(pa.int64()).to_numpy()
        place = np.searchsorted(opens, moments, side="right") - 1
        seen[np.where((place >= 0) & (moments <= closes[place]), place, -1)] = True
        place = np.searchsorted(days, moments, side="right") - 1
        seen[np.where((place >= 0) & (moments == days[place]), place, -1)] = True
    return tuple(session.date for session, found in zip(closed, seen[:-1], strict=True) if not found)


def _date(moment: int, days: int) -> str:
    whole = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=moment // NS_PER_DAY + days)
    return whole.date().isoformat()
