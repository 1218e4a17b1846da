"""Databases by name: what the registry of sources split at the first colon.

Table, time and symbol may stand in the location, as where there is only text:
`sqlite:desk.db?table=bars&time=day`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from lakehouse.ingest.sources.databases.source import DatabaseSource

_NAMED_IN_LOCATION = ("table=", "time=", "symbol=")


def duckdb(location: str, /, **options: Any) -> DatabaseSource:
    """Open a table of a DuckDB file, `duckdb:/path?table=bars&time=ts`; see `DatabaseSource`."""
    return _open("duckdb", location, **options)


def postgresql(location: str, /, **options: Any) -> DatabaseSource:
    """Open a table of PostgreSQL or TimescaleDB, `postgresql://host/base?table=bars&time=ts`."""
    return _open("postgresql", location, **options)


def sqlite(location: str, /, **options: Any) -> DatabaseSource:
    """Open a table of a SQLite file, `sqlite:/path?table=bars&time=day`; see `DatabaseSource`.

    Examples:
        >>> sqlite("desk.db?table=bars&time=day")
        DatabaseSource('sqlite:desk.db bars')
    """
    return _open("sqlite", location, **options)


def _open(scheme: str, location: str, /, **options: Any) -> DatabaseSource:
    place, _, query = location.partition("?")
    parts = query.split("&") if query else []
    ours = [part.split("=", 1) for part in parts if part.startswith(_NAMED_IN_LOCATION)]
    rest = "&".join(part for part in parts if not part.startswith(_NAMED_IN_LOCATION))
    named = {name: unquote(value) for name, value in ours}
    return DatabaseSource(f"{scheme}:{place}{'?' if rest else ''}{rest}", **{**named, **options})
