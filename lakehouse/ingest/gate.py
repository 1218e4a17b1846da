"""The exact gate: no value is rounded, cut, parsed or guessed on its way into the lake.

The writer below would turn 1.7 into 1, "2.5" into 2.5 and nanoseconds into microseconds without a word. So
each column is converted here, and each value that would not come back equal is reported. What is allowed:

| contract | accepts | refuses |
|---|---|---|
| bool | bool | everything else |
| int8 … int64 | integers in range; floats that are whole numbers in range | fractions, NaN, text, bool |
| float64, float32 | floats that come back equal; integers up to 2^53 (2^24) | larger integers, text, bool |
| string | text, dictionary-encoded text | numbers, times |
| date | dates; times at midnight, without a zone or in UTC | other times, text |
| timestamp[ns], [us] | times with a zone; naive ones with `time_zone=` | dates, text, finer fractions |
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import ArgumentError, SchemaError
from lakehouse.partitions.arrays import integers
from lakehouse.partitions.sorting import Symbols
from lakehouse.partitions.threads import workers
from lakehouse.schema import RAW_PREFIX, TableSchema, arrow_type, stored_type

_SAMPLE = 4_096
_UTC = "UTC"
_PART = 1 << 20
_LONG_RUN = 64


@dataclass(frozen=True, slots=True)
class Gated:
    """A frame in the types of the contract, and what did not fit."""

    rows: pa.Table
    """stored types, columns in the order of the schema, rows in order of arrival; misfits are null"""
    misfits: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    """by column, boolean: the value does not fit exactly"""


def gate(table: pa.Table, schema: TableSchema, *, time_zone: str | None = None) -> Gated:
    """Convert every column exactly.

    Args:
        table: the frame as it came; rows may be in any order.
        schema: of the contract.
        time_zone: IANA name of the zone in which naive times are; None refuses naive times.

    Raises:
        SchemaError: a column is missing, unknown, doubled, or of a type that can not fit.
        ArgumentError: the time zone is unknown, or a local time is ambiguous or does not exist in it.
    """
    _check_columns(table, schema)
    columns, misfits = [], {}
    for column in schema.columns:
        if column.name in table.column_names:
            converted, bad = _convert(table.column(column.name), column.name, column.type, time_zone)
        else:
            converted, bad = pa.chunked_array([pa.nulls(table.num_rows, stored_type(column.type))]), None
        if RAW_PREFIX + column.name in table.column_names:
            raw = pc.is_valid(table.column(RAW_PREFIX + column.name))
            bad = raw if bad is None else pc.or_(bad, raw)
        if bad is not None and pc.any(bad).as_py():
            misfits[column.name] = bad
            converted = pc.if_else(bad, pa.scalar(None, converted.type), converted)
        columns.append(_joined(converted) if column.name in (schema.symbol, schema.time) else converted)
    return Gated(pa.Table.from_arrays(columns, names=list(schema.names)), misfits)


def _joined(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Put a column by which rows are sorted, split and searched into one chunk, symbols in their order."""
    if pa.types.is_dictionary(column.type) and not column.null_count:
        return pa.chunked_array([Symbols.of(column, len(column)).array()])
    return column if column.num_chunks == 1 else pa.chunked_array([column.combine_chunks()], column.type)


def _check_columns(table: pa.Table, schema: TableSchema) -> None:
    names = [name for name in table.column_names if not name.startswith(RAW_PREFIX)]
    doubled = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    missing = [column.name for column in schema.columns if not column.nullable and column.name not in names]
    extra = [name for name in names if name not in schema.names]
    problems = [
        f"{kind} {', '.join(repr(name) for name in found)}"
        for kind, found in (("missing", missing), ("unknown", extra), ("doubled", doubled))
        if found
    ]
    if problems:
        raise SchemaError(
            f"The frame's columns do not fit the contract: {'; '.join(problems)}. "
            f"Expected: {', '.join(schema.names)}.",
            hint="Rename or drop columns in the frame (in a recipe: `columns`, `drop`, `extra: ignore`), "
            "or apply a contract that has them.",
        )


def _convert(
    column: pa.ChunkedArray, name: str, target: str, time_zone: str | None
) -> tuple[pa.ChunkedArray, pa.ChunkedArray | None]:
    """Return the column in the stored type, and which values do not fit (None: all fit)."""
    kind = column.type
    if pa.types.is_null(kind.value_type if pa.types.is_dictionary(kind) else kind):
        return pa.chunked_array([pa.nulls(len(column), stored_type(target))]), None
    if pa.types.is_dictionary(kind) or _is_text(kind):
        _check_encoding(column, name)
    if target == "string":
        return _text(column, name), None
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_float16(kind) and target.startswith(("int", "float")):
        column = column.cast(pa.float32())  # exact; pyarrow can not compare halves
        kind = column.type
    if target == "bool" and pa.types.is_boolean(kind):
        return column, None
    if target.startswith("int") and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return _round_trip(column, stored_type(target))
    if target.startswith("float") and pa.types.is_floating(kind):
        return _round_trip(column, stored_type(target))
    if target.startswith("float") and pa.types.is_integer(kind):
        return _integers_as_floats(column, stored_type(target))
    if (
        target == "date"
        and pa.types.is_temporal(kind)
        and not pa.types.is_time(kind)
        and not pa.types.is_duration(kind)
    ):
        return _as_dates(column)
    if target.startswith("timestamp") and pa.types.is_timestamp(kind):
        return _as_instants(column, name, target, time_zone)
    raise _unfit(name, kind, target)


def _check_encoding(column: pa.ChunkedArray, name: str) -> None:
    """Refuse bytes that claim to be text, and codes that point past their dictionary."""
    try:
        for _ in workers().map(lambda chunk: chunk.validate(full=True), _parts(column)):
            pass
    except pa.ArrowException as error:
        raise SchemaError(
            f"Column {name!r} is damaged: {str(error).splitlines()[0]}",
            hint="Text must be valid UTF-8, without lone surrogates; decode it again with its real encoding.",
        ) from error


def _text(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind) and _is_text(kind.value_type):
        encoded = column.cast(pa.dictionary(pa.int32(), pa.string()))
        if all(_is_set(chunk.dictionary) for chunk in encoded.chunks):
            return encoded
        return encoded.cast(pa.string()).dictionary_encode().unify_dictionaries()
    if not _is_text(kind):
        raise _unfit(name, kind, "string")
    return _encoded(column)


def _is_set(values: pa.Array) -> bool:
    """Say whether equal codes and equal texts are the same thing, as everything after the gate takes it."""
    return values.null_count == 0 and len(pc.unique(values)) == len(values)


def _encoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Encode text that repeats: everything after the gate (sort, digest, Parquet) is then quicker."""
    sample = column.slice(len(column) // 3, _SAMPLE)
    if len(column) > _SAMPLE and not column.null_count and _runs_in(sample) * _LONG_RUN < _SAMPLE:
        return _encoded_by_runs(column.cast(pa.string()))
    if len(column) > _SAMPLE and len(pc.unique(sample)) < len(sample) // 4:
        parts = list(workers().map(lambda chunk: chunk.dictionary_encode(), _parts(column.cast(pa.string()))))
        return pa.chunked_array(parts).unify_dictionaries()
    return column.cast(pa.string())


def _runs_in(sample: pa.ChunkedArray) -> int:
    return sum(len(pc.run_end_encode(chunk).values) for chunk in sample.cast(pa.string()).chunks)


def _encoded_by_runs(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Encode text in long runs, as in a frame by symbol: neighbours are compared, and nothing is hashed."""
    parts = list(workers().map(pc.run_end_encode, _parts(column)))
    heads = pa.chunked_array([part.values for part in parts])
    ranked = Symbols.of(heads, len(heads))
    lengths = np.concatenate([np.diff(integers(part.run_ends), prepend=0) for part in parts])
    return pa.chunked_array([Symbols(np.repeat(ranked.codes, lengths), ranked.names).array()])


def _parts(column: pa.ChunkedArray) -> list[pa.Array]:
    """Return the chunks of a column, the long ones cut, for several threads."""
    return [
        chunk.slice(start, _PART) for chunk in column.chunks for start in range(0, max(1, len(chunk)), _PART)
    ]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _round_trip(
    column: pa.ChunkedArray, target: pa.DataType
) -> tuple[pa.ChunkedArray, pa.ChunkedArray | None]:
    """Cast, cast back, compare: what differs does not fit. NaN fits a float and no integer."""
    if column.type == target or (pa.types.is_floating(target) and target.bit_width > column.type.bit_width):
        return column.cast(target), None
    if not (pa.types.is_floating(column.type) and pa.types.is_floating(target)):
        try:
            return column.cast(target), None
        except pa.ArrowInvalid:
            pass
    cast = column.cast(target, safe=False)
    bad = pc.not_equal(cast.cast(column.type, safe=False), column)
    if pa.types.is_floating(target):
        bad = pc.and_not(bad, pc.is_nan(column))
    elif pa.types.is_floating(
        column.type
    ):  # past the range of int64 a cast back may come out equal by accident
        bad = pc.or_(bad, pc.invert(pc.less(pc.abs(column), 2.0**63)))
    else:  # uint8 200 is -56 as int8, and 200 again on the way back
        bad = pc.or_(bad, pc.xor(_negative(cast), _negative(column)))
    return cast, pc.fill_null(bad, False)


def _integers_as_floats(
    column: pa.ChunkedArray, target: pa.DataType
) -> tuple[pa.ChunkedArray, pa.ChunkedArray | None]:
    try:
        return column.cast(target), None  # pyarrow's safe cast knows the largest exact integer
    except pa.ArrowInvalid:
        largest = 2**53 if pa.types.is_float64(target) else 2**24
        highest = pa.scalar(largest, column.type)
        lowest = pa.scalar(-largest if pa.types.is_signed_integer(column.type) else 0, column.type)
        inside = pc.and_(pc.less_equal(column, highest), pc.greater_equal(column, lowest))
        return column.cast(target, safe=False), pc.fill_null(pc.invert(inside), False)


def _negative(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Compare in the column's own type: as int64, the zero would not meet a large uint64."""
    return pc.less(column, pa.scalar(0, column.type))


def _as_dates(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray | None]:
    if pa.types.is_date32(column.type):
        return column, None
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = column.cast(pa.timestamp(column.type.unit, "UTC")).cast(pa.timestamp(column.type.unit))
    dates = column.cast(pa.date32(), safe=False)
    bad = pc.fill_null(pc.not_equal(dates.cast(column.type, safe=False), column), False)
    return dates, bad


def _as_instants(
    column: pa.ChunkedArray, name: str, target: str, time_zone: str | None
) -> tuple[pa.ChunkedArray, pa.ChunkedArray | None]:
    naive = column if column.type.tz is None else None
    if naive is not None:
        column = _localised(naive, name, time_zone)
    wanted = arrow_type(target)
    column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    try:
        instants, bad = column.cast(wanted), None
    except pa.ArrowInvalid:
        instants = column.cast(wanted, safe=False)
        bad = pc.fill_null(pc.not_equal(instants.cast(column.type, safe=False), column), False)
    if naive is not None and time_zone != _UTC:
        wrapped = _wrapped(naive, column)
        bad = wrapped if bad is None else pc.or_(bad, wrapped)
    return instants.cast(stored_type(target)), bad


def _wrapped(naive: pa.ChunkedArray, placed: pa.ChunkedArray) -> pa.ChunkedArray:
    """Say which times the shift to UTC took past an end of the range, and so to the other end."""
    before, after = naive.cast(pa.int64()), placed.cast(pa.int64())
    far = pc.or_(pc.greater(before, 2**62), pc.less(before, -(2**62)))
    return pc.fill_null(pc.and_(far, pc.xor(_negative(before), _negative(after))), False)


def _localised(column: pa.ChunkedArray, name: str, time_zone: str | None) -> pa.ChunkedArray:
    if time_zone is None:
        raise SchemaError(
            f"The times in column {name!r} have no time zone.",
            hint="Say which one they are in: time_zone='America/New_York', or 'UTC'.",
        )
    if time_zone == _UTC:  # nothing moves, so no time is looked up in the rules of a zone
        return column.cast(pa.timestamp(column.type.unit, _UTC))
    try:
        return pc.assume_timezone(column, time_zone, ambiguous="raise", nonexistent="raise")
    except (pa.ArrowInvalid, TypeError) as error:
        raise ArgumentError(
            f"Column {name!r} can not be placed in the time zone {time_zone!r}: {str(error).splitlines()[0]}",
            hint="Give an IANA name; where clocks change, convert to UTC before writing.",
        ) from error


def _unfit(name: str, kind: pa.DataType, target: str) -> SchemaError:
    return SchemaError(
        f"Column {name!r} is {kind}, but the contract says {target}; "
        "nothing is converted that could change a value.",
        hint=_HINTS.get(
            target.split("[")[0].rstrip("0123456789"), "Convert it in the frame, where you see the result."
        ),
    )


_HINTS = {
    "timestamp": "Parse or combine it into a timestamp with a time zone first.",
    "string": "Convert it to text first; numbers as symbols lose leading zeros.",
    "date": "Give dates, or times at midnight.",
}
