"""Calendars of exchanges: the one place that speaks to exchange-calendars."""

from __future__ import annotations

import warnings
from typing import Any

from lakehouse.errors import ArgumentError, MissingExtraError, NotFoundError

_DAYS_AHEAD = 366
"""how far holidays are announced"""


def exchange_calendar(name: str, start: str | None, end: str | None, *, clip: bool = False) -> Any:
    """Return an exchange's calendar, as exchange-calendars has it.

    Args:
        name: that exchange-calendars knows, such as XNYS.
        start: first date, ISO 8601; None for twenty years ago.
        end: last date, likewise; None for a year from now.
        clip: cut the range to what is known, rather than raise; both dates are given.

    Raises:
        NotFoundError: there is no such calendar.
        ArgumentError: it does not reach over the range.
        MissingExtraError: exchange-calendars is not installed.
    """
    try:
        import exchange_calendars
        from exchange_calendars.errors import CalendarError
    except ImportError as error:
        raise MissingExtraError.of("exchange-calendars", "calendars") from error
    known = exchange_calendars.get_calendar_names(include_aliases=True)
    if name not in known:
        raise NotFoundError.among("calendar", name, known)
    with warnings.catch_warnings():  # exchange-calendars 4.13 asks pandas 3 for what pandas 4 changes
        warnings.simplefilter("ignore", DeprecationWarning)
        if clip and start is not None and end is not None:
            start, end = _known_range(type(exchange_calendars.get_calendar(name)), start, end)
        try:
            return exchange_calendars.get_calendar(name, start=start, end=end)
        except (ValueError, CalendarError) as error:  # out of bounds, or no session
            raise ArgumentError(f"The calendar {name} does not reach over the interval: {error}") from error


def _known_range(calendar: Any, start: str, end: str) -> tuple[str, str]:
    """Cut a range of dates to those for which an exchange is known; of a range outside, a year is left."""
    import pandas as pd

    low, high = calendar.bound_min(), calendar.bound_max()
    latest = pd.Timestamp.now().normalize() + pd.Timedelta(days=_DAYS_AHEAD)
    first = min(max(pd.Timestamp(start), low) if low is not None else pd.Timestamp(start), latest)
    last = min(pd.Timestamp(end), high) if high is not None else pd.Timestamp(end)
    last = max(last, first + pd.Timedelta(days=_DAYS_AHEAD))
    return first.date().isoformat(), last.date().isoformat()
