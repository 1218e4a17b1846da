"""Hive-partitioned files: columns in the names of folders, `symbol=IBM/date=2024-01-02/part-0.parquet`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lakehouse.ingest.sources.files import FileSource, SourceFile
from lakehouse.ingest.sources.partitioned import PartitionedRows, folder_types, folder_values, symbol_part
from lakehouse.ingest.sources.rows import Rows
from lakehouse.ingest.sources.unpack import Payload

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract


class HiveSource(FileSource):
    r"""Files in folders that give columns a value, `date=2024-01-02/`; the contract types them.

    Folders below the location count, not the location itself. Their names are percent-decoded, and
    `__HIVE_DEFAULT_PARTITION__` is null. A folder column that the contract does not know is an extra column
    like any other: leave it out by the recipe, `drop: [date]`.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> from pathlib import Path
        >>> with TemporaryDirectory() as folder:
        ...     for symbol in ("IBM", "BRK%2FB"):
        ...         Path(folder, f"symbol={symbol}").mkdir()
        ...         _ = Path(folder, f"symbol={symbol}", "0.csv").write_text("date,close\n2024-01-02,1.5\\n")
        ...     HiveSource(folder).symbols()
        ('BRK/B', 'IBM')
    """

    _types: Mapping[str, str] | None = None

    def contract(self) -> Contract | None:
        """See `FileSource.contract`; a folder column is a date or a whole number if all its folders are."""
        self._types = folder_types(self.file_names())
        return super().contract()

    def _parts(self, name: str) -> Mapping[str, str] | None:
        parts = super()._parts(name)
        return None if parts is None else {**symbol_part(folder_values(name)), **parts}

    def _open(self, file: SourceFile, payload: Payload) -> Rows:
        return PartitionedRows(super()._open(file, payload), folder_values(file.name), self._types)
