"""Options behind a location: `lean:/data/lean/equity/usa/minute?kind=quote`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path


def split_options(location: str | Path, known: Collection[str]) -> tuple[str, dict[str, str]]:
    """Take the options that a source knows out of what follows the last '?'; everything else stays there.

    Examples:
        >>> split_options("s3://bucket/table?version=3", ("version",))
        ('s3://bucket/table', {'version': '3'})
        >>> split_options("https://host/trades.lp?key=1", ("version",))
        ('https://host/trades.lp?key=1', {})
    """
    place, mark, query = str(location).rpartition("?")
    pairs = [pair.partition("=") for pair in query.split("&")] if mark else []
    options = {key: value for key, _, value in pairs if key in known}
    if not options:
        return str(location), {}
    rest = "&".join("".join(pair) for pair in pairs if pair[0] not in known)
    return f"{place}?{rest}" if rest else place, options
