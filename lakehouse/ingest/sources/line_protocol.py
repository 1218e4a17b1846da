"""InfluxDB's line protocol, read strictly: `trades,symbol=IBM price=161.14,size=100i 1704196800000000000`.

A backslash escapes a comma and a blank in a measurement, these and '=' in keys and tags, '"' and itself in a
text; elsewhere it stands for itself. A text may hold line breaks. Lines that begin with '#' are comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isinf

Value = float | int | bool | str
"""of a field"""


class LineError(ValueError):
    """A line that is none of the protocol."""


@dataclass(frozen=True, slots=True)
class Point:
    """One line."""

    number: int
    """of the line in the file, from 1"""
    measurement: str
    """as written, unescaped"""
    tags: dict[str, str]
    """in the order of the line"""
    fields: dict[str, tuple[str, Value]]
    """key → kind of the value (float, integer, unsigned, text, flag) and the value"""
    time: int | None
    """as written, in whatever unit; None where the line has none"""


_NAME = r"(?:\\.|[^\\,= \n]|\\$)+"
_MEASUREMENT = re.compile(r"(?:\\.|[^\\, \n])+")
_TAG = re.compile(rf",({_NAME})=({_NAME})")
_KEY = re.compile(rf"({_NAME})=")
_TEXT = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_PLAIN = re.compile(r"[^, \n]+")
_BLANKS = re.compile(" *")
_TIME = re.compile(r" +(-?[0-9]+)")
_END = re.compile(r"[ \r]*(?:\n|\Z)")
_SKIPPED = re.compile(r"[ \t\r]*(?:#[^\n]*)?(?:\n|\Z)")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"([+-]?[0-9]+)i")
_UNSIGNED = re.compile(r"([0-9]+)u")
_FLAGS = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), False),
}
_ESCAPED_NAME = re.compile(r"\\([,= ])")
_ESCAPED_MEASUREMENT = re.compile(r"\\([, ])")
_ESCAPED_TEXT = re.compile(r'\\(["\\])')


def read_points(text: str) -> Iterator[Point]:
    r"""Yield the points of a file, in order.

    Raises:
        LineError: a line is none of the protocol; the message begins with its number.

    Examples:
        >>> [point] = read_points(r'my\ trades,symbol=BRK\,B price=1.5,size=100i 7')
        >>> point.measurement, point.tags, point.fields["size"], point.time
        ('my trades', {'symbol': 'BRK,B'}, ('integer', 100), 7)
    """
    place, number = 0, 1
    while place < len(text):
        skipped = _SKIPPED.match(text, place)
        if skipped is None:
            point, end = _read_point(text, place, number)
            yield point
        else:
            end = skipped.end()
        number += text.count("\n", place, end)
        place = end


def _read_point(text: str, place: int, number: int) -> tuple[Point, int]:
    name = _MEASUREMENT.match(text, place)
    if name is None:
        raise LineError(f"line {number}: there is no measurement before {_shown(text, place)}")
    tags, place = _read_tags(text, name.end(), number)
    if text[place : place + 1] != " ":
        raise LineError(f"line {number}: expected a blank and fields, got {_shown(text, place)}")
    fields, place = _read_fields(text, place, number)
    time = _TIME.match(text, place)
    place = time.end() if time else place
    end = _END.match(text, place)
    if end is None:
        raise LineError(f"line {number}: expected a time or the end of the line, got {_shown(text, place)}")
    measurement = _ESCAPED_MEASUREMENT.sub(r"\1", name[0])
    return Point(number, measurement, tags, fields, int(time[1]) if time else None), end.end()


def _read_tags(text: str, place: int, number: int) -> tuple[dict[str, str], int]:
    tags: dict[str, str] = {}
    while found := _TAG.match(text, place):
        key, value = (_ESCAPED_NAME.sub(r"\1", part) for part in found.groups())
        if key in tags:
            raise LineError(f"line {number}: the tag {key!r} stands there twice")
        tags[key] = value
        place = found.end()
    return tags, place


def _read_fields(text: str, place: int, number: int) -> tuple[dict[str, tuple[str, Value]], int]:
    fields: dict[str, tuple[str, Value]] = {}
    place = _BLANKS.match(text, place).end()  # type: ignore[union-attr]  # it matches nothing, too
    while True:
        found = _KEY.match(text, place)
        if found is None:
            raise LineError(f"line {number}: expected a field, got {_shown(text, place)}")
        key = _ESCAPED_NAME.sub(r"\1", found[1])
        if key in fields:
            raise LineError(f"line {number}: the field {key!r} stands there twice")
        fields[key], place = _read_value(text, found.end(), number)
        if text[place : place + 1] != ",":
            return fields, place
        place += 1


def _read_value(text: str, place: int, number: int) -> tuple[tuple[str, Value], int]:
    quoted = _TEXT.match(text, place)
    if quoted:
        return ("text", _ESCAPED_TEXT.sub(r"\1", quoted[1])), quoted.end()
    plain = _PLAIN.match(text, place)
    value = _plain_value(plain[0].rstrip("\r")) if plain else None
    if plain is None or value is None:
        raise LineError(f"line {number}: not a value: {_shown(text, place)}")
    return value, plain.end()


def _plain_value(word: str) -> tuple[str, Value] | None:
    if _FLOAT.fullmatch(word):
        number = float(word)
        return None if isinf(number) else ("float", number)  # 1e400 is no number of theirs
    if whole := _INTEGER.fullmatch(word):
        return "integer", int(whole[1])
    if whole := _UNSIGNED.fullmatch(word):
        return "unsigned", int(whole[1])
    return ("flag", _FLAGS[word]) if word in _FLAGS else None


def _shown(text: str, place: int) -> str:
    return repr(text[place : place + 24].partition("\n")[0] or "the end of the line")
