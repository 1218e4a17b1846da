"""Hive-partitioned files: columns in the names of folders, `symbol=IBM/date=2024-01-02/part-0.parquet`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from lakehouse.ingest.sources.formats.partitions import PartitionedSource
from lakehouse.ingest.sources.partitioned import folder_types, folder_values

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract


class HiveSource(PartitionedSource):
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

    _named_types: Mapping[str, str] = MappingProxyType({})

    def contract(self) -> Contract | None:
        """See `FileSource.contract`; a folder column is a date or a whole number if all its folders are."""
        self._named_types = folder_types(self.file_names())
        return super().contract()

    def _values(self, name: str) -> Mapping[str, str | None]:
        return folder_values(name)

    def _types(self) -> Mapping[str, str]:
        return self._named_types
