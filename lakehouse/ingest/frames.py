"""Take frames as they come: pandas, polars, Arrow, or anything with the Arrow C stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lakehouse.errors import SchemaError


def to_table(frame: Any) -> pa.Table:
    """Return a frame as an Arrow table, without changing a value or the order of rows.

    A named pandas index becomes a column. In pandas, NaN is the sign for a missing value, so it becomes
    null; in every other frame NaN stays NaN.

    Raises:
        SchemaError: it is no frame, or pandas holds objects of mixed types.
    """
    return _without_views(_any_table(frame))


def _any_table(frame: Any) -> pa.Table:
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    if type(frame).__module__.split(".")[0] == "pandas":
        return _from_pandas(frame)
    if hasattr(frame, "collect") and not hasattr(frame, "__arrow_c_stream__"):  # a polars LazyFrame
        frame = frame.collect()
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(frame).read_all()
    if isinstance(frame, Mapping):
        return _from_mapping(frame)
    raise SchemaError(
        f"Can not take a {type(frame).__name__} as a frame.",
        hint="Give a pandas or polars frame, an Arrow table or reader, or a mapping of names to arrays.",
    )


def _from_pandas(frame: Any) -> pa.Table:
    if not hasattr(frame, "columns"):
        raise SchemaError("Got a pandas Series.", hint="Give a DataFrame: series.to_frame().reset_index().")
    named = [name for name in frame.index.names if name is not None]
    flat = frame.reset_index(level=named) if named else frame
    try:
        return pa.Table.from_pandas(flat, preserve_index=False).replace_schema_metadata(None)
    except (pa.ArrowException, TypeError) as error:
        raise SchemaError(
            f"The pandas frame has a column of mixed types: {str(error).splitlines()[0]}"
        ) from error


def _from_mapping(frame: Mapping[str, Any]) -> pa.Table:
    try:
        return pa.table(dict(frame))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise SchemaError(f"The mapping is no frame: {str(error).splitlines()[0]}") from error


def _without_views(table: pa.Table) -> pa.Table:
    """Store text flat: pyarrow has no `take` for the string views that polars hands over."""
    fields = [
        field.with_type(pa.large_string()) if pa.types.is_string_view(field.type) else field
        for field in table.schema
    ]
    return (
        table.cast(pa.schema(fields))
        if any(pa.types.is_string_view(field.type) for field in table.schema)
        else table
    )
