"""Where a database is, and what of that may be shown: never a password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, unquote

from lakehouse.errors import ArgumentError

Kind = Literal["postgresql", "duckdb", "sqlite"]

_KINDS: dict[str, Kind] = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "timescaledb": "postgresql",
    "duckdb": "duckdb",
    "sqlite": "sqlite",
}
_SCHEME = re.compile(r"([A-Za-z]+):(.*)", re.DOTALL)
_QUERY = re.compile(r"\?(?=[A-Za-z_]+=)")
_PUBLIC_OPTIONS = ("host", "port", "dbname", "connect_timeout", "sslmode", "application_name", "options")


@dataclass(frozen=True)
class Address:
    """One database."""

    kind: Kind
    """which library reads it"""
    target: str = field(repr=False)
    """what the library opens: a URI for PostgreSQL, a path for the others"""
    shown: str
    """the same for messages and records"""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """texts that no message may repeat"""

    @classmethod
    def parse(cls, uri: str) -> Address:
        """Read 'postgresql://user:password@host/base', 'duckdb:/path' or 'sqlite:/path'.

        Raises:
            ArgumentError: the text is none of them; it is not repeated, for it may hold a password.

        Examples:
            >>> Address.parse("postgresql://me:hush@host:5432/desk").shown
            'postgresql://host:5432/desk'
            >>> Address.parse("sqlite:/data/desk.db")
            Address(kind='sqlite', shown='sqlite:/data/desk.db')
        """
        found = _SCHEME.fullmatch(uri)
        kind = _KINDS.get(found[1].lower()) if found else None
        if found is None or kind is None or not found[2].lstrip("/"):
            raise ArgumentError(
                "The address of a database must start with postgresql://, duckdb: or sqlite:.",
                hint="Write postgresql://user@host/base, duckdb:/path/file.duckdb or sqlite:/path/file.db.",
            )
        return _server(found[2]) if kind == "postgresql" else _file(kind, found[2])

    def scrub(self, text: str) -> str:
        """Return a library's message without the secrets of the address.

        Examples:
            >>> Address.parse("postgresql://me:hush@host/desk").scrub('FATAL: "hush" is wrong')
            'FATAL: "***" is wrong'
        """
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def _file(kind: Kind, rest: str) -> Address:
    path = rest[2:] if rest.startswith("//") else rest
    return Address(kind, str(Path(path).expanduser()), f"{kind}:{path}")


def _server(rest: str) -> Address:
    """Take an address apart so that nothing before the last '@' is shown: passwords hold '#', '/' and '?'."""
    if not rest.startswith("//"):
        raise ArgumentError(
            "The address of the database is no URI.", hint="Write postgresql://user:password@host:5432/base."
        )
    main, *query = _QUERY.split(rest[2:], maxsplit=1)
    login, _, place = main.rpartition("@")
    host, slash, base = place.partition("#")[0].partition("/")
    options = dict(parse_qsl("".join(query), keep_blank_values=True))
    hidden = [value for name, value in options.items() if name not in _PUBLIC_OPTIONS]
    password = login.partition(":")[2]
    # libpq ends a login at the first '@' or '/', takes the rest for the host, and repeats it.
    raw = [part for part in (login, password, *re.split("[@/]", password), *hidden) if part]
    secrets = {text for part in raw for text in (part, unquote(part))}
    uri = f"postgresql:{rest}"
    shown = f"postgresql://{host or options.get('host', '')}{slash}{base}"
    return Address("postgresql", uri, shown, tuple(sorted(secrets | {uri}, key=len, reverse=True)))
