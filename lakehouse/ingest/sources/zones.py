"""Local times to UTC, with the hours that clocks skip and repeat, by the zone database inside polars."""

from __future__ import annotations

from typing import Literal

import polars as pl

from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources.cells import keep
from lakehouse.times import to_iso

_UTC = ("UTC", "Etc/UTC", "GMT")
_DAY_US = 86_400_000_000
END_OF_RULES_US = 4_102_444_800_000_000
"""2100-01-01: polars 2.1 knows no summer time from there on, and would be an hour off."""


def localise(wall: pl.Series, zone: str, fold: Literal["earliest", "latest"] | None, where: str) -> pl.Series:
    """Return UTC microseconds of local ones; null stays null, and times from 2100 on become null.

    Args:
        wall: Int64 microseconds on the clocks of `zone`.
        zone: an IANA name.
        fold: which instant a repeated time means. A skipped time is counted with the clocks of before the
            change ('earliest') or after it ('latest').
        where: file and column, for messages.

    Raises:
        ArgumentError: there is no such zone.
        SourceError: clocks skip or repeat one of the times, and `fold` is None.
    """
    if zone in _UTC:
        return wall
    wall = keep(wall, wall < END_OF_RULES_US)
    offset = _constant_offset(wall, zone)
    if offset is not None:
        return wall - offset
    utc = _convert(wall, zone, fold)
    odd = wall.is_not_null() & utc.is_null()
    if not odd.any():
        return utc
    if fold is None:
        raise _refused(wall.filter(odd), zone, where)
    near = wall - _DAY_US if fold == "earliest" else wall + _DAY_US
    skipped = wall - (near - _convert(near, zone, fold))
    return utc.zip_with(~odd, skipped)


def to_wall(utc: pl.Series, zone: str) -> pl.Series:
    """Return what the clocks of `zone` show, in Int64 microseconds like the UTC times; null from 2100 on.

    Raises:
        ArgumentError: there is no such zone.
    """
    if zone in _UTC:
        return utc
    try:
        known = keep(utc, utc < END_OF_RULES_US).cast(pl.Datetime("us"))
        local = known.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    except pl.exceptions.ComputeError as error:
        raise _unknown_zone(zone) from error
    return local.dt.replace_time_zone(None).cast(pl.Int64)


def _constant_offset(wall: pl.Series, zone: str) -> int | None:
    """Return the one distance from UTC within a day, a file's usual span: two look-ups, not millions.

    Clocks never change twice in a day, so equal distances at both ends mean that nothing happened between.
    """
    ends = pl.Series([wall.min(), wall.max()], dtype=pl.Int64)
    if ends.has_nulls() or ends[1] - ends[0] > _DAY_US:
        return None
    offsets = ends - _convert(ends, zone, None)
    return None if offsets.has_nulls() or offsets[0] != offsets[1] else int(offsets[0])


def _convert(wall: pl.Series, zone: str, fold: Literal["earliest", "latest"] | None) -> pl.Series:
    times = wall.cast(pl.Datetime("us"))
    try:
        local = times.dt.replace_time_zone(zone, ambiguous=fold or "null", non_existent="null")
    except pl.exceptions.ComputeError as error:
        raise _unknown_zone(zone) from error
    return local.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(pl.Int64)


def _refused(odd: pl.Series, zone: str, where: str) -> SourceError:
    first = to_iso(int(odd[0]) * 1000).removesuffix("Z")
    later = pl.Series([odd[0]], dtype=pl.Int64)
    kind = "repeat" if _convert(later, zone, "latest").is_not_null().all() else "skip"
    return SourceError(
        f"{where}: clocks in {zone} {kind} the local time {first} ({odd.len()} such rows).",
        hint="Say in the recipe which instant is meant: time: {fold: earliest} or latest.",
    )


def _unknown_zone(zone: str) -> ArgumentError:
    return ArgumentError(f"Unknown time zone {zone!r}.", hint="Use an IANA name like America/New_York.")
