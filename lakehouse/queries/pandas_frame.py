"""From an Arrow table to a pandas frame in which nothing is rounded."""

from __future__ import annotations

import difflib
import zoneinfo
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.errors import ArgumentError, MissingExtraError

if TYPE_CHECKING:
    from types import ModuleType

    import pandas as pd

_TIME_NS = pa.time64("ns")
"""the one type that pandas' own types would round"""


def to_pandas(table: pa.Table, *, time: str | None, time_zone: str | None) -> pd.DataFrame:
    """Return the columns in order, over a plain index; `Result.to_pandas` says what becomes of each type.

    Args:
        table: any.
        time: the time column, in UTC even if its type names no zone; other times without a zone stay so.
        time_zone: zone in which instants show; None gives UTC without a zone.

    Raises:
        ArgumentError: the time zone is unknown.
        MissingExtraError: pandas is not installed.
    """
    check_time_zone(time_zone)
    columns = [
        _settle(column, time_zone, is_time=name == time)
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    settled = pa.Table.from_arrays(columns, names=table.column_names)
    rounded = [at for at, column in enumerate(columns) if column.null_count and _is_whole(column.type)]
    plain = [at for at in range(len(columns)) if at not in rounded]
    frame = _frame(settled.select(plain), table.num_rows)
    nullable = _nullable_types()
    for at in rounded:
        values = columns[at].to_pandas(types_mapper=nullable.get)
        frame.insert(at, table.column_names[at], values, allow_duplicates=True)
    return frame


def check_time_zone(name: str | None) -> None:
    """Raise unless `name` is a time zone of the IANA database, or None.

    Raises:
        ArgumentError: it is not; with the nearest names.
    """
    try:
        if name is not None:
            zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        near = difflib.get_close_matches(str(name), sorted(zoneinfo.available_timezones()), n=3)
        hint = f"Did you mean {' or '.join(near)}?" if near else "Use a name such as 'America/New_York'."
        raise ArgumentError(f"Unknown time zone {name!r}.", hint=hint) from error


def _settle(column: pa.ChunkedArray, time_zone: str | None, *, is_time: bool) -> pa.ChunkedArray:
    """Return the column in the type that pandas converts without loss, instants in the zone asked for."""
    kind = column.type
    if pa.types.is_timestamp(kind) and (kind.tz or is_time):
        return column.cast(pa.timestamp(kind.unit, time_zone))
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("us"))
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type)
    return column


def _is_whole(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def _frame(table: pa.Table, rows: int) -> pd.DataFrame:
    pandas = _import_pandas()
    if table.num_columns:
        frame: pd.DataFrame = table.to_pandas(types_mapper={_TIME_NS: pandas.ArrowDtype(_TIME_NS)}.get)
    else:  # a table without columns forgets how many rows it has
        frame = pandas.DataFrame(index=pandas.RangeIndex(rows))
    return frame


def _nullable_types() -> dict[pa.DataType, object]:
    pandas = _import_pandas()
    return {
        pa.bool_(): pandas.BooleanDtype(),
        pa.int8(): pandas.Int8Dtype(),
        pa.int16(): pandas.Int16Dtype(),
        pa.int32(): pandas.Int32Dtype(),
        pa.int64(): pandas.Int64Dtype(),
        pa.uint8(): pandas.UInt8Dtype(),
        pa.uint16(): pandas.UInt16Dtype(),
        pa.uint32(): pandas.UInt32Dtype(),
        pa.uint64(): pandas.UInt64Dtype(),
    }


def _import_pandas() -> ModuleType:
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError.of("pandas", "pandas") from error
    return pandas
