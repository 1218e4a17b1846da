"""Trading calendars for rules: exchanges by their code, through exchange-calendars, and plain weeks.

A calendar is made of the open segments of its sessions: a midday break parts a session in two. Everything
else follows from two searches in sorted arrays, so that millions of rows cost milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lakehouse.errors import NotFoundError
from lakehouse.ingest.exchanges import exchange_calendar
from lakehouse.ingest.rules.arguments import broken_rule
from lakehouse.ingest.rules.weeks import Week, parse_week

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lakehouse.catalog.rule import Rule

_KEPT = 64
_YEAR = 366
_EDGE = 290 * _YEAR
"""Days from 1970 to the edges of what nanoseconds can count; rows beyond are refused, and stop no others."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The sessions of an exchange between two days; what lies outside is not judged."""

    sessions: NDArray[np.int64]
    """(n,) days since 1970, rising"""
    opens: NDArray[np.int64]
    """(m,) first instant of each open segment, UTC nanoseconds, rising"""
    closes: NDArray[np.int64]
    """(m,) first instant after it, likewise"""

    def is_session(self, days: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say which days are sessions, or outside of what is known."""
        place = np.searchsorted(self.sessions, days)
        found = self.sessions[np.minimum(place, len(self.sessions) - 1)] == days
        outside = (days < self.sessions[0]) | (days > self.sessions[-1])
        return np.asarray(found | outside, np.bool_)

    def is_open(self, times: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say which instants lie in a segment, or outside of what is known.

        The end of a segment counts as in it, because some feeds name a bar by its end.
        """
        place = np.searchsorted(self.opens, times, side="right") - 1
        outside = (place < 0) | (times > self.closes[-1])
        return np.asarray(outside | (times <= self.closes[np.maximum(place, 0)]), np.bool_)

    def sessions_until(self, days: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many sessions there are up to each day, itself included."""
        return np.searchsorted(self.sessions, days, side="right").astype(np.int64)

    def open_until(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return for how many nanoseconds the exchange was open before each instant."""
        lengths = self.closes - self.opens
        before = np.concatenate([[0], np.cumsum(lengths)])
        place = np.searchsorted(self.opens, times, side="right") - 1
        inside = np.minimum(times, self.closes[np.maximum(place, 0)]) - self.opens[np.maximum(place, 0)]
        return np.where(place < 0, 0, before[np.maximum(place, 0)] + inside).astype(np.int64)


def calendar_of(rule: Rule, first: int, last: int) -> Calendar:
    """Return the calendar that a rule names, for the days of some rows.

    Args:
        rule: with the argument `calendar`.
        first: day of the first row, since 1970.
        last: day of the last row.

    Raises:
        ContractError: there is no such calendar.
        MissingExtraError: exchange-calendars is not installed.
    """
    name = rule.arguments["calendar"]
    # Whole years, so that writes of neighbouring days share what was computed; a year more at either side, so
    # that a row near the edge has a session before it and behind it.
    begin = min(max((first // _YEAR - 1) * _YEAR, -_EDGE), _EDGE - _YEAR)
    end = max(min((last // _YEAR + 2) * _YEAR, _EDGE), begin + _YEAR)
    try:
        return load_calendar(name, begin, end)
    except NotFoundError as error:
        raise broken_rule(rule, error.message, hint=error.hint) from error


@lru_cache(_KEPT)
def load_calendar(name: str, first: int, last: int) -> Calendar:
    """Return a calendar between two days since 1970; kept, because an exchange's takes up to a second.

    Raises:
        NotFoundError: there is no such calendar.
        MissingExtraError: exchange-calendars is not installed.
    """
    week = parse_week(name)
    return _exchange(name, first, last) if week is None else _weekly(week, first, last)


def _weekly(week: Week, first: int, last: int) -> Calendar:
    sessions = week.sessions(first, last)
    return Calendar(sessions, *week.hours(sessions))


def _exchange(name: str, first: int, last: int) -> Calendar:
    start, end = (str(np.datetime64(day, "D")) for day in (first, last))
    try:
        return _read(exchange_calendar(name, start, end, clip=True))
    except NotFoundError as error:
        hint = "Give the code of an exchange, or a week: 'mon-fri', 'mon-fri 09:30-16:00 Europe/Paris'."
        raise NotFoundError(error.message, hint=hint) from error


def _read(calendar: Any) -> Calendar:
    """Take the sessions out of a calendar of exchange-calendars."""
    schedule = calendar.schedule
    sessions = schedule.index.to_numpy().astype("datetime64[D]").astype(np.int64)
    opens, closes, begins, ends = (
        schedule[part].dt.tz_convert(None).to_numpy().astype("datetime64[ns]").astype(np.int64)
        for part in ("open", "close", "break_start", "break_end")
    )
    broken = begins != np.iinfo(np.int64).min  # NaT
    return Calendar(
        sessions,
        np.sort(np.concatenate([opens, ends[broken]])),
        np.sort(np.concatenate([closes, begins[broken]])),
    )
