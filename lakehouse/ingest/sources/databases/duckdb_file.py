"""A DuckDB file, opened read only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse.ingest.sources.databases.address import Address
from lakehouse.ingest.sources.databases.engine import BATCH_ROWS, Guard

_CONFIG: dict[str, Any] = {
    "autoinstall_known_extensions": False,  # a read never downloads code
    "python_enable_replacements": False,  # a table that is missing is no variable of ours
}


class DuckdbEngine:
    """See `Engine`."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def mark(self, position: int) -> str:
        """See `Engine.mark`."""
        return f"${position}"

    def seconds(self, column: str) -> str:
        """See `Engine.seconds`."""
        return f"epoch({column})"

    def columns(self, relation: str) -> pa.Schema:
        """See `Engine.columns`."""
        return next(self.batches(f"select * from {relation} limit 0", ())).schema

    def batches(self, sql: str, parameters: Sequence[Any]) -> Iterator[pa.Table]:
        """See `Engine.batches`."""
        import duckdb

        there = Path(self._address.target).exists()
        guard = Guard(
            self._address, duckdb.Error, lambda error: there and isinstance(error, duckdb.IOException)
        )
        return guard.watch(lambda: self._rows(sql, parameters))

    def _rows(self, sql: str, parameters: Sequence[Any]) -> Iterator[pa.Table]:
        import duckdb

        with duckdb.connect(self._address.target, read_only=True, config=_CONFIG) as connection:
            reader = connection.sql(sql, params=list(parameters)).to_arrow_reader(BATCH_ROWS)
            empty = True
            for batch in reader:
                empty = False
                yield pa.Table.from_batches([batch])
            if empty:
                yield reader.schema.empty_table()
