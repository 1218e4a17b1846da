"""Take frames as they come: pandas, polars, Arrow, or anything with the Arrow C stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from lakehouse.errors import LakehouseError, SchemaError

_REFUSALS = (pa.ArrowException, TypeError, ValueError, ArithmeticError)
"""what pyarrow raises for values that it can not hold; `UnicodeError` is a ValueError"""


def to_table(frame: Any) -> pa.Table:
    """Return a frame as an Arrow table, without changing a value or the order of rows.

    A named pandas index becomes a column. In pandas, NaN is the sign for a missing value, so it becomes
    null; in every other frame NaN stays NaN.

    Raises:
        SchemaError: it is no frame, it fails when it is read, its names are not unique, or it holds objects
            that Arrow can not hold.
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
        frame = _run("lazy frame", frame.collect)
    if hasattr(frame, "__arrow_c_stream__"):
        return _run("Arrow stream", lambda: pa.RecordBatchReader.from_stream(frame).read_all())
    if isinstance(frame, Mapping):
        return _from_mapping(frame)
    raise SchemaError(
        f"Can not take a {type(frame).__name__} as a frame.",
        hint="Give a pandas or polars frame, an Arrow table or reader, or a mapping of names to arrays.",
    )


def _run(kind: str, step: Callable[[], Any]) -> Any:
    """Run the caller's own plan or stream, which may fail with anything at all."""
    try:
        return step()
    except (LakehouseError, MemoryError):
        raise
    except Exception as error:
        raise SchemaError(
            f"The {kind} failed while it was read: {type(error).__name__}: {_first_line(error)}",
            hint="Collect it before the write, to see the failure where it arises; nothing was written.",
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


def _from_pandas(frame: Any) -> pa.Table:
    if not hasattr(frame, "columns"):
        raise SchemaError("Got a pandas Series.", hint="Give a DataFrame: series.to_frame().reset_index().")
    named = [name for name in frame.index.names if name is not None]
    _check_unique([*named, *frame.columns])
    try:
        flat = frame.reset_index(level=named) if named else frame
        return pa.Table.from_pandas(flat, preserve_index=False).replace_schema_metadata(None)
    except _REFUSALS as error:
        raise SchemaError(
            f"The pandas frame has a column of mixed types, or of values that Arrow can not hold: "
            f"{_first_line(error)}",
            hint="Give each column one plain type: frame.astype({...}); text must be valid Unicode.",
        ) from error


def _check_unique(names: list[Any]) -> None:
    """Refuse pandas names that stand for two columns, or for a column and a level of the index."""
    doubled = sorted(repr(name) for name, count in Counter(names).items() if count > 1)
    if doubled:
        raise SchemaError(
            f"The pandas frame has more than one column or index level named {', '.join(doubled)}.",
            hint="Rename one, or drop the index: frame.reset_index(drop=True).",
        )


def _from_mapping(frame: Mapping[str, Any]) -> pa.Table:
    try:
        return pa.table(dict(frame))
    except _REFUSALS as error:
        raise SchemaError(
            f"The mapping is no frame: {_first_line(error)}",
            hint="Give names as text, and arrays of equal length, each of one plain type.",
        ) from error


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
