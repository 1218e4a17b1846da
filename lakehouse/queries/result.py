"""What a question gives back: rows in memory, as one Arrow table, and the ways out of it.

pyarrow is all that this needs; pandas and polars are loaded by the conversions that return them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class Result:
    """Rows in memory, in the order of the question; immutable.

    polars, DuckDB, pandas and pyarrow take it as it is, through the Arrow C stream:
    `polars.DataFrame(result)`, `duckdb.sql("from result")`, `pandas.DataFrame.from_arrow(result)`,
    `pyarrow.table(result)`. It can not be iterated: rows are for engines, not for loops.

    Examples:
        >>> day = pa.array([19724]).cast(pa.int32()).cast(pa.date32())
        >>> columns = [pa.array(["IBM"]), day, pa.array([161.5])]
        >>> Result(pa.Table.from_arrays(columns, ["symbol", "day", "close"]), symbol="symbol", time="day")
        Result: 1 row x 3 columns
        symbol         day   close
        string      date32  double
        IBM     2024-01-02   161.5
    """

    def __init__(self, table: pa.Table, *, symbol: str | None = None, time: str | None = None) -> None:
        """Wrap a table.

        Args:
            table: the rows; kept, not copied.
            symbol: the column that holds the symbol; forgotten where the table does not have it.
            time: the column that orders the rows, in UTC; likewise.
        """
        self._table = table
        names = table.column_names
        self._symbol = symbol if symbol in names else None
        self._time = time if time in names else None

    @property
    def columns(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(self._table.column_names)

    @property
    def symbol(self) -> str | None:
        """The column that holds the symbol, where there is one."""
        return self._symbol

    @property
    def time(self) -> str | None:
        """The column that orders the rows of a symbol, in UTC, where there is one."""
        return self._time

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return int(self._table.num_rows)

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema."""
        return self._table.schema

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.num_rows

    def to_arrow(self) -> pa.Table:
        """Return the Arrow table itself; nothing is copied."""
        return self._table

    def to_reader(self) -> pa.RecordBatchReader:
        """Return the rows as a stream of record batches."""
        return self._table.to_reader()

    def to_polars(self) -> pl.DataFrame:
        """Return a polars frame; times are `Datetime` with the zone UTC, in their own unit."""
        import polars as pl

        return pl.DataFrame(self._table)

    def to_pandas(self, *, time_zone: str | None = "UTC", index: bool = True) -> pd.DataFrame:
        """Return a pandas frame that shares no memory with the result, in the order of the rows.

        Every instant keeps its unit, nanoseconds too. A date becomes midnight without a zone, in any
        `time_zone`. Integers and booleans with nulls come in pandas' nullable types (`Int64`, `boolean`),
        without nulls in numpy's, so that no integer is rounded; null floats become NaN, null texts and
        times pandas' missing value.

        Args:
            time_zone: zone in which times show, such as "America/New_York"; None gives UTC without a zone.
            index: make the time column the index, a DatetimeIndex of its name, where the result has one.

        Raises:
            ArgumentError: the time zone is unknown.
            MissingExtraError: pandas is not installed.
        """
        from lakehouse.queries.pandas_frame import to_pandas

        frame = to_pandas(self._table, time=self._time, time_zone=time_zone)
        return frame.set_index(self._time) if index and self._time is not None else frame

    def pivot(self, values: str, /, *, time_zone: str | None = "UTC") -> pd.DataFrame:
        """Return one column of numbers as a wide pandas frame: a row for each time, a column for each symbol.

        Both are sorted. The numbers are float64, NaN where a symbol has no row or a null.

        Args:
            values: the column of numbers, such as "close".
            time_zone: as in `to_pandas`.

        Raises:
            NotFoundError: there is no column `values`.
            ArgumentError: the result has no symbol or time column, or nulls in one; a symbol has two rows
                of one time; the column holds no numbers, or integers that float64 can not hold; the time
                zone is unknown.
            MissingExtraError: pandas is not installed.
        """
        from lakehouse.queries.pivot import pivot

        if self._symbol is None or self._time is None:
            raise ArgumentError(
                "A pivot needs a symbol and a time column, and this result does not have both.",
                hint="Read both columns from a product; after SQL, use to_pandas() and pandas' own pivot.",
            )
        return pivot(self._table, values, symbol=self._symbol, time=self._time, time_zone=time_zone)

    def head(self, count: int = 5) -> Result:
        """Return the first rows.

        Raises:
            ArgumentError: `count` is negative.
        """
        if count < 0:
            raise ArgumentError(f"A number of rows can not be negative, got {count}.")
        return Result(self._table.slice(0, count), symbol=self._symbol, time=self._time)

    def equals(self, other: Result) -> bool:
        """Say whether both have the same columns, types and values in the same order; NaN equals NaN.

        Examples:
            >>> nan = Result(pa.Table.from_arrays([pa.array([float("nan")])], ["price"]))
            >>> nan.equals(nan.head(1)), nan.equals(nan.head(0))
            (True, False)
        """
        mine, others = self._table, other.to_arrow()
        if self.columns != other.columns or mine.num_rows != others.num_rows:
            return False
        return all(_equal(left, right) for left, right in zip(mine.columns, others.columns, strict=True))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand the rows to any library that reads the Arrow C stream; nothing is copied."""
        return self._table.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        """Hand the schema to any library that reads the Arrow C schema."""
        return self._table.schema.__arrow_c_schema__()

    def __repr__(self) -> str:
        """Show the first and last rows, as wide as the terminal."""
        from lakehouse.queries.display import to_text

        return to_text(self._table)

    def _repr_html_(self) -> str:
        """Show the first and last rows in a notebook."""
        from lakehouse.queries.display import to_html

        return to_html(self._table)


def _equal(left: pa.ChunkedArray, right: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc

    if left.type != right.type:
        return False
    if left.equals(right):
        return True
    if not pa.types.is_floating(left.type) or not left.is_null().equals(right.is_null()):
        return False
    same = pc.or_(pc.equal(left, right), pc.and_(pc.is_nan(left), pc.is_nan(right)))
    return bool(pc.all(same, min_count=0).as_py())
