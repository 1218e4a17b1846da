"""One row at a time, exactly as the gate would take it: values of the types that are seen in a feed, quickly.

A row is judged by the types of its values, which are the same from row to row: for each combination there is
a plan of what to convert. What has no plan, or does not fit, goes the way of every frame through the gate,
which takes it or says what is wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.errors import SchemaError
from lakehouse.times import to_nanoseconds

if TYPE_CHECKING:
    from lakehouse.schema import TableSchema

Convert = Callable[[Any], Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_FLOAT32 = struct.Struct("<f")
_EXACT = 2**53
_INTEGERS = ("int8", "int16", "int32", "int64")


class MisfitError(Exception):
    """A value that only the gate can judge."""


class RowReader:
    """Turns mappings into values in stored types, in the order of the columns; safe to share."""

    def __init__(self, schema: TableSchema) -> None:
        self._schema = schema
        self._names = schema.names
        self._known = frozenset(schema.names)
        self._kinds = [column.type for column in schema.columns]
        self._plans: dict[tuple[type, ...], list[tuple[int, Convert]] | None] = {}

    def read(self, row: Mapping[str, Any]) -> list[Any] | None:
        """Return the stored values of a row; None where only the gate can tell.

        Integers that are too large for their column, and text that is not valid Unicode, are left to
        `RowFormat.pack`, which does not take them.

        Times are nanoseconds since 1970 as int, or datetimes with a zone; columns that are left out are null.
        """
        if len(row) == len(self._names):
            try:
                values = [row[name] for name in self._names]
            except KeyError:
                return None
        elif row.keys() <= self._known:
            values = [row.get(name) for name in self._names]
        else:
            return None
        types = tuple(map(type, values))
        plan = self._plans[types] if types in self._plans else self._make_plan(types)
        if plan is None:
            return None
        try:
            for place, convert in plan:
                values[place] = convert(values[place])
        except (MisfitError, OverflowError):
            return None
        return values

    def _make_plan(self, types: tuple[type, ...]) -> list[tuple[int, Convert]] | None:
        steps = []
        for place, (kind, given) in enumerate(zip(self._kinds, types, strict=True)):
            if given is type(None):
                continue
            convert = _CONVERSIONS.get((kind, given))
            if convert is None:
                self._plans[types] = None
                return None
            if convert is not _as_it_is:
                steps.append((place, convert))
        self._plans[types] = steps
        return steps


def holds_columns(row: Mapping[str, Any]) -> bool:
    """Say whether a mapping is a frame, whose values are columns, and not a row."""
    return any(hasattr(value, "__len__") and not isinstance(value, str | bytes) for value in row.values())


def as_frame(row: Mapping[str, Any], schema: TableSchema) -> pa.Table:
    """Return a row as a frame for the gate; numbers that stand for times are nanoseconds.

    Raises:
        SchemaError: a name is no text, or a value can not be held by Arrow.
    """
    times = {column.name for column in schema.columns if column.type.startswith("timestamp")}
    columns = {}
    for name, value in row.items():
        if not isinstance(name, str):
            raise SchemaError(f"A row names its columns as text, got {name!r:.200}.")
        try:
            columns[name] = _times(value) if name in times and _is_instant(value) else pa.array([value])
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            reason = str(error).splitlines()[0]
            raise SchemaError(
                f"Column {name!r} got {value!r:.200}, which is no value of a row: {reason}",
                hint="Give text, numbers, booleans, dates and times with a zone; for many rows give a frame.",
            ) from error
    return pa.table(columns)


def stored_rows(rows: pa.Table | pa.RecordBatch) -> list[list[Any]]:
    """Return the rows of a table in stored types, each as `RowReader.read` would."""
    columns = [_stored_values(column) for column in rows.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _stored_values(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_timestamp(column.type) or pa.types.is_date32(column.type):
        column = column.view(pa.int64() if pa.types.is_timestamp(column.type) else pa.int32())
    values: list[Any] = column.to_pylist()
    return values


def _is_instant(value: object) -> bool:
    """Say whether a value means a nanosecond that Arrow would not see: an int, or a time of pandas."""
    if type(value) is datetime:
        return False
    return type(value) is int or (isinstance(value, datetime) and value.tzinfo is not None)


def _times(value: Any) -> pa.Array:
    return pa.array([to_nanoseconds(value)], pa.int64()).cast(pa.timestamp("ns", "UTC"))


def _as_it_is(value: Any) -> Any:
    return value


def _exact(value: int) -> float:
    if not -_EXACT <= value <= _EXACT:
        raise MisfitError
    return float(value)


def _single(value: float) -> float:
    if value == value and _FLOAT32.unpack(_FLOAT32.pack(value))[0] != value:
        raise MisfitError
    return value


def _single_whole(value: int) -> float:
    if not -(2**24) <= value <= 2**24:
        raise MisfitError
    return float(value)


def _nanoseconds(value: datetime) -> int:
    return _microseconds(value) * 1_000


def _microseconds(value: datetime) -> int:
    if value.tzinfo is None:
        raise MisfitError
    since = value - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _microseconds_of(value: int) -> int:
    whole, rest = divmod(value, 1_000)
    if rest:
        raise MisfitError
    return whole


def _day(value: date) -> int:
    return value.toordinal() - _EPOCH_DAY


_CONVERSIONS: dict[tuple[str, type], Convert] = {
    ("bool", bool): _as_it_is,
    ("string", str): _as_it_is,
    ("float64", float): _as_it_is,
    ("float64", int): _exact,
    ("float32", float): _single,
    ("float32", int): _single_whole,
    ("date", date): _day,
    ("timestamp[ns]", int): _as_it_is,
    ("timestamp[ns]", datetime): _nanoseconds,
    ("timestamp[us]", int): _microseconds_of,
    ("timestamp[us]", datetime): _microseconds,
    **{(kind, int): _as_it_is for kind in _INTEGERS},
}
