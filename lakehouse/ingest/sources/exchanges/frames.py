"""Lengths of candles, and the cells of time into which an exchange's history is cut."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from lakehouse.errors import ArgumentError
from lakehouse.times import NS_PER_DAY, NS_PER_SECOND, Interval, to_nanoseconds

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_MONTH = (28 * NS_PER_DAY, 31 * NS_PER_DAY)
_HOUR_NS = 3600 * NS_PER_SECOND
_FRAME = re.compile(r"([1-9]\d{0,3})([smhdwM])", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Frame:
    """The length of a candle; of a month it varies."""

    shortest_ns: int
    """the next candle opens no sooner"""
    longest_ns: int
    """the candle is closed no later"""

    @classmethod
    def parse(cls, text: str) -> Frame:
        """Read a length as ccxt writes it.

        Raises:
            ArgumentError: it is none.

        Examples:
            >>> Frame.parse("5m").shortest_ns
            300000000000
        """
        found = _FRAME.fullmatch(text)
        if found is None:
            raise ArgumentError(f"{text!r} is no length of a candle.", hint="Write 1m, 5m, 1h, 1d, 1w or 1M.")
        count = int(found[1])
        if found[2] == "M":
            return cls(count * _MONTH[0], count * _MONTH[1])
        length = count * _UNITS_S[found[2]] * NS_PER_SECOND
        return cls(length, length)

    def closed_before(self, now: int) -> int:
        """Return an instant before which every candle that opened is closed at `now`.

        It is a multiple of the length, or of an hour for longer candles: not every exchange opens its days at
        midnight UTC.
        """
        step = min(self.shortest_ns, _HOUR_NS)
        return (now - self.longest_ns) // step * step + step

    @property
    def cell(self) -> Literal["day", "month", "year"]:
        """What a chunk of such candles spans: one or two requests."""
        if self.longest_ns < _HOUR_NS:
            return "day"
        return "month" if self.longest_ns < NS_PER_DAY else "year"


def cells(interval: Interval, size: Literal["day", "month", "year"]) -> list[tuple[Interval, Interval]]:
    """Cut a bounded interval at the borders of days, months or years, UTC: cells, and what is asked of each.

    Examples:
        >>> span = Interval.of("2024-01-31T12:00", "2024-02-02")
        >>> [cell.end == asked.end for cell, asked in cells(span, "day")]
        [True, True]
    """
    found = []
    moment = interval.start
    while moment < interval.end:
        cell = _around(moment, size)
        found.append((cell, Interval(moment, min(cell.end, interval.end))))
        moment = cell.end
    return found


def _around(moment: int, size: Literal["day", "month", "year"]) -> Interval:
    day = _EPOCH + timedelta(days=moment // NS_PER_DAY)
    match size:
        case "day":
            first, last = day, day + timedelta(days=1)
        case "month":
            first = day.replace(day=1)
            last = (first + timedelta(days=31)).replace(day=1)
        case "year":
            first = day.replace(month=1, day=1)
            last = first.replace(year=first.year + 1)
    return Interval(to_nanoseconds(first), to_nanoseconds(last))
