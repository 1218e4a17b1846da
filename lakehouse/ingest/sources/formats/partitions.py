"""What Hive folders and Delta tables share: files to which the table adds columns of one value."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import date

from lakehouse.ingest.sources.files import FileSource, SourceFile
from lakehouse.ingest.sources.partitioned import PartitionedRows, symbol_part
from lakehouse.ingest.sources.reading import open_rows
from lakehouse.ingest.sources.rows import Rows
from lakehouse.ingest.sources.unpack import Payload
from lakehouse.schema import TableSchema
from lakehouse.times import NS_PER_DAY, Interval


class PartitionedSource(FileSource):
    """Files whose symbol, day and further columns are known before they are read."""

    @abstractmethod
    def _values(self, name: str) -> Mapping[str, str | None]:
        """Return the columns that the table gives to the rows of a file, as text."""

    def _types(self) -> Mapping[str, str]:
        """Return the types of such columns in a contract; those that are missing are text."""
        return {}

    def _parts(self, name: str) -> Mapping[str, str] | None:
        parts = super()._parts(name)
        return None if parts is None else {**symbol_part(self._values(name)), **parts}

    def _open(self, file: SourceFile, payload: Payload) -> Rows:
        return PartitionedRows(self._rows(payload), self._values(file.name), self._types())

    def _rows(self, payload: Payload) -> Rows:
        """Open the rows of a file as they are."""
        return open_rows(payload, self.recipe)

    def _day_span(self, file: SourceFile, schema: TableSchema) -> Interval | None:
        """Return the day of all rows of a file, where the contract's time is a date that a folder gives."""
        text = self._values(file.name).get(schema.time or "")
        if not text or schema.time is None or schema[schema.time].type != "date":
            return super()._day_span(file, schema)
        try:
            start = (date.fromisoformat(text) - date(1970, 1, 1)).days * NS_PER_DAY
        except ValueError:
            return None  # planned like any other; reading it keeps the text
        return Interval(start, start + NS_PER_DAY)
