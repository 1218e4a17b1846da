"""From long to wide: one row for each time, one column for each symbol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.queries.display import format_value
from lakehouse.queries.pandas_frame import check_time_zone, to_pandas

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_MOST_CELLS = 1_000_000_000
"""8 GB; a wide frame of ticks is a mistake that would take the whole machine"""


@dataclass(frozen=True, slots=True)
class _Axis:
    """The distinct values of a column, sorted, and where each row lies among them."""

    name: str
    """of the column"""
    labels: pa.Array
    """distinct values, ascending"""
    places: NDArray[np.int64]
    """for each row, the position of its value in `labels`"""


def pivot(table: pa.Table, values: str, *, symbol: str, time: str, time_zone: str | None) -> pd.DataFrame:
    """Return the wide frame that `Result.pivot` promises.

    Raises:
        NotFoundError: there is no column `values`.
        ArgumentError: as `Result.pivot` says.
        MissingExtraError: pandas is not installed.
    """
    if values not in table.column_names:
        raise NotFoundError.among("column", values, table.column_names)
    check_time_zone(time_zone)
    numbers = _floats(table.column(values), values)
    times, symbols = (_axis(table.column(name), name) for name in (time, symbol))
    shape = (len(times.labels), len(symbols.labels))
    if shape[0] * shape[1] > _MOST_CELLS:
        raise ArgumentError(
            f"The wide frame would have {shape[0]:,} times x {shape[1]:,} symbols.",
            hint="Choose fewer symbols or a shorter interval, or make bars first.",
        )
    cells = times.places * shape[1] + symbols.places
    filled = np.zeros(shape[0] * shape[1], dtype=np.bool_)
    filled[cells] = True
    if int(filled.sum()) < len(cells):
        raise _repeated(table, cells, symbol, time)
    wide = np.full(shape[0] * shape[1], np.nan)
    wide[cells] = numbers
    return _label(wide.reshape(shape), times, symbols, time_zone)


def _floats(column: pa.ChunkedArray, name: str) -> NDArray[np.float64]:
    kind = column.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not numeric and not pa.types.is_boolean(kind):
        raise ArgumentError(f"Column {name!r} is {kind}; a pivot needs numbers.")
    whole = column.cast(pa.int8()) if pa.types.is_boolean(kind) else column
    try:
        return np.asarray(whole.cast(pa.float64()).to_numpy())
    except pa.ArrowInvalid as error:
        raise ArgumentError(
            f"Column {name!r} holds integers that float64 can not hold exactly.",
            hint="Use to_pandas(), which keeps integers, and pandas' own pivot.",
        ) from error


def _axis(column: pa.ChunkedArray, name: str) -> _Axis:
    import pyarrow.compute as pc

    if column.null_count:
        raise ArgumentError(f"Column {name!r} has {column.null_count} nulls; a pivot needs it in every row.")
    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    encoded = plain.combine_chunks().dictionary_encode()
    order = pc.sort_indices(encoded.dictionary)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order.to_numpy()] = np.arange(len(order))
    return _Axis(name, encoded.dictionary.take(order), rank[encoded.indices.to_numpy()])


def _label(cells: NDArray[np.float64], times: _Axis, symbols: _Axis, time_zone: str | None) -> pd.DataFrame:
    import pandas as pd

    rows = pa.Table.from_arrays([times.labels], [times.name])
    index = to_pandas(rows, time=times.name, time_zone=time_zone).set_index(times.name).index
    columns = pd.Index(symbols.labels.to_pandas(), name=symbols.name)
    return pd.DataFrame(cells, index=index, columns=columns)


def _repeated(table: pa.Table, cells: NDArray[np.int64], symbol: str, time: str) -> ArgumentError:
    _, firsts = np.unique(cells, return_index=True)
    row = int(np.setdiff1d(np.arange(len(cells)), firsts)[0])
    who, when = (format_value(table.column(name), row) for name in (symbol, time))
    return ArgumentError(
        f"{len(cells) - len(firsts):,} rows repeat the time of a row of their symbol, first {who} at {when}.",
        hint="A cell can hold one value: aggregate first, as with arg_max(close, time) in SQL.",
    )
