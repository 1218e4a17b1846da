"""Recipes: how the columns of a vendor's file become the columns of a contract, written once as YAML or TOML.

A recipe lists only what differs from the automatic reading. In `columns`, `constants`, `divide` and
`multiply` the words `symbol` and `time` stand for the contract's symbol and time column, whatever these are
called there.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lakehouse.errors import ArgumentError
from lakehouse.ingest.sources.documents import load_document

DEFAULT_NULLS = ("", "NaN", "nan", "null", "NULL", "N/A")
"""Cells that mean "no value". NA is not among them: it is a ticker, and as a number worth a look."""

EPOCH_FORMATS = ("s", "ms", "us", "ns")
"""Numbers since 1970-01-01 UTC; decimals count too."""

CLOCK_FORMATS = ("s_since_midnight", "ms_since_midnight")
"""Numbers since midnight of the base date, on the clocks of the time zone; decimals count too."""

TIME_FORMATS = ("auto", "iso", *EPOCH_FORMATS, *CLOCK_FORMATS)

Format = Literal["csv", "json", "parquet", "arrow", "dbn", "influx"]
SourceColumn = str | int
"""A column of the file, by name or by position from zero."""


@dataclass(frozen=True, slots=True)
class TimeRule:
    """How the text or number of a time column is read; every digit counts, down to the nanosecond."""

    column: tuple[SourceColumn, ...] = ()
    """source columns, joined by a space where there are several; () finds it by name"""
    format: str = "auto"
    """one of `TIME_FORMATS`, or strptime codes such as '%Y%m%d %H:%M'; %f takes one to nine digits. `auto`
    takes ISO 8601, yyyymmdd, and numbers since 1970 whose size tells the unit"""
    time_zone: str | None = None
    """IANA name of the zone of local times; required where the times carry none: it is never guessed"""
    fold: Literal["earliest", "latest"] | None = None
    """which of the two instants a local time means when clocks go back, and from which side to count one that
    clocks skip; None refuses both"""
    base_date: str | None = None
    """the day, yyyy-mm-dd, to which times of day belong; None takes {date} from the file's name"""
    date_as_of_time: bool = False
    """for a contract with dates: take the local date and drop the time of day, which is else refused"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to read the files of one vendor; see the fields. Unset fields mean the automatic reading."""

    format: Format | None = None
    """of the content; None tells it from the first bytes and the name"""
    files: str | None = None
    """path template below the source's folder, such as '{symbol}/{date}_trade.zip'"""
    entry: str | None = None
    """template of the names inside a zip, such as '*_{symbol}.csv'; None takes every data file in it"""
    encoding: str = "utf-8"
    """of text files"""
    delimiter: str | None = None
    """of a CSV file; None takes the most frequent of comma, semicolon, tab and bar in the first line"""
    measurement: str | None = None
    """which measurement of InfluxDB line protocol to read; None for the only one"""
    quote: str = '"'
    """the quote character of a CSV file"""
    skip_lines: int = 0
    """lines before the header, or before the first row"""
    header: bool | None = None
    """whether a CSV file names its columns; None means yes, unless `columns` gives them by position"""
    columns: Mapping[SourceColumn, str | None] = field(default_factory=dict)
    """source column, by name (case is ignored) or position from zero → our column, or None to leave it out. A
    list names the columns of a file in order"""
    constants: Mapping[str, str] = field(default_factory=dict)
    """our column → its value in every row; '{name}' is replaced by that part of the file's name"""
    drop: tuple[str, ...] = ()
    """source columns to leave out"""
    extra: Literal["refuse", "ignore"] = "refuse"
    """columns that the contract does not know: pass them on, so that the write gate refuses them, or leave
    them out"""
    as_text: tuple[str, ...] = ()
    """string columns that may be filled from numbers of a Parquet or Feather file"""
    null_values: tuple[str, ...] = DEFAULT_NULLS
    """texts that mean null; in the symbol column only the empty text does"""
    nulls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """our column → further texts that mean null there, such as '0' where a quote has no bid"""
    divide: Mapping[str, str] = field(default_factory=dict)
    """our column → divisor, for integer prices; the quotient is rounded once, exactly"""
    multiply: Mapping[str, str] = field(default_factory=dict)
    """our column → factor"""
    symbol_case: Literal["keep", "upper", "lower"] = "keep"
    """how symbols are written"""
    time: TimeRule = TimeRule()
    """how the contract's time column is read"""
    times: Mapping[str, TimeRule] = field(default_factory=dict)
    """the same for further time columns, by our name"""

    @classmethod
    def load(cls, value: Recipe | Mapping[str, Any] | str | Path | None, /) -> Recipe:
        """Read a recipe from a dict, a .yaml or .toml file, or the name of a shipped one; None is automatic.

        Raises:
            ArgumentError: an unknown key or an impossible value.
            NotFoundError: no shipped recipe has that name.
            SourceError: the file can not be read.

        Examples:
            >>> Recipe.load({"columns": ["time", "open"], "divide": {"open": 10000}}).columns
            {0: 'time', 1: 'open'}
        """
        if value is None:
            return cls()
        if isinstance(value, Recipe):
            return value
        if isinstance(value, Mapping):
            return _recipe(value, "the recipe")
        return _recipe(load_document(value), f"recipe {str(value)!r}")

    @property
    def digest(self) -> str:
        """32 hex digits that change with anything in the recipe; fields at their default do not count."""
        text = json.dumps(_changed(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def headed(self) -> bool:
        """Whether a CSV file of this recipe starts with names."""
        if self.header is not None:
            return self.header
        return not self.columns or not all(isinstance(column, int) for column in self.columns)


def _recipe(document: Mapping[str, Any], where: str) -> Recipe:
    _check_keys(document, Recipe, where)
    values = {
        key: _READERS[key](value, f"{key} of {where}") for key, value in document.items() if value is not None
    }
    recipe = Recipe(**values)
    both = set(recipe.divide) & set(recipe.multiply)
    if both:
        raise ArgumentError(f"Columns {sorted(both)} of {where} are both divided and multiplied.")
    if recipe.delimiter == recipe.quote:
        raise ArgumentError(f"The delimiter and the quote of {where} are the same character.")
    return recipe


def _changed(value: Any) -> Any:
    """Return what differs from the defaults, so that a field added later does not change every digest."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = type(value)()
        names = [item.name for item in dataclasses.fields(value)]
        return {
            name: _changed(getattr(value, name))
            for name in names
            if getattr(value, name) != getattr(plain, name)
        }
    if isinstance(value, Mapping):
        return [[key, _changed(item)] for key, item in value.items()]
    return list(value) if isinstance(value, tuple) else value


def _check_keys(document: Mapping[str, Any], kind: type, where: str) -> None:
    known = [item.name for item in dataclasses.fields(kind)]
    for key in document:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=2, cutoff=0.5)
            raise ArgumentError(
                f"Unknown key {key!r} in {where}. Known: {', '.join(known)}.",
                hint=f"Did you mean {' or '.join(near)}?" if near else None,
            )


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ArgumentError(f"The {where} must be text; got {value!r}.")
    return value


def _character(value: Any, where: str) -> str:
    if len(_text(value, where)) != 1 or not value.isascii() or value in "\r\n":
        raise ArgumentError(f"The {where} must be one ASCII character; got {value!r}.")
    return str(value)


def _count(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ArgumentError(f"The {where} must be a whole number of at least 0; got {value!r}.")
    return value


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise ArgumentError(f"The {where} must be true or false; got {value!r}.")
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ArgumentError(f"The {where} must be a list; got {value!r}.")
    return tuple(_text(item, where) for item in value)


def _mapping(value: Any, where: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise ArgumentError(f"The {where} must map columns to values; got {value!r}.")
    return value


def _columns(value: Any, where: str) -> dict[SourceColumn, str | None]:
    pairs = _mapping(value, where).items() if not isinstance(value, list | tuple) else enumerate(value)
    columns: dict[SourceColumn, str | None] = {}
    for source, target in pairs:
        columns[_source_column(source, where)] = None if target in (None, "", "_") else _text(target, where)
    named = [target for target in columns.values() if target is not None]
    if len(set(named)) < len(named):
        raise ArgumentError(f"The {where} give two source columns one name: {sorted(named)}.")
    return columns


def _source_column(value: Any, where: str) -> SourceColumn:
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ArgumentError(
        f"The {where} name a source column by its name or its position from 0; got {value!r}."
    )


def _constants(value: Any, where: str) -> dict[str, str]:
    return {str(key): str(item) for key, item in _mapping(value, where).items()}


def _factors(value: Any, where: str) -> dict[str, str]:
    factors = {}
    for key, item in _mapping(value, where).items():
        if isinstance(item, bool) or not isinstance(item, int | float) or not 0 < item < float("inf"):
            raise ArgumentError(f"The {where} must be numbers above 0; got {item!r} for {key!r}.")
        factors[str(key)] = str(item)
    return factors


def _choice(*choices: str) -> Any:
    def read(value: Any, where: str) -> str:
        if value not in choices:
            raise ArgumentError(f"The {where} must be one of {', '.join(choices)}; got {value!r}.")
        return str(value)

    return read


def _time_rule(value: Any, where: str) -> TimeRule:
    document = _mapping(value, where)
    _check_keys(document, TimeRule, where)
    values = {
        key: _TIME_READERS[key](item, f"{key} of {where}")
        for key, item in document.items()
        if item is not None
    }
    return TimeRule(**values)


def _time_rules(value: Any, where: str) -> dict[str, TimeRule]:
    return {str(key): _time_rule(item, f"{where}, {key}") for key, item in _mapping(value, where).items()}


def _time_columns(value: Any, where: str) -> tuple[SourceColumn, ...]:
    many = value if isinstance(value, list | tuple) else [value]
    return tuple(_source_column(item, where) for item in many)


def _time_format(value: Any, where: str) -> str:
    if value in TIME_FORMATS or (isinstance(value, str) and "%" in value):
        return str(value)
    raise ArgumentError(
        f"The {where} must be one of {', '.join(TIME_FORMATS)}, or strptime codes; got {value!r}.",
        hint="Write strptime codes like '%Y%m%d %H:%M:%S.%f'.",
    )


_READERS = {
    "format": _choice("csv", "json", "parquet", "arrow", "dbn", "influx"),
    "files": _text,
    "entry": _text,
    "encoding": _text,
    "measurement": _text,
    "delimiter": _character,
    "quote": _character,
    "skip_lines": _count,
    "header": _flag,
    "columns": _columns,
    "constants": _constants,
    "drop": _texts,
    "extra": _choice("refuse", "ignore"),
    "as_text": _texts,
    "null_values": _texts,
    "nulls": lambda value, where: {
        str(key): _texts(item, where) for key, item in _mapping(value, where).items()
    },
    "divide": _factors,
    "multiply": _factors,
    "symbol_case": _choice("keep", "upper", "lower"),
    "time": _time_rule,
    "times": _time_rules,
}
_TIME_READERS = {
    "column": _time_columns,
    "format": _time_format,
    "time_zone": _text,
    "fold": _choice("earliest", "latest"),
    "base_date": lambda value, where: str(value),  # YAML reads an unquoted day as a date
    "date_as_of_time": _flag,
}
