"""The time column of a table: how it is compared with instants, and cut into cells of whole days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import polars as pl
import pyarrow as pa

from lakehouse.errors import SourceError
from lakehouse.ingest.sources.databases.engine import Engine, quoted
from lakehouse.ingest.sources.recipe import EPOCH_FORMATS, TimeRule
from lakehouse.ingest.sources.zones import END_OF_RULES_US, localise
from lakehouse.times import MAX_NS, MIN_NS, NS_PER_DAY, NS_PER_SECOND, Interval

_UNITS_NS = {"s": NS_PER_SECOND, "ms": 1_000_000, "us": 1000, "ns": 1}
_UTC = (None, "UTC", "Etc/UTC", "GMT")
_EPOCH = datetime(1970, 1, 1)
_BEYOND = 10**9
"""The number of a cell that no calendar reaches."""

Bound = int | date | datetime
Condition = tuple[str, Bound]
"""The comparison before a value, and the value, which travels as a parameter."""


@dataclass(frozen=True, slots=True)
class Clock:
    """A time column that the database itself can compare."""

    column: str
    """quoted"""
    kind: Literal["instant", "naive", "date", "count"]
    """of its values: with a zone, without one, days, or numbers since 1970"""
    unit_ns: int
    """what all values are multiples of; 1 also where a parameter is coarser than the column"""
    rule: TimeRule
    """names the zone of local times"""

    @property
    def local(self) -> bool:
        """Whether values are those of a clock on a wall that is not UTC's."""
        return self.kind in ("naive", "date") and self.rule.time_zone not in _UTC

    @property
    def exact(self) -> bool:
        """Whether the database cuts an interval at the very instants."""
        return not self.local and self.unit_ns > 1

    def cells(self, engine: Engine, days: int) -> str:
        """Return the SQL for the number of the cell, of that many days, in which a row lies."""
        if self.kind != "count":
            return self._finite(f"cast(floor({engine.seconds(self.column)} / {days * 86_400}) as bigint)")
        size = days * NS_PER_DAY // self.unit_ns
        # Exact in whole numbers; the cast is for DuckDB, in which '/' always gives a float.
        return f"cast(({self.column} - (({self.column} % {size}) + {size}) % {size}) / {size} as bigint)"

    def within(self, interval: Interval) -> list[Condition]:
        """Return what holds for the rows of an interval; for local times, for a day more at both ends."""
        start, end = interval.start, interval.end
        if self.local:
            start, end = max(start - NS_PER_DAY, MIN_NS), min(end + NS_PER_DAY, MAX_NS)
        low = [] if start == MIN_NS else [(">=", self._bound(start, up=self.unit_ns > 1))]
        return low + ([] if end == MAX_NS else [("<", self._bound(end, up=True))])

    def within_cell(self, cell: int, days: int) -> list[Condition]:
        """Return what holds for the rows of a cell, on the column's own clock."""
        first, last = (number * days * NS_PER_DAY for number in (cell, cell + 1))
        return [(">=", self._bound(first, up=True)), ("<", self._bound(last, up=True))]

    def edges(self, days: int) -> tuple[int, int]:
        """Return the cells below and above which, themselves included, an instant may have no nanoseconds."""
        last = END_OF_RULES_US * 1000 if self.local else MAX_NS
        return MIN_NS // (days * NS_PER_DAY), last // (days * NS_PER_DAY)

    def span(self, cell: int, days: int) -> Interval:
        """Return the interval of a cell, in UTC."""
        edges = pl.Series([cell, cell + 1], dtype=pl.Int64) * (days * NS_PER_DAY // 1000)
        if self.local:
            edges = localise(
                edges, str(self.rule.time_zone), self.rule.fold or "earliest", f"column {self.column}"
            )
        return Interval(int(edges[0]) * 1000, int(edges[1]) * 1000)

    def _finite(self, cell: str) -> str:
        """Give 'infinity' and '-infinity', which no arithmetic takes, cells beyond all others."""
        ends = f"when 'infinity' then {_BEYOND} when '-infinity' then -{_BEYOND}"
        return f"case {self.column} {ends} else {cell} end"

    def _bound(self, instant: int, *, up: bool) -> Bound:
        if self.kind == "count":
            return -(-instant // self.unit_ns) if up else instant // self.unit_ns
        if self.kind == "date":
            return (_EPOCH + timedelta(days=-(-instant // NS_PER_DAY))).date()
        moment = _EPOCH + timedelta(microseconds=-(-instant // 1000) if up else instant // 1000)
        return moment.replace(tzinfo=UTC) if self.kind == "instant" else moment


def find_clock(name: str, kind: pa.DataType, rule: TimeRule, where: str) -> Clock | None:
    """Return how a column tells time; None for texts and the like, which only the reader can compare.

    Raises:
        SourceError: its values are local times of no zone, or numbers of no unit.
    """
    if pa.types.is_timestamp(kind):
        if kind.tz is None and rule.time_zone is None:
            raise SourceError(
                f"{where} has local times without a time zone.",
                hint="Name it in the recipe, e.g. time: {time_zone: America/New_York}, or UTC.",
            )
        unit = 1 if kind.unit == "ns" else 1000
        return Clock(quoted(name), "naive" if kind.tz is None else "instant", unit, rule)
    if pa.types.is_date(kind):
        return Clock(quoted(name), "date", NS_PER_DAY, rule)
    if not pa.types.is_integer(kind):
        return None
    if rule.format not in EPOCH_FORMATS:
        raise SourceError(
            f"{where} counts time in whole numbers, and nothing says of which unit.",
            hint=f"Name it in the recipe, time: {{format: ms}}; the units are {', '.join(EPOCH_FORMATS)}.",
        )
    return Clock(quoted(name), "count", _UNITS_NS[rule.format], rule)
