"""Existing Delta tables, at one version: the log is read by deltalake, the data files as Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa

from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources.declaring import declare_table
from lakehouse.ingest.sources.files import SourceFile
from lakehouse.ingest.sources.formats.location import split_options
from lakehouse.ingest.sources.formats.partitions import PartitionedSource
from lakehouse.ingest.sources.partitioned import InstantRows
from lakehouse.ingest.sources.recipe import Recipe
from lakehouse.ingest.sources.remote import scheme_of, shown
from lakehouse.ingest.sources.rows import Rows
from lakehouse.ingest.sources.unpack import Payload
from lakehouse.store import open_store
from lakehouse.times import to_nanoseconds

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from lakehouse.catalog.contract import Contract

_UNREADABLE = ("columnMapping", "deletionVectors")
"""Features of a table whose data files do not hold its rows as they are."""
_TYPES = {"long": "int64", "integer": "int32", "short": "int16", "byte": "int8", "double": "float64"}
_TYPES |= {"float": "float32", "boolean": "bool", "date": "date", "timestamp": "timestamp[us]"}


@dataclass(frozen=True, slots=True)
class _Log:
    """What the log says about one version."""

    version: int
    """which one it is"""
    files: Mapping[str, Mapping[str, str | None]]
    """data file, as it is called on the disk → its partition columns"""
    types: Mapping[str, str]
    """partition column → type of ours"""
    schema: pa.Schema
    """columns of the table; a file that is older than a column lacks it"""
    instants: frozenset[str]
    """columns of Delta's type timestamp, which is UTC; files of Spark do not say so"""


class DeltaSource(PartitionedSource):
    """A Delta table at one version; each of its data files is one chunk.

    The files that a later version adds are further chunks, so a product is kept up to date by loading again.
    Rows that the table itself deleted or rewrote are not taken back, and a table that was compacted in
    between holds the same rows in other files: give the product a key, which tells them as duplicates. Tables
    with column mapping or deletion vectors are refused, for their files do not hold the rows as they are.

    Examples:
        >>> import deltalake, pyarrow, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> rows = pyarrow.table({"symbol": ["IBM"], "close": [161.14]})
        >>> deltalake.write_deltalake(folder, rows, partition_by=["symbol"])
        >>> DeltaSource(f"{folder}?version=0").symbols()
        ('IBM',)
    """

    def __init__(
        self,
        path: str | Path,
        recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
        *,
        version: int | str | datetime | None = None,
    ) -> None:
        """Read the log.

        Args:
            path: the table's folder or bucket prefix; `?version=3` behind it is the same as the argument.
            recipe: as for Parquet files.
            version: a number, or a time, which means the last version that was committed by then; None for
                the newest. Text and datetimes without an offset are UTC.

        Raises:
            ArgumentError: the version is neither a number nor a time.
            SourceError: there is no table or no such version, or its files do not hold its rows as they are.
        """
        place, options = split_options(path, ("version",))
        asked = options.get("version", version)
        super().__init__(place, recipe)
        self._log = _read_log(place, asked)
        self.version = self._log.version
        self.name = f"{self.name}?version={self.version}"

    def contract(self) -> Contract:
        """See `FileSource.contract`; told from the log, because an older file may lack a column."""
        return declare_table(self._log.schema.empty_table(), self.recipe)

    def _files(self) -> tuple[SourceFile, ...]:
        found = tuple(self._file(name) for name in sorted(self._log.files))
        if not found:
            raise SourceError(f"The Delta table {self.name} has no data files.")
        return found

    def _parts(self, name: str) -> Mapping[str, str] | None:
        return super()._parts(name) if name in self._log.files else None

    def _values(self, name: str) -> Mapping[str, str | None]:
        return self._log.files[name]

    def _types(self) -> Mapping[str, str]:
        return self._log.types

    def _rows(self, payload: Payload) -> Rows:
        return InstantRows(super()._rows(payload), self._log.instants)


def _read_log(place: str, asked: int | str | datetime | None) -> _Log:
    from deltalake.exceptions import DeltaError

    try:
        table = _at_version(place, asked)
        _check_readable(table, place)
        added = pa.RecordBatchReader.from_stream(table.get_add_actions(flatten=False))
        files = {row["path"]: row.get("partition") or {} for row in added.read_all().to_pylist()}
    except (DeltaError, OSError) as error:
        # What begins with '<' is the answer of a server, which may repeat a secret.
        reason = " ".join(str(error).partition("<")[0].split()).rstrip(".")
        raise SourceError(f"Can not read the Delta table {shown(place)}: {reason}.") from None
    outside = [path for path in files if "://" in path or path.startswith("/")]
    if outside:
        raise SourceError(
            f"The Delta table {shown(place)} has files outside its folder: {shown(outside[0])}."
        )
    kinds = {field.name: str(getattr(field.type, "type", "")) for field in table.schema().fields}
    types = {name: _TYPES.get(kinds[name], "string") for name in table.metadata().partition_columns}
    instants = frozenset(name for name, kind in kinds.items() if kind == "timestamp")
    named = {
        unquote(path): {key: _text(value) for key, value in columns.items()}
        for path, columns in files.items()
    }
    return _Log(table.version(), named, types, pa.schema(table.schema().to_arrow()), instants)


def _at_version(place: str, asked: int | str | datetime | None) -> DeltaTable:
    import deltalake

    number = int(asked) if isinstance(asked, str) and asked.isdecimal() else asked
    if isinstance(number, int) and not 0 <= number < 2**63:
        raise ArgumentError(f"Not a version: {number}.", hint="The versions of a table count from 0.")
    instant = None if number is None or isinstance(number, int) else _instant(number)
    address, options = _address(place)
    table = deltalake.DeltaTable(
        address, version=number if isinstance(number, int) else None, storage_options=options
    )
    if instant is None:
        return table
    older = [entry["version"] for entry in table.history() if entry["timestamp"] * 1_000_000 <= instant]
    if not older:
        raise SourceError(f"The Delta table {shown(place)} has no version as old as {asked}.")
    table.load_as_version(max(older))
    return table


def _address(place: str) -> tuple[str, dict[str, str] | None]:
    """Return where the table is, and how a bucket is reached: as a lake in it would be."""
    if scheme_of(place) == "s3":
        return place, open_store(place).connection() | {"max_retries": "3", "retry_timeout": "20s"}
    return (place if scheme_of(place) else str(Path(place).expanduser())), None


def _instant(asked: str | datetime) -> int:
    try:
        return to_nanoseconds(asked)
    except ArgumentError as error:
        raise ArgumentError(
            f"Not a version: {asked!r}.", hint="Give a number, or a time such as 2024-01-02T12:00."
        ) from error


def _check_readable(table: DeltaTable, place: str) -> None:
    features = [name for name in table.protocol().reader_features or () if name in _UNREADABLE]
    mapped = table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none"
    if features or mapped:
        raise SourceError(
            f"The Delta table {shown(place)} uses {', '.join(features or ['columnMapping'])}: "
            "its files do not hold its rows as they are.",
            hint="Copy it with an engine that knows them, or export it to Parquet.",
        )


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
