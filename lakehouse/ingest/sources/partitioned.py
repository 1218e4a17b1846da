"""Rows of which the table knows more than the file: `date=2024-01-02/part.parquet` has a column `date`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import unquote

import polars as pl
import pyarrow as pa

from lakehouse.ingest.sources.matching import SYMBOL_NAMES, normalise
from lakehouse.ingest.sources.rows import Rows, Wish
from lakehouse.schema import arrow_type

NULL = "__HIVE_DEFAULT_PARTITION__"
"""the folder of rows whose value is null"""


class PartitionedRows:
    """The rows of a file, and behind them one text column for each folder; the contract types it."""

    def __init__(
        self, rows: Rows, values: Mapping[str, str | None], types: Mapping[str, str] | None = None
    ) -> None:
        """Put the columns beside each other.

        Args:
            rows: of the file.
            values: name → value of every row.
            types: name → type of ours, for the contract; text for those that are not in it.
        """
        self._rows, self._values = rows, values
        self.textual = rows.textual
        self.names = (*rows.names, *values) if rows.names else ()
        self.arrow_schema: pa.Schema | None = None
        if rows.arrow_schema is not None:
            added = [pa.field(name, arrow_type((types or {}).get(name, "string"))) for name in values]
            self.arrow_schema = pa.schema([*rows.arrow_schema, *added])

    def columns(self, wishes: Mapping[int, Wish]) -> Mapping[int, pl.Series]:
        """See `Rows.columns`."""
        width = len(self._rows.names)
        inside: dict[int, Wish] = {position: wish for position, wish in wishes.items() if position < width}
        found = dict(self._rows.columns(inside or {0: "text"}))
        height = next(iter(found.values())).len()
        texts = list(self._values.values())
        for position in wishes:
            if position >= width:
                text = pl.Series([texts[position - width]], dtype=pl.String)
                found[position] = text.new_from_index(0, height)
        return found


class InstantRows:
    """Rows of which some times are UTC although their file does not say so: Spark writes them as INT96."""

    def __init__(self, rows: Rows, instants: Collection[str]) -> None:
        """Remember which columns are UTC."""
        self._rows, self._instants = rows, instants
        self.textual, self.names = rows.textual, rows.names
        fields = [self._in_utc(field) for field in rows.arrow_schema or ()]
        self.arrow_schema: pa.Schema | None = None if rows.arrow_schema is None else pa.schema(fields)

    def columns(self, wishes: Mapping[int, Wish]) -> Mapping[int, pl.Series]:
        """See `Rows.columns`."""
        found = dict(self._rows.columns(wishes))
        for position, series in found.items():
            naive = isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone is None
            if naive and self.names[position] in self._instants:
                found[position] = series.dt.replace_time_zone("UTC")
        return found

    def _in_utc(self, field: pa.Field) -> pa.Field:
        naive = pa.types.is_timestamp(field.type) and field.type.tz is None
        utc = naive and field.name in self._instants
        return field.with_type(pa.timestamp(field.type.unit, "UTC")) if utc else field


def folder_values(path: str) -> dict[str, str | None]:
    """Return the columns that the folders of a path give, in order.

    Examples:
        >>> folder_values("symbol=BRK%2FB/date=2024-01-02/part-0.parquet")
        {'symbol': 'BRK/B', 'date': '2024-01-02'}
    """
    pairs = [segment.partition("=") for segment in path.split("/")[:-1] if "=" in segment]
    return {unquote(key): None if value == NULL else unquote(value) for key, _, value in pairs if key}


def folder_types(paths: Iterable[str]) -> dict[str, str]:
    """Return the type of each folder column: date or int64 where all values are written so, else string.

    Examples:
        >>> folder_types(["year=2024/venue=N/0.parquet", "year=2025/venue=7/0.parquet"])
        {'year': 'int64', 'venue': 'string'}
    """
    texts: dict[str, list[str]] = {}
    for path in paths:
        for name, value in folder_values(path).items():
            texts.setdefault(name, []).extend([value] if value is not None else [])
    return {name: _type_of(name, values) for name, values in texts.items()}


def _type_of(name: str, values: list[str]) -> str:
    if normalise(name) in SYMBOL_NAMES or not values:
        return "string"
    kinds = (("date", r"\d{4}-\d{2}-\d{2}"), ("int64", r"0|-?[1-9]\d{0,17}"))
    return next((kind for kind, form in kinds if all(re.fullmatch(form, text) for text in values)), "string")


def symbol_part(values: Mapping[str, str | None]) -> dict[str, str]:
    """Return the folder that tells the symbol of a whole file, as a part of its name."""
    found = [value for key, value in values.items() if normalise(key) in SYMBOL_NAMES and value]
    return {"symbol": found[0]} if len(found) == 1 else {}
