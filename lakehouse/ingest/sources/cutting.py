"""The rows of a chunk out of those that were read, and the order of their columns."""

from __future__ import annotations

import polars as pl

from lakehouse.ingest.sources.base import Chunk
from lakehouse.schema import RAW_PREFIX, TableSchema
from lakehouse.times import Interval


def inside(frame: pl.DataFrame, schema: TableSchema, chunk: Chunk) -> pl.DataFrame:
    """Keep the rows of the chunk, and those whose time or symbol is null: they are for the quarantine."""
    if schema.time is not None and not chunk.interval.unbounded and frame.height:
        inside = _between(frame[schema.time], chunk.interval)
        frame = frame.filter(inside.fill_null(value=True))
    if schema.symbol is not None and chunk.symbols is not None and frame.height:
        chosen = frame[schema.symbol].is_in(list(chunk.symbols))
        frame = frame.filter(chosen.fill_null(value=True))
    return frame


def _between(times: pl.Series, interval: Interval) -> pl.Series:
    """Compare in the column's own unit, rounding bounds up: a date of year 9999 has no nanoseconds."""
    size = 1 if times.dtype == pl.Datetime("ns", "UTC") else 1000
    ticks = (times if size == 1 else times.cast(pl.Datetime("us"))).cast(pl.Int64)
    start, end = -(-interval.start // size), -(-interval.end // size)
    return (ticks >= start) & (ticks < end)


def in_order(frame: pl.DataFrame, schema: TableSchema) -> pl.DataFrame:
    """Put the contract's columns first, then the raw texts, then the rest: entries of a zip may differ."""
    raw = [name for name in frame.columns if name.startswith(RAW_PREFIX)]
    extra = [name for name in frame.columns if name not in (*schema.names, *raw)]
    return frame.select(*schema.names, *raw, *extra)
