"""How the rows of a table are spread over files, and which spread fits a given density of data.

A partition is (symbol, date). On disk a date is a folder of one day, week, month, year, or none at all; a
symbol is a run of row groups inside the date's file (`row_groups`), a folder of its own (`identity`), or one
of n bucket folders.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from lakehouse.errors import ContractError
from lakehouse.names import encode_symbol
from lakehouse.schema import TableSchema
from lakehouse.times import NS_PER_DAY

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DatePeriod = Literal["day", "week", "month", "year", "none"]
"""a week begins on Monday, and is named by it"""

SMALLEST_GOOD_FILE_IN_BYTES = 16 << 20
LARGEST_GOOD_FILE_IN_BYTES = 128 << 20
_COMPRESSION = 3.0
_DAYS = {"day": 1.0, "week": 5.0, "month": 21.0, "year": 252.0}
_WORTH_A_FILE = {
    "day": SMALLEST_GOOD_FILE_IN_BYTES // 4,
    "week": SMALLEST_GOOD_FILE_IN_BYTES // 8,  # it serves one symbol and one day alike, so it may be smaller
    "month": SMALLEST_GOOD_FILE_IN_BYTES // 4,
    "year": SMALLEST_GOOD_FILE_IN_BYTES // 4,
}
_MONDAY = 3  # 1 January 1970 was a Thursday
_WIDTHS = {"bool": 1, "int8": 1, "int16": 2, "int32": 4, "float32": 4, "date": 4, "string": 8}


@dataclass(frozen=True, slots=True)
class Layout:
    """The physical spread of a table.

    Examples:
        >>> Layout.parse("date=month,symbol=row_groups")
        Layout(date='month', symbol='row_groups')
        >>> str(Layout("day", "bucket(16)"))
        'date=day,symbol=bucket(16)'
    """

    date: DatePeriod = "year"
    """the period of one date folder"""
    symbol: str = "row_groups"
    """`row_groups`, `identity` or `bucket(n)`"""

    @classmethod
    def parse(cls, text: str) -> Layout:
        """Read the form that contracts use.

        Raises:
            ContractError: a part is unknown.
        """
        parts = dict(part.strip().split("=", 1) for part in text.split(",") if "=" in part)
        layout = cls(cast("DatePeriod", parts.pop("date", "year")), parts.pop("symbol", "row_groups"))
        known = layout.date in get_args(DatePeriod) and (
            layout.symbol in ("row_groups", "identity") or layout.buckets > 0
        )
        if parts or "=" not in text or not known:
            raise ContractError(
                f"Unknown layout {text!r}.",
                hint="Write auto, or date=day|week|month|year|none,symbol=row_groups|identity|bucket(n).",
            )
        return layout

    @property
    def buckets(self) -> int:
        """The number of bucket folders; 0 for the other ways."""
        found = re.fullmatch(r"bucket\(([1-9][0-9]{0,3})\)", self.symbol)
        return int(found.group(1)) if found else 0

    def __str__(self) -> str:
        """Return the form that `parse` reads."""
        return f"date={self.date},symbol={self.symbol}"


def partition_columns(layout: Layout, schema: TableSchema) -> tuple[tuple[str, str], ...]:
    """Return the name and Delta type of each partition column, outermost folder first."""
    columns = []
    if layout.symbol == "identity" and schema.symbol:
        columns.append((schema.symbol, "string"))
    if layout.buckets and schema.symbol:
        columns.append(("symbol_bucket", "integer"))
    if layout.date != "none" and schema.time:
        taken = {name.casefold() for name in schema.names}
        columns.append(("partition_date" if "date" in taken else "date", "date"))
    return tuple(columns)


def period_starts(times: npt.NDArray[np.int64], period: DatePeriod) -> npt.NDArray[np.int64]:
    """Return for each UTC nanosecond the first day, since the epoch, of its period."""
    import numpy as np

    days = np.floor_divide(times, NS_PER_DAY)
    if period == "day" or not len(days):
        return days
    if period == "week":
        monday: npt.NDArray[np.int64] = days - (days + _MONDAY) % 7
        return monday
    unit: Any = {"month": "datetime64[M]", "year": "datetime64[Y]"}[period]
    first, last = int(days.min()), int(days.max())
    table = (
        np.arange(first, last + 1)
        .astype("datetime64[D]")
        .astype(unit)
        .astype("datetime64[D]")
        .astype(np.int64)
    )
    starts: npt.NDArray[np.int64] = table[days - first]
    return starts


def partition_values(
    layout: Layout, schema: TableSchema, symbol: str | None, period_start: int | None
) -> tuple[tuple[str, str | None], ...]:
    """Return the Delta partition values of one partition, in the order of `partition_columns`."""
    import numpy as np

    values: dict[str, str | None] = {}
    for name, kind in partition_columns(layout, schema):
        if kind == "date" and period_start is not None:
            values[name] = str(np.datetime64(period_start, "D"))
        elif kind == "integer" and symbol is not None:
            values[name] = str(bucket_of(symbol, layout.buckets))
        else:
            values[name] = symbol
    return tuple(values.items())


def bucket_of(symbol: str, buckets: int) -> int:
    """Return the bucket of a symbol: CRC-32 of its UTF-8 bytes modulo the number of buckets."""
    return zlib.crc32(symbol.encode("utf-8")) % buckets


def folder_of(partition: Sequence[tuple[str, str | None]]) -> str:
    """Return the hive-style folder of a partition, with a trailing slash; '' without partition columns."""
    return "".join(
        f"{name}={encode_symbol(value or '__HIVE_DEFAULT_PARTITION__')}/" for name, value in partition
    )


def row_width(schema: TableSchema) -> float:
    """Estimate the stored bytes of one row, compressed."""
    raw = sum(_WIDTHS.get(column.type, 8) for column in schema.columns if column.name != schema.symbol)
    return max(1.0, raw / _COMPRESSION)


def choose_layout(schema: TableSchema, *, rows_per_day: float) -> Layout:
    """Choose the shortest period whose files reach a few MB, so that neither tiny nor huge files arise.

    The first write is rarely the densest, so the bound is a quarter of the size that files should have, and
    for weeks an eighth: minute bars of many symbols are asked for by symbol and by day, and a week serves
    both. A product of times (not dates) gets folders of years at least, because more symbols may come.

    Args:
        schema: gives the width of a row.
        rows_per_day: rows of all symbols together on one day with data.

    Examples:
        >>> from lakehouse.schema import Column, TableSchema
        >>> columns = Column("symbol", "string", False), Column("time", "timestamp[ns]", False)
        >>> bar = TableSchema(columns, "symbol", "time")
        >>> str(choose_layout(bar, rows_per_day=5)), str(choose_layout(bar, rows_per_day=20_000_000))
        ('date=year,symbol=row_groups', 'date=day,symbol=row_groups')
    """
    if schema.time is None:
        return Layout("none")
    bytes_per_day = rows_per_day * row_width(schema)
    periods: tuple[DatePeriod, ...] = ("day", "week", "month", "year")
    for period in periods:
        if bytes_per_day * _DAYS[period] >= _WORTH_A_FILE[period]:
            return Layout(period)
    return Layout("none" if schema[schema.time].type == "date" else "year")
