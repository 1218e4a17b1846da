"""A lazy answer: nothing is read before it is asked for, and then it streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any

import pyarrow as pa

from lakehouse.partitions.arrays import empty_table
from lakehouse.queries.operations import Operation, run, schema_of
from lakehouse.queries.result import Result
from lakehouse.queries.sources import input_of


class Computation:
    """Rows that are computed when they are read; each reading computes them anew.

    polars, DuckDB, pandas and pyarrow take it as it is, through the Arrow C stream.
    """

    def __init__(
        self,
        name: str,
        schema: pa.Schema,
        tables: Callable[[], Iterator[pa.Table]],
        *,
        symbol: str | None = None,
        time: str | None = None,
    ) -> None:
        """Take how to compute.

        Args:
            name: of the function, for people.
            schema: of the rows.
            tables: gives the rows in order, in tables of the schema.
            symbol: the column that holds the symbol.
            time: the column that orders the rows of a symbol, in UTC.
        """
        self._name, self._schema, self._tables = name, schema, tables
        self._symbol, self._time = symbol, time

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the rows."""
        return self._schema

    def read(self) -> Result:
        """Compute all rows.

        Raises:
            IntegrityError: a data file is missing or altered.
            MissingExtraError: the rows are many, and numba is not installed.
        """
        tables = list(self._tables())
        table = pa.concat_tables(tables) if tables else empty_table(self._schema)
        return Result(table, symbol=self._symbol, time=self._time)

    def to_reader(self) -> pa.RecordBatchReader:
        """Stream the rows as they are computed; memory stays bounded, however many there are."""
        batches = (batch for table in self._tables() for batch in table.to_batches())
        return pa.RecordBatchReader.from_batches(self._schema, batches)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Stream to polars, DuckDB, pandas, pyarrow and their kin."""
        return self.to_reader().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        """Name the question; reads nothing."""
        return f"<Computation {self._name}: {', '.join(self._schema.names)}>"


def compute(
    name: str, operation: Operation, rows: Any, *, time: str | None = None, executor: Executor | None = None
) -> Computation:
    """Return the lazy result of an operation.

    Args:
        name: of the function, for people.
        operation: what to do with the rows of each symbol.
        rows: a scan, a product, a result, or anything that hands out an Arrow stream.
        time: the column of the result that orders it; None for the one of the rows.
        executor: whose tasks do the work; None for threads of this process.
    """
    source = input_of(rows)
    schema = schema_of(operation, source)
    return Computation(
        name,
        schema,
        lambda: run(operation, source, executor=executor),
        symbol=source.symbol,
        time=time or source.time,
    )
