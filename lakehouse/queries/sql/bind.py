"""Parameters of SQL, `$name` and `?`: matched with the values given, each in the SQL type that keeps it.

Without care a `numpy.datetime64` would arrive as an integer, a `pandas.Timestamp` would lose its nanoseconds,
and a time with a zone could not be compared with the columns of the lake, which hold UTC.
"""

from __future__ import annotations

import decimal
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from lakehouse.errors import ArgumentError, QueryError
from lakehouse.times import to_iso, to_nanoseconds

Parameters = Mapping[str, Any] | Sequence[Any] | None
"""values by name for `$name`, or in order for `?`"""

_PLAIN = bool | int | float | bytes | decimal.Decimal | uuid.UUID | time | timedelta
_CHOICES = (
    "None, bool, int, float, str, bytes, Decimal, a time of datetime, numpy or pandas, or a list of them"
)


@dataclass(frozen=True, slots=True)
class Binding:
    """The parameters of one query."""

    values: Mapping[str, Any]
    """plain Python values, by name; positional ones are '1', '2', …"""
    bound: Mapping[str, Any]
    """what DuckDB gets"""


def bind(names: Iterable[str], parameters: Parameters) -> Binding:
    """Match the parameters of a statement with the values given.

    Raises:
        QueryError: a value is missing or is not used, or is of a type that SQL does not have.
    """
    given = _named(parameters)
    missing, unused = sorted(set(names) - given.keys()), sorted(given.keys() - set(names))
    if missing:
        raise QueryError(
            f"No value for the parameter {_listed(missing)}.", hint=f"Give parameters={{{missing[0]!r}: …}}."
        )
    if unused:
        wanted = _listed(sorted(names)) or "none"
        raise QueryError(
            f"The SQL does not use the parameter {_listed(unused)}.", hint=f"Its parameters: {wanted}."
        )
    values = {name: _plain(name, value) for name, value in given.items()}
    return Binding(values, {name: _bound(value) for name, value in values.items()})


def _named(parameters: Parameters) -> dict[str, Any]:
    if parameters is None:
        return {}
    if isinstance(parameters, Mapping):
        return {str(name).removeprefix("$"): value for name, value in parameters.items()}
    if isinstance(parameters, str | bytes) or not isinstance(parameters, Sequence):
        raise QueryError(f"parameters must be a mapping or a sequence; got {type(parameters).__name__}.")
    return {str(rank): value for rank, value in enumerate(parameters, start=1)}


def _plain(name: str, value: Any) -> Any:
    """Return a value as None, plain Python, or an `_Instant`."""
    if value is None or type(value).__name__ in ("NaTType", "NAType"):
        return None
    if type(value).__name__ == "datetime64" or hasattr(value, "to_datetime64"):
        return _instant(name, value)
    if isinstance(value, datetime):
        return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, str):
        return str.__str__(value)  # an enumeration of strings is a str whose text is another
    if isinstance(value, date | _PLAIN):
        return float(value) if isinstance(value, float) else value
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return _plain(name, value.item())
    if (
        isinstance(value, list | tuple | set | frozenset)
        or hasattr(value, "tolist")
        or hasattr(value, "to_list")
    ):
        return [_plain(name, item) for item in value]
    raise QueryError(f"The parameter {name!r} is a {type(value).__name__}.", hint=f"Give {_CHOICES}.")


@dataclass(frozen=True, slots=True)
class _Instant:
    """A point in time to the nanosecond."""

    nanoseconds: int


def _instant(name: str, value: Any) -> _Instant | None:
    if str(value) == "NaT":
        return None
    try:
        return _Instant(to_nanoseconds(value))
    except ArgumentError as error:
        raise QueryError(f"The parameter {name!r} can not be used: {error.message}") from error


def _bound(value: Any) -> Any:
    import duckdb

    if isinstance(value, _Instant):
        return duckdb.TimestampNanosecondValue(to_iso(value.nanoseconds))
    if isinstance(value, list):
        if not value:
            return duckdb.Value(value, duckdb.sqltype("VARCHAR[]"))
        return [_bound(item) for item in value]
    return value


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"${name}" for name in names)
