"""Text and numbers to points in time, exact to the nanosecond.

A reading is split into whole microseconds and the nanoseconds left over, because polars parses text into
nanoseconds by wrapping years that do not fit. Local times become UTC in `zones`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import polars as pl
import pyarrow as pa

from lakehouse.errors import SourceError
from lakehouse.ingest.sources.cells import Cells, keep, strip_nulls
from lakehouse.ingest.sources.patterns import compile_pattern
from lakehouse.ingest.sources.recipe import TimeRule
from lakehouse.ingest.sources.zones import localise, to_wall
from lakehouse.times import MAX_NS, MIN_NS

_US_PER_DAY = 86_400_000_000
_LAST_DAY = 2_932_896
"""of the year 9999, since 1970"""
_LAST_US = (_LAST_DAY + 1) * _US_PER_DAY
_NS_PER_UNIT = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_SINCE_MIDNIGHT = {"ms_since_midnight": "ms", "s_since_midnight": "s"}
_MAGNITUDES = (
    ("s", 10**8, 19 * 10**8),
    ("ms", 22 * 10**10, 10**13),
    ("us", 10**14, 10**16),
    ("ns", 10**17, MAX_NS),
)
"""Sizes that count since 1970 in one unit only, and do not look like yyyymmddHH, yyyymmddHHMM or
yyyymmddHHMMSS."""

_NUMBER = r"^([+-]?)(\d{1,19})(?:\.(\d*))?$"
_ISO = (
    r"^(?P<date>\d{4}-\d{2}-\d{2})(?:[T ](?P<clock>(?:[01]\d|2[0-3]):[0-5]\d)(?::(?P<second>[0-5]\d)"
    r"(?:[.,](?P<fraction>\d{1,9})0*)?)?)? ?(?P<offset>Z|UTC|[+-]\d{2}(?::?\d{2})?)?$"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """Times as the file writes them."""

    wall: pl.Series
    """Int64 microseconds since 1970 on the file's clock; null where it can not be read"""
    nanos: pl.Series | None
    """Int64 nanoseconds to add, 0 to 999; None for none"""
    offset: pl.Series | None
    """Int64 microseconds by which that clock is ahead of UTC, null where the file does not say; None: UTC
    itself"""


def to_instants(
    column: pl.Series, rule: TimeRule, kind: str, *, day: date | None, nulls: Collection[str], where: str
) -> Cells:
    """Convert a column to a contract's timestamp or date type.

    Args:
        column: text, numbers, dates or timestamps.
        rule: how to read it.
        kind: `timestamp[ns]`, `timestamp[us]` or `date`.
        day: the day to which times of day belong, where the rule gives none.
        nulls: texts that mean null.
        where: file and column, for messages.

    Raises:
        SourceError: local times without a zone, local times that clocks skip or repeat, or a unit that can
            not be told.
    """
    source = strip_nulls(column, nulls) if column.dtype == pl.String else column
    reading = _read(source, rule, _base_day(rule, day, where), where)
    if kind == "date":
        own = column.dtype.time_zone if isinstance(column.dtype, pl.Datetime) else None
        return Cells.of(_to_date(_on_clock(reading, rule.time_zone or own), rule), source)
    return Cells.of(_to_timestamp(reading, rule, kind, where), source)


def _read(column: pl.Series, rule: TimeRule, day: date | None, where: str) -> Reading:
    if column.dtype == pl.Null:
        return Reading(column.cast(pl.Int64), None, None)
    if column.dtype == pl.Date:
        days = column.to_physical().cast(pl.Int64)
        return Reading(keep(days, days.abs() <= _LAST_DAY) * _US_PER_DAY, None, _unknown(column))
    if isinstance(column.dtype, pl.Datetime):
        return _read_typed(column, column.dtype)
    if column.dtype != pl.String and not column.dtype.is_numeric():
        raise SourceError(f"{where} holds {column.dtype}, which is no time.")
    form = _guess_format(column, where) if rule.format == "auto" else rule.format
    if form in _NS_PER_UNIT:
        return _read_number(column, form)
    if form in _SINCE_MIDNIGHT:
        return _read_time_of_day(column, _SINCE_MIDNIGHT[form], day, where)
    text = column if column.dtype == pl.String else column.cast(pl.String)
    return _read_iso(text) if form == "iso" else _read_pattern(text, form, day, where)


def _read_typed(column: pl.Series, dtype: pl.Datetime) -> Reading:
    ticks, nanos = column.to_physical(), None  # of UTC, or of clocks where there is no zone
    if dtype.time_unit == "ns":
        whole, nanos = ticks // 1000, ticks % 1000
    else:
        size = 1000 if dtype.time_unit == "ms" else 1
        # NOTE: polars 2.1 panics, past every `except Exception`, at times beyond the year 262142.
        whole = keep(ticks, ticks.is_between(-_LAST_US // size, _LAST_US // size)) * size
    return Reading(whole, nanos, _unknown(column) if dtype.time_zone is None else None)


def _read_number(column: pl.Series, unit: str) -> Reading:
    ticks = _exact_nanoseconds(column, unit)
    return Reading(ticks // 1000, ticks % 1000, None)


def _read_time_of_day(column: pl.Series, unit: str, day: date | None, where: str) -> Reading:
    """Count from midnight on the wall clock, whatever clocks did that day, and below 24 hours."""
    start = _midnight(day, where)
    ticks = _exact_nanoseconds(column, unit)
    ticks = keep(ticks, (ticks >= 0) & (ticks < _US_PER_DAY * 1000))
    return Reading(ticks // 1000 + start, ticks % 1000, _unknown(column))


def _exact_nanoseconds(column: pl.Series, unit: str) -> pl.Series:
    """Multiply by the unit without a float; null beyond the range and for parts of a nanosecond."""
    size = _NS_PER_UNIT[unit]
    if column.dtype.is_integer():
        ticks = column.cast(pl.Int64, strict=False)
        return keep(ticks, ticks.is_between(MIN_NS // size + 1, MAX_NS // size)) * size
    if column.dtype != pl.String:
        column = pl.Series([None if value is None else repr(value) for value in column], dtype=pl.String)
    digits = len(str(size)) - 1
    parts = column.str.extract_groups(_NUMBER).struct.unnest()
    fraction = parts["3"].fill_null("").str.strip_chars_end("0")
    whole = parts["2"].cast(pl.Int64, strict=False)
    whole = keep(whole, (whole <= MAX_NS // size) & (fraction.str.len_bytes() <= digits))
    ticks = whole * size + fraction.str.pad_end(digits, "0").replace("", "0").cast(pl.Int64, strict=False)
    ticks = keep(
        ticks, ticks >= 0
    )  # the last second of the range wraps around where its fraction is too large
    return ticks.zip_with(parts["1"] != "-", -ticks)


def _guess_format(column: pl.Series, where: str) -> str:
    """Tell days, ISO 8601 and the unit of numbers since 1970 apart, by what most cells look like."""
    numeric = column
    if column.dtype == pl.String:
        numbers = column.str.contains(_NUMBER)
        if 2 * int(numbers.sum() or 0) <= column.len() - column.null_count():
            return "iso"
        numeric = keep(column, numbers).cast(pl.Float64, strict=False)
    size = numeric.abs().median()
    if size is None:
        return "iso"
    low, high = (float(str(bound)) for bound in (numeric.abs().min(), numeric.abs().max()))
    if low >= 1e7 and high < 1e8:
        return "%Y%m%d"
    for unit, first, last in _MAGNITUDES:
        if first <= low and high < last:
            return unit
    raise SourceError(
        f"{where}: can not tell what the numbers {low:g} to {high:g} count.",
        hint="Say it in the recipe, e.g. time: {format: ms} or {format: ms_since_midnight}.",
    )


def _read_iso(text: pl.Series) -> Reading:
    quick = _read_iso_quickly(text)
    if quick is not None:
        return quick
    parts = text.str.extract_groups(_ISO).struct.unnest()
    clock = parts["clock"].fill_null("00:00") + ":" + parts["second"].fill_null("00")
    wall = (parts["date"] + " " + clock).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    return _with_fraction(wall.cast(pl.Int64), parts["fraction"], _offset(parts["offset"]))


def _read_iso_quickly(text: pl.Series) -> Reading | None:
    """Let Arrow parse a column in which every cell, or none, names its distance from UTC."""
    for zone in (None, "UTC"):
        try:
            parsed = text.to_arrow().cast(pa.string()).cast(pa.timestamp("ns", zone))
        except pa.ArrowInvalid:
            continue
        ticks = pl.Series(pl.from_arrow(parsed.cast(pa.int64())))
        if zone is None:
            return Reading(ticks // 1000, ticks % 1000, _unknown(text))
        local = text.str.extract(r"([+-]\d{2}:?\d{2}|[+-]\d{2})$", 1)
        offset = None if local.is_null().all() else _offset(local).fill_null(0)
        whole = ticks // 1000
        return Reading(whole if offset is None else whole + offset, ticks % 1000, offset)
    return None


def _read_pattern(text: pl.Series, form: str, day: date | None, where: str) -> Reading:
    pattern = compile_pattern(form)
    parts = text.str.extract_groups(pattern.expression).struct.unnest()
    joined, chrono = parts["text0"], pattern.chrono
    for number in range(1, pattern.pieces):
        joined = joined + parts[f"text{number}"]
    if not pattern.dated:
        _midnight(day, where)
        joined, chrono = f"{day} " + joined, f"%Y-%m-%d {chrono}"
    wall = joined.str.to_datetime(chrono, time_unit="us", strict=False).cast(pl.Int64)
    fraction = parts["fraction"] if pattern.fraction else None
    return _with_fraction(wall, fraction, _offset(parts["offset"]) if pattern.offset else _unknown(text))


def _with_fraction(wall: pl.Series, fraction: pl.Series | None, offset: pl.Series | None) -> Reading:
    if fraction is None:
        return Reading(wall, None, offset)
    nanos = fraction.fill_null("0").str.pad_end(9, "0").cast(pl.Int64)
    return Reading(wall + nanos // 1000, nanos % 1000, offset)


def _offset(text: pl.Series) -> pl.Series:
    """Read '+05:30', '+0530', '+05', 'Z' and 'UTC' as microseconds; null stays null."""
    plain = text.replace({"Z": "+00", "UTC": "+00"}).str.replace(":", "").str.pad_end(5, "0")
    minutes = plain.str.slice(1, 2).cast(pl.Int64) * 60 + plain.str.slice(3, 2).cast(pl.Int64)
    return minutes.zip_with(plain.str.starts_with("+"), -minutes) * 60_000_000


def _on_clock(reading: Reading, zone: str | None) -> Reading:
    """Move readings that know UTC to a zone; without one the text's own clock counts."""
    if zone is None:
        return reading
    if reading.offset is None:
        return Reading(to_wall(reading.wall, zone), reading.nanos, None)
    known = reading.offset.is_not_null()
    return Reading(
        to_wall(reading.wall - reading.offset, zone).zip_with(known, reading.wall), reading.nanos, None
    )


def _to_date(reading: Reading, rule: TimeRule) -> pl.Series:
    """Return the day on the file's own clock; a time of day is refused unless the recipe drops it."""
    days = reading.wall // _US_PER_DAY
    if not rule.date_as_of_time:
        exact = reading.wall % _US_PER_DAY == 0
        days = keep(days, exact if reading.nanos is None else exact & (reading.nanos == 0))
    return days.cast(pl.Int32, strict=False).cast(pl.Date)


def _to_timestamp(reading: Reading, rule: TimeRule, kind: str, where: str) -> pl.Series:
    utc = _to_utc(reading, rule, where)
    if kind == "timestamp[us]":
        exact = utc if reading.nanos is None else keep(utc, reading.nanos == 0)
        return exact.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    inside = keep(utc, utc.is_between(MIN_NS // 1000 + 1, MAX_NS // 1000 - 1)) * 1000
    ticks = inside if reading.nanos is None else inside + reading.nanos
    return ticks.cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")


def _to_utc(reading: Reading, rule: TimeRule, where: str) -> pl.Series:
    if reading.offset is None:
        return reading.wall
    aware = reading.wall - reading.offset
    local = keep(reading.wall, reading.offset.is_null())
    if local.is_null().all():
        return aware
    if rule.time_zone is None:
        raise SourceError(
            f"{where} has local times without a time zone: {local.is_not_null().sum()} rows.",
            hint="Name it in the recipe, e.g. time: {time_zone: America/New_York}, or UTC.",
        )
    return aware.zip_with(reading.offset.is_not_null(), localise(local, rule.time_zone, rule.fold, where))


def _base_day(rule: TimeRule, day: date | None, where: str) -> date | None:
    if rule.base_date is None:
        return day
    try:
        return date.fromisoformat(re.sub(r"[-_]", "", rule.base_date))
    except ValueError:
        raise SourceError(f"{where}: the recipe's base_date {rule.base_date!r} is not a day.") from None


def _midnight(day: date | None, where: str) -> int:
    if day is None:
        raise SourceError(
            f"{where} has times of day, and nothing says of which day.",
            hint="Give the files by a template with {date}, or a base_date in the recipe.",
        )
    return (day - date(1970, 1, 1)).days * _US_PER_DAY


def _unknown(column: pl.Series) -> pl.Series:
    return pl.Series([None], dtype=pl.Int64).new_from_index(0, column.len())
