"""A second golden lake, of odd shapes: every column type, every layout, evolved contracts, checkpoints.

The lake at the root of the repository shows what a desk has; this one holds each way in which format
version 1 writes bytes, so that a later version that forgets one of them fails a test.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import replace
from unittest import mock

import polars as pl

from lakehouse import Column, Contract, Lake, TableSchema
from lakehouse.names import ProductName
from lakehouse.schema import TYPES

SNAPSHOT = "formats-v1"
LAYOUTS = {
    "by_day": "date=day,symbol=row_groups",
    "by_month_and_bucket": "date=month,symbol=bucket(3)",
    "by_year_and_symbol": "date=year,symbol=identity",
    "in_one_file": "date=none,symbol=row_groups",
}
_SYMBOLS = ("AAPL", "aapl", "BRK/B", "BTC-USD", "CON", "NA", "a b%.", "日経225")
_KEY = ("symbol", "time")


def write_formats(lake: Lake) -> None:
    """Fill an empty lake."""
    lake.create(_contract("all_types", all_types_schema())).append(all_types())
    for name, layout in LAYOUTS.items():
        lake.create(_contract(name, _points_schema(), layout=layout)).append(points())
    _write_evolved(lake)
    _write_commits(lake)
    _write_tables_without_roles(lake)
    lake.snapshot(SNAPSHOT, message="every shape that format version 1 has")


def all_types_schema() -> TableSchema:
    """Return a column of each type, and the same as the columns of a key would be."""
    columns = tuple(Column(_plain(name), name, unit="one", description=f"Any {name}.") for name in TYPES)
    roles = (Column("symbol", "string", nullable=False), Column("time", "timestamp[ns]", nullable=False))
    return TableSchema((*roles, *columns), "symbol", "time")


def all_types() -> pl.DataFrame:
    """Return rows of extreme, special and absent values; two of them are equal."""
    instant = dt.datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=dt.UTC)
    usual = [True, -1, 2, -3, 4, 1.5, -2.5, "text", dt.date(2024, 2, 29), instant, instant]
    least = [False, -(2**7), -(2**15), -(2**31), -(2**63), -math.inf, -math.inf, "", dt.date(1, 1, 1)]
    most = [
        True,
        2**7 - 1,
        2**15 - 1,
        2**31 - 1,
        2**63 - 1,
        math.inf,
        math.inf,
        "日経 \U0001f600\n\t'\"",
        dt.date(9999, 12, 31),
    ]
    odd = [None, 0, None, 0, None, -0.0, math.nan, "NA", None]
    ends = [dt.datetime(1678, 1, 1, tzinfo=dt.UTC), dt.datetime(2262, 1, 1, tzinfo=dt.UTC)]
    rows = [
        [*usual],
        [*usual],
        [*least, ends[0], ends[0]],
        [*most, ends[1], ends[1]],
        [*odd, None, None],
        [None] * len(TYPES),
    ]
    types = dict(zip(map(_plain, TYPES), _POLARS, strict=True))
    frame = pl.DataFrame(rows, schema=types, orient="row")
    time = pl.lit(instant).cast(pl.Datetime("ns", "UTC")).alias("time")
    return frame.select(pl.lit("ALL").alias("symbol"), time, *types)


def points() -> pl.DataFrame:
    """Return a few rows of each symbol in 2023 and 2024, one of them at a nanosecond."""
    days = (dt.datetime(2023, 1, 31), dt.datetime(2023, 2, 1), dt.datetime(2024, 12, 31))
    rows = [
        (symbol, day, float(100 * number + index))
        for number, symbol in enumerate(_SYMBOLS)
        for index, day in enumerate(days)
    ]
    frame = pl.DataFrame(rows, schema=["symbol", "time", "value"], orient="row")
    nanoseconds = pl.col("time").dt.cast_time_unit("ns").dt.replace_time_zone("UTC")
    return frame.with_columns(time=nanoseconds.dt.offset_by("1ns"))


def _write_evolved(lake: Lake) -> None:
    """Write under 1.0.0, under 1.1.0 with one more column, and under 2.0.0 with another key."""
    first = _contract("evolved", _points_schema())
    product = lake.create(first)
    rows = points()
    product.append(rows.filter(pl.col("symbol") == "NA"), idempotency_key="first")
    wider = replace(first.schema, columns=(*first.schema.columns, Column("note", "string")))
    product = lake.apply(replace(first, version="1.1.0", schema=wider))
    product.append(rows.filter(pl.col("symbol") == "CON").with_columns(note=pl.lit("new")))
    product.restore(1)
    product = lake.apply(replace(first, version="2.0.0", schema=replace(wider, key=())))
    product.append(pl.concat([rows, rows]).with_columns(note=pl.lit(None, pl.String)))


def _write_commits(lake: Lake) -> None:
    """Write more commits than fit between two checkpoints, whose distance is cut to keep the files few."""
    product = lake.create(_contract("checkpointed", _points_schema()))
    rows = points()
    with mock.patch("lakehouse.partitions.replay.CHECKPOINT_EVERY", 4):
        for number in range(6):
            product.upsert(rows.slice(2 * number, 3), idempotency_key=f"batch {number}")


def _write_tables_without_roles(lake: Lake) -> None:
    """Write a table without a symbol, one without a time, and one whose own column is called date."""
    rows = points()
    value, time = Column("value", "float64"), Column("time", "timestamp[ns]", nullable=False)
    symbol, date = Column("symbol", "string", nullable=False), Column("date", "date", nullable=False)
    alone = rows.filter(pl.col("symbol") == "NA").select("time", "value")
    lake.create(_contract("no_symbol", TableSchema((time, value), None, "time", ("time",)))).append(alone)
    latest = rows.group_by("symbol", maintain_order=True).last().select("symbol", "value")
    lake.create(_contract("no_time", TableSchema((symbol, value), "symbol", None, ("symbol",)))).append(
        latest
    )
    dated = rows.select("symbol", pl.col("time").dt.date().alias("date"), "value")
    schema = TableSchema((symbol, date, value), "symbol", "date", ("symbol", "date"))
    lake.create(_contract("own_date", schema, layout="date=year,symbol=row_groups")).append(dated)


def _points_schema() -> TableSchema:
    columns = (Column("symbol", "string", nullable=False), Column("time", "timestamp[ns]", nullable=False))
    return TableSchema((*columns, Column("value", "float64")), "symbol", "time", _KEY)


def _contract(name: str, schema: TableSchema, *, layout: str = "auto") -> Contract:
    return Contract(ProductName("formats", name), "1.0.0", schema, owners=("golden",), layout=layout)


def _plain(type_name: str) -> str:
    """Return a name for the column of a type."""
    return "a_" + type_name.replace("[", "_").rstrip("]")


_POLARS: Iterable[pl.DataType | type[pl.DataType]] = (
    *(pl.Boolean, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64, pl.String, pl.Date),
    *(pl.Datetime("us", "UTC"), pl.Datetime("ns", "UTC")),
)
