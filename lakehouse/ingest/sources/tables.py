"""Rows that a library gives as Arrow, in the form in which a source gives them on."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from lakehouse.ingest.sources.base import Chunk
from lakehouse.ingest.sources.columnar import TableRows
from lakehouse.ingest.sources.cutting import in_order, inside
from lakehouse.ingest.sources.reading import FileName, read_rows, to_arrow
from lakehouse.ingest.sources.recipe import Recipe
from lakehouse.schema import TableSchema

if TYPE_CHECKING:
    import pyarrow as pa


def fit_table(
    table: pa.Table,
    schema: TableSchema,
    chunk: Chunk,
    *,
    label: str,
    recipe: Recipe | None = None,
    symbol: str | None = None,
) -> pa.Table:
    """Return the rows of a chunk as `Source.read` has to give them.

    Args:
        table: any columns, matched as those of a Parquet file; row order is kept.
        schema: the contract's.
        chunk: rows outside its interval and symbols are left out.
        label: what the table is called in messages.
        recipe: how to read it, where the names of its columns do not say it.
        symbol: of every row, where the table has no symbol column; one that it has must be equal.

    Raises:
        SourceError: a column is missing, or its type is none of the contract's.

    Examples:
        >>> import pyarrow as pa
        >>> from lakehouse.schema import Column
        >>> from lakehouse.times import Interval
        >>> columns = (Column("symbol", "string", nullable=False), Column("close", "float64"))
        >>> schema = TableSchema(columns, symbol="symbol")
        >>> chunk = Chunk("", "IBM", Interval(), ("rows",), 0)
        >>> fit_table(pa.table({"Close": [1.5]}), schema, chunk, label="rows", symbol="IBM").to_pylist()
        [{'symbol': 'IBM', 'close': 1.5}]
    """
    name = FileName({}, symbol, symbol or "")
    frame = read_rows(TableRows(table, label), label, name, schema, recipe or Recipe())
    return to_arrow(in_order(inside(frame, schema, chunk), schema), schema)


def identity(*parts: Any) -> str:
    """Return the 32 hex digits of a chunk's id from whatever the chunk depends on: JSON values, in order.

    Examples:
        >>> identity("arctic/1", "IBM", 3) == identity("arctic/1", "IBM", 3)
        True
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
