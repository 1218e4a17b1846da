"""Parquet and Feather (Arrow IPC): columns that have types of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import pyarrow as pa
from pyarrow import parquet

from lakehouse.errors import SourceError
from lakehouse.ingest.sources.rows import Wish
from lakehouse.ingest.sources.unpack import Payload

_DAMAGED = (pa.ArrowException, OSError, UnicodeDecodeError)
"""what pyarrow raises for files that are not whole; the last one for names"""


class ParquetRows:
    """The rows of a Parquet file; only the columns asked for are decoded."""

    textual = False

    def __init__(self, payload: Payload) -> None:
        """Read the footer.

        Raises:
            SourceError: the file is truncated or damaged.
        """
        self._label = payload.label
        try:
            self._file = parquet.ParquetFile(pa.BufferReader(payload.data))
            self.arrow_schema: pa.Schema | None = self._file.schema_arrow
            self.names = tuple(self._file.schema_arrow.names)
        except _DAMAGED as error:
            raise _damaged(self._label, "Parquet", error) from error

    def columns(self, wishes: Mapping[int, Wish]) -> Mapping[int, pl.Series]:
        """See `Rows.columns`; types are those of the file."""
        names = [self.names[position] for position in wishes]
        try:
            table = self._file.read(columns=names)
            table.validate(full=True)
        except _DAMAGED as error:
            raise _damaged(self._label, "Parquet", error) from error
        return {position: _series(table, self.names[position], self._label) for position in wishes}


class TableRows:
    """The rows of an Arrow table, such as a library gives them."""

    textual = False

    def __init__(self, table: pa.Table, label: str) -> None:
        self._label = label
        self._table = table
        self.arrow_schema: pa.Schema | None = table.schema
        self.names = tuple(table.schema.names)

    def columns(self, wishes: Mapping[int, Wish]) -> Mapping[int, pl.Series]:
        """See `Rows.columns`; types are those of the file."""
        return {position: _series(self._table, self.names[position], self._label) for position in wishes}


def arrow_rows(payload: Payload) -> TableRows:
    """Return the rows of a Feather (version 2) or Arrow IPC file.

    Raises:
        SourceError: the file is truncated or damaged.
    """
    try:
        table = pa.ipc.open_file(pa.BufferReader(payload.data)).read_all()
        table.validate(full=True)  # else texts whose offsets are damaged end the process, where they are read
        return TableRows(table, payload.label)
    except _DAMAGED as error:
        raise _damaged(payload.label, "Feather or Arrow IPC", error) from error


def _series(table: pa.Table, name: str, label: str) -> pl.Series:
    if table.schema.names.count(name) > 1:
        raise SourceError(f"{label} has several columns called {name!r}.")
    column = table.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        return pl.Series(column)
    except (pl.exceptions.PolarsError, TypeError, ValueError, NotImplementedError) as error:
        raise SourceError(
            f"{label}, column {name!r} holds {column.type}, which is no cell of a table."
        ) from error


def _damaged(label: str, kind: str, error: Any) -> SourceError:
    reason = str(error).splitlines()[0].rstrip(".")
    return SourceError(
        f"{label} is a truncated or damaged {kind} file: {reason}.", hint="Fetch the file again."
    )
