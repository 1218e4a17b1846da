"""Arrow columns as plain values: for JSON, and for the cells of tables.

NOTE: pyarrow turns a nanosecond time into Python only with the help of pandas, so times are made from their
integers.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.names import ProductName
from lakehouse.times import to_iso

if TYPE_CHECKING:
    import pyarrow as pa

_NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


def column_values(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """Return the values of a column: None, bool, int, float (NaN stays), str, list or dict.

    Times and dates become ISO 8601 text, a time without a zone as UTC; durations and intervals become
    seconds and text; a decimal becomes int where it is whole and float elsewhere; bytes become hex digits.

    Examples:
        >>> import pyarrow as pa
        >>> column_values(pa.array([0, None]).cast(pa.timestamp("ns")))
        ['1970-01-01T00:00:00Z', None]
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return column_values(column.cast(kind.value_type))
    if isinstance(kind, pa.BaseExtensionType):
        return column_values(column.cast(kind.storage_type))
    if pa.types.is_timestamp(kind):
        return [_instant(value, kind.unit) for value in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_duration(kind):
        scale = _NANOSECONDS[kind.unit] / 1e9
        return [None if value is None else value * scale for value in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_time(kind):
        return column_values(column.cast(pa.string()))
    if pa.types.is_nested(kind) and not pa.types.is_union(kind):
        return _nested(column)
    if pa.types.is_float32(kind):
        return _shortest(column)
    return [_plain(value) for value in column.to_pylist()]


def json_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows of a table; NaN and the infinities, which JSON lacks, become None.

    A column name that repeats an earlier one gets a number: `close`, `close_2`.
    """
    columns = [[_finite(value) for value in column_values(column)] for column in table.columns]
    names = _distinct(table.column_names)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def csv_text(table: pa.Table) -> str:
    """Return a table as CSV with a header, in full; null is empty, times are ISO 8601 UTC."""
    import csv
    import io

    sink = io.StringIO()
    writer = csv.writer(sink, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    writer.writerow(table.column_names)
    columns = [[_csv_cell(value) for value in column_values(column)] for column in table.columns]
    writer.writerows(zip(*columns, strict=True))
    return sink.getvalue().rstrip("\n")


def to_json(value: Any) -> Any:
    """Return what `json` does not know as what it knows: results, dataclasses, names and paths.

    Raises:
        TypeError: the value has no JSON form.
    """
    if hasattr(value, "to_arrow"):
        return json_rows(value.to_arrow())
    if isinstance(value, ProductName | Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _csv_cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def _instant(value: int | None, unit: str) -> str | None:
    if value is None:
        return None
    try:
        return to_iso(value * _NANOSECONDS[unit])
    except OverflowError:  # after the year 9999, or before the year 1
        return f"{value} {unit} since 1970"


def _nested(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """Return lists, maps and structs; the leaves go through `column_values`."""
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # pyarrow combines to chunks where one array can not hold all
        return [value for chunk in array.chunks for value in _nested(chunk)]
    valid = array.is_valid().to_pylist()
    if pa.types.is_struct(array.type):
        names = [array.type.field(index).name for index in range(array.type.num_fields)]
        leaves = [column_values(leaf) for leaf in array.flatten()]
        rows = zip(*leaves, strict=True) if leaves else [()] * len(array)
        return [
            dict(zip(names, row, strict=True)) if good else None
            for row, good in zip(rows, valid, strict=True)
        ]
    lengths = [len(item) if item.is_valid else 0 for item in array]
    items = iter(column_values(array.flatten()))
    return [
        [next(items) for _ in range(count)] if good else None
        for count, good in zip(lengths, valid, strict=True)
    ]


def _shortest(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """Return float32 values as the shortest decimals that read back the same: 1.1, not 1.10000002."""
    import numpy as np

    return [None if value is None else float(str(np.float32(value))) for value in column.to_pylist()]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "as_integer_ratio"):  # a decimal
        return int(value) if value == value.to_integral_value() else float(value)
    if hasattr(value, "nanoseconds"):  # an interval of DuckDB
        return f"{value.months} months {value.days} days {value.nanoseconds / 1e9:.9g} s"
    return str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return value


def _distinct(names: list[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        rank, unique = 1, name
        while unique in found:
            rank += 1
            unique = f"{name}_{rank}"
        found.append(unique)
    return found
