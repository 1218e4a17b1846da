"""A first contract from a frame: `lake.create(name, like=frame)`.

Roles are found by the names of columns, in any case, and never by the values:

- symbol: the first of `SYMBOL_NAMES` that holds text.
- time: the first of `TIME_NAMES` that holds timestamps or dates. One that holds text or numbers is an error
  rather than a table without time.
- key: (symbol, time) where a sample has no two rows of equal symbol and time, and the rows are periods rather
  than events: the time is a date, or there are columns open, high, low and close. Else none, since events may
  repeat.

Columns open, high, low and close get the rules `ohlc` and `positive`, volume gets `non_negative`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.rule import NUMBERS, OHLC_COLUMNS, Rule
from lakehouse.errors import SchemaError
from lakehouse.names import ProductName
from lakehouse.schema import TIME_TYPES, TYPES, Column, TableSchema

if TYPE_CHECKING:
    import pyarrow as pa

SYMBOL_NAMES = ("symbol", "ticker", "sym", "instrument", "asset", "security", "pair", "ric", "figi", "isin")
TIME_NAMES = (
    *("time", "timestamp", "ts", "ts_event", "event_time", "datetime", "date_time"),
    *("date", "trade_date", "session", "day"),
)

_WIDER = {"uint8": "int16", "uint16": "int32", "uint32": "int64", "uint64": "int64", "halffloat": "float32"}
_SAME = {
    "bool": "bool",
    "float": "float32",
    "double": "float64",
    "string": "string",
    "large_string": "string",
    "string_view": "string",
    "date32[day]": "date",
    "date64[ms]": "date",
    **{name: name for name in ("int8", "int16", "int32", "int64")},
}


def infer_contract(
    name: str | ProductName, arrow_schema: pa.Schema, *, sample: pa.Table | None = None
) -> Contract:
    """Return a contract of version 1.0.0 for frames of this schema.

    Symbol, time and columns that Arrow declares so are not nullable. Unsigned integers become the next wider
    signed type (uint64 becomes int64; the write gate refuses what does not fit), half floats float32,
    timestamps of any unit `timestamp[ns]`, dictionaries what they encode.

    Args:
        name: `domain.product`.
        arrow_schema: the columns.
        sample: rows in which to look for a key; without any there is no key.

    Raises:
        SchemaError: a column has a type that the lake does not store, a timestamp without a time zone, or a
            name that can not be used; or the time column holds neither timestamps nor dates.
        ArgumentError: the name is not `domain.product`.

    Examples:
        >>> import pyarrow as pa
        >>> frame = pa.schema([("Ticker", pa.large_string()), ("Date", pa.date32()), ("Close", pa.float64())])
        >>> schema = infer_contract("market_data.closes", frame).schema
        >>> schema.symbol, schema.time, schema["Close"].type
        ('Ticker', 'Date', 'float64')
    """
    _check_names(arrow_schema.names)
    types = {field.name: _column_type(field.name, field.type) for field in arrow_schema}
    symbol = _first([column for column in types if types[column] == "string"], SYMBOL_NAMES)
    time = _time_column(types)
    roles = tuple(column for column in (symbol, time) if column is not None)
    columns = tuple(
        Column(field.name, types[field.name], field.nullable and field.name not in roles)
        for field in arrow_schema
    )
    key = roles if time is not None and _has_key(types, roles, time, sample) else ()
    schema = TableSchema(columns, symbol, time, key)
    return Contract(ProductName.parse(name), "1.0.0", schema, rules=tuple(_rules(types)))


def _column_type(name: str, arrow: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_dictionary(arrow) or pa.types.is_run_end_encoded(arrow):
        return _column_type(name, arrow.value_type)
    if pa.types.is_timestamp(arrow):
        return _timestamp_type(name, arrow)
    spelling = str(arrow)
    known = _SAME.get(spelling) or _WIDER.get(spelling)
    if known is None:
        raise SchemaError(
            f"Column {name!r} has the Arrow type {spelling}, which the lake does not store.",
            hint=f"{_cure(arrow)} Column types: {', '.join(TYPES)}.",
        )
    return known


def _timestamp_type(name: str, arrow: pa.DataType) -> str:
    if arrow.tz is None:
        raise SchemaError(
            f"Column {name!r} has timestamps without a time zone, so that nobody can say when they were.",
            hint=f"Name their zone: frame[{name!r}].dt.tz_localize('UTC') in pandas, "
            f"pl.col({name!r}).dt.replace_time_zone('UTC') in polars.",
        )
    return "timestamp[ns]"


def _cure(arrow: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_decimal(arrow):
        return "Cast it to float64, or to int64 in units of the smallest step."
    if pa.types.is_null(arrow):
        return "All its values are null: cast it to the type that it will have."
    if pa.types.is_duration(arrow) or pa.types.is_time(arrow):
        return "Cast it to int64, and name the unit in the contract."
    if pa.types.is_nested(arrow):
        return "Flatten it into columns."
    return "Cast it, or leave it out."


def _check_names(names: list[str]) -> None:
    doubled = sorted(
        {name for name in names if [other.casefold() for other in names].count(name.casefold()) > 1}
    )
    if doubled:
        raise SchemaError(f"Columns must have different names, in any case; doubled: {', '.join(doubled)}.")
    kept = [name for name in names if not name or name.startswith("_")]
    if kept or not names:
        raise SchemaError(
            f"The frame has {'columns that can not be named so: ' + repr(kept) if kept else 'no columns'}.",
            hint="Names are not empty and do not start with '_'; in pandas, reset_index(drop=True) helps.",
        )


def _time_column(types: dict[str, str]) -> str | None:
    found = _first([column for column in types if types[column] in TIME_TYPES], TIME_NAMES)
    candidate = _first(types, TIME_NAMES)
    if found is None and candidate is not None:
        raise SchemaError(
            f"Column {candidate!r} looks like the time column, but holds {types[candidate]}.",
            hint="Convert it to dates or to timestamps with a time zone, or give a contract, not a frame.",
        )
    return found


def _has_key(types: dict[str, str], roles: tuple[str, ...], time: str, sample: pa.Table | None) -> bool:
    is_period = types[time] == "date" or _ohlc(types) is not None
    if not is_period or sample is None or sample.num_rows == 0:
        return False
    plain = _plain(sample.select(list(roles)))
    groups = plain.group_by(list(roles), use_threads=False).aggregate([])
    return bool(groups.num_rows == plain.num_rows)


def _plain(table: pa.Table) -> pa.Table:
    """Decode the text columns: Arrow groups neither string views nor dictionaries whose chunks differ."""
    import pyarrow as pa

    for index, field in enumerate(table.schema):
        if not pa.types.is_temporal(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(pa.large_string()))
    return table


def _rules(types: dict[str, str]) -> Iterable[Rule]:
    prices = _ohlc(types)
    if prices is not None:
        yield Rule("ohlc", "ohlc", prices)
        yield Rule("positive_prices", "positive", prices)
    volume = _first([column for column in types if types[column] in NUMBERS], ("volume",))
    if volume is not None:
        yield Rule("non_negative_volume", "non_negative", (volume,))


def _ohlc(types: dict[str, str]) -> tuple[str, ...] | None:
    numeric = [column for column in types if types[column] in NUMBERS]
    found = [_first(numeric, (name,)) for name in OHLC_COLUMNS]
    return tuple(name for name in found if name is not None) if None not in found else None


def _first(columns: Iterable[str], names: tuple[str, ...]) -> str | None:
    """Return the column that has, in any case, the earliest of the names."""
    folded = {column.casefold(): column for column in columns}
    return next((folded[name] for name in names if name in folded), None)
