"""Path templates: `{symbol}/{date}_trade.zip` tells what a file's name says about its rows.

`{name}` takes a part of one path segment, `{date}` a day as yyyymmdd, yyyy-mm-dd or yyyy_mm_dd, `*` any part
of a segment, `**` any number of segments and `?` one character. A part that is named twice must be equal in
both places.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from lakehouse.errors import ArgumentError, SourceError

_TOKEN = re.compile(r"\{([^{}]*)\}|\*\*/|\*\*|\*|\?|[^{}*?]+|.")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL = re.compile(r"[{}*?]")
_DAY = r"\d{4}[-_]?\d{2}[-_]?\d{2}"


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A template of paths with '/' between segments."""

    text: str
    """as written"""
    pattern: re.Pattern[str]
    """of a whole path"""

    @classmethod
    def parse(cls, text: str) -> PathTemplate:
        """Read a template.

        Raises:
            ArgumentError: a placeholder is not a plain name, or a brace stands alone.

        Examples:
            >>> PathTemplate.parse("{symbol}/{date}_trade.zip").match("ibm/20131007_trade.zip")
            {'symbol': 'ibm', 'date': '20131007'}
        """
        seen: set[str] = set()
        body = "".join(_piece(found, text, seen) for found in _TOKEN.finditer(text))
        return cls(text, re.compile(body))

    def match(self, path: str) -> dict[str, str] | None:
        """Return the named parts of a whole path, or None if it does not fit."""
        found = self.pattern.fullmatch(path)
        return found.groupdict() if found else None

    def match_end(self, path: str) -> dict[str, str] | None:
        """Return the named parts of a path of which the last segments fit, or None."""
        depth = self.text.count("/") + 1
        return self.match("/".join(path.split("/")[-depth:]))


def split_template(path: str) -> tuple[str, str]:
    """Split a path into the folder before its first placeholder or wildcard, and the template below.

    Examples:
        >>> split_template("/data/us/{symbol}/*.csv")
        ('/data/us', '{symbol}/*.csv')
    """
    segments = path.split("/")
    first = next((i for i, segment in enumerate(segments) if _SPECIAL.search(segment)), len(segments) - 1)
    folder = "/".join(segments[:first])
    return (folder or ("/" if path.startswith("/") else ".")), "/".join(segments[first:])


def has_placeholder(path: str) -> bool:
    """Say whether a path is a template or a glob."""
    return bool(_SPECIAL.search(path))


def read_day(parts: Mapping[str, str], where: str) -> date | None:
    """Return the day that the file's name gives as `{date}`, or None.

    Raises:
        SourceError: the digits are no day of the calendar.
    """
    text = parts.get("date")
    if text is None:
        return None
    try:
        return date.fromisoformat(re.sub(r"[-_]", "", text))
    except ValueError:
        raise SourceError(f"{where}: {text!r} in the file's name is not a day.") from None


def fill(text: str, parts: Mapping[str, str], where: str) -> str:
    """Replace each `{name}` in a constant by that part of the file's name.

    Raises:
        SourceError: the file's name has no such part.
    """

    def replace(found: re.Match[str]) -> str:
        if found.group(1) not in parts:
            known = ", ".join(parts) or "none"
            raise SourceError(f"{where}: the name has no part {found.group(0)}; its parts are {known}.")
        return parts[found.group(1)]

    return re.sub(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", replace, text)


def _piece(found: re.Match[str], text: str, seen: set[str]) -> str:
    token, name = found.group(0), found.group(1)
    simple = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if token in simple:
        return simple[token]
    if token in "{}" or (name is not None and not _NAME.fullmatch(name)):
        raise ArgumentError(
            f"Not a path template: {text!r}.", hint="Write placeholders like {symbol} and {date}."
        )
    if name is None:
        return re.escape(token)
    if name in seen:
        return f"(?P={name})"
    seen.add(name)
    return f"(?P<{name}>{_DAY if name == 'date' else '[^/]+?'})"
