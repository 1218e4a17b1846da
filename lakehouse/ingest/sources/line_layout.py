"""Line protocol whose lines all have the layout of the first, in columns at once: nearly twenty times faster.

Exports of one measurement mostly are so. Anything else, and whatever is escaped or quoted, is for the strict
reader of `line_protocol`, which also finds what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from lakehouse.ingest.sources.line_protocol import LineError, Point, read_points

_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_VALUES = {
    "float": f"({_NUMBER})",
    "integer": "([+-]?[0-9]+)i",
    "unsigned": "([0-9]+)u",
    "flag": "(t|T|true|True|TRUE|f|F|false|False|FALSE)",
}
_TYPES: Mapping[str, type[pl.DataType]] = {"float": pl.Float64, "integer": pl.Int64, "unsigned": pl.UInt64}
_SPECIAL = re.compile(r'[\\"#\r]')


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a file whose lines are all alike."""

    measurement: str
    """of every line"""
    tags: Mapping[str, pl.Series]
    """key → String"""
    fields: Mapping[str, tuple[str, pl.Series]]
    """key → kind, and values of its type, none null"""
    times: pl.Series
    """Int64 as written, none null"""


def read_layout(text: str) -> Layout | None:
    r"""Return the columns of a file, or None where its lines are not all alike.

    Examples:
        >>> found = read_layout("m,symbol=A price=1.5 7\nm,symbol=B price=2 8\n")
        >>> found.tags["symbol"].to_list(), found.fields["price"][1].to_list(), found.times.to_list()
        (['A', 'B'], [1.5, 2.0], [7, 8])
        >>> read_layout("m,symbol=A price=1.5 7\nm price=2 8\n") is None
        True
    """
    body = text.removesuffix("\n")
    first = _first(body)
    if first is None or _SPECIAL.search(body):
        return None
    parts = pl.Series(body.split("\n")).str.extract_groups(_pattern(first)).struct.unnest()
    if parts.get_column(parts.columns[-1]).has_nulls():
        return None
    columns = dict(zip([*first.tags, *first.fields, "time"], parts.get_columns(), strict=True))
    times = columns.pop("time").cast(pl.Int64, strict=False)
    fields = {key: (kind, _typed(columns[key], kind)) for key, (kind, _) in first.fields.items()}
    if times.has_nulls() or any(series.has_nulls() for _, series in fields.values()):
        return None
    return Layout(first.measurement, {key: columns[key] for key in first.tags}, fields, times)


def _first(body: str) -> Point | None:
    """Return the first line, if it has a time and no text, and its columns have different names."""
    try:
        found = list(read_points(body.partition("\n")[0]))
    except LineError:
        return None
    if len(found) != 1 or found[0].time is None:
        return None
    names = [*found[0].tags, *found[0].fields, "time"]
    plain = all(kind in _VALUES for kind, _ in found[0].fields.values())
    return found[0] if plain and len(set(names)) == len(names) else None


def _pattern(first: Point) -> str:
    tags = "".join(f",{re.escape(key)}=([^,= ]+)" for key in first.tags)
    fields = ",".join(f"{re.escape(key)}={_VALUES[kind]}" for key, (kind, _) in first.fields.items())
    return f"^{re.escape(first.measurement)}{tags} +{fields} +(-?[0-9]+) *$"


def _typed(texts: pl.Series, kind: str) -> pl.Series:
    """Return values of the kind; null for what does not fit it."""
    if kind == "flag":
        return texts.str.to_lowercase().is_in(["t", "true"])
    values = texts.cast(_TYPES[kind], strict=False)
    return values.replace([float("inf"), float("-inf")], [None, None]) if kind == "float" else values
