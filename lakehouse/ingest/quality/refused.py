"""Find the refused rows of a range: what lies in quarantine, and was not replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from lakehouse.errors import ArgumentError, SchemaError
from lakehouse.ingest.gate import gate
from lakehouse.ingest.prepare import BROKE
from lakehouse.ingest.quality.stored import PARTITION, period_column, times_ns
from lakehouse.ingest.quarantine import as_it_came, load_refused, refusals, replay_key
from lakehouse.partitions.reading import to_reader_types
from lakehouse.times import MIN_NS, Interval, to_nanoseconds

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.catalog.contract import Contract
    from lakehouse.partitions.state import TableState
    from lakehouse.partitions.table import Table


def count_refused(
    table: Table,
    state: TableState,
    contract: Contract,
    symbols: Sequence[str] | None,
    interval: Interval,
) -> tuple[pl.DataFrame, Counter[str]]:
    """Return the counts of refused rows by partition, and how many broke each rule.

    A row whose symbol or time can not be read belongs to every range; its partition is null. Times that came
    without a zone are taken for UTC. Commits older than the range can hold none of its rows, and are not
    opened.

    Raises:
        IntegrityError: a quarantine file is missing or altered.
    """
    parts, broken = [], Counter[str]()
    for commit, file in refusals(table):
        if interval.start > MIN_NS and to_nanoseconds(commit.time) < interval.start:
            break
        if commit.version > state.version or replay_key(commit.version) in state.transactions:
            continue
        rows = load_refused(table, file)
        places = _places(rows, state, contract)
        inside = _inside(places, symbols, interval)
        broken.update(_broken(rows, inside))
        parts.append(places.filter(inside))
    return _by_partition(parts), broken


def _places(rows: pa.Table, state: TableState, contract: Contract) -> pl.DataFrame:
    """Return symbol, period and time (nanoseconds) of refused rows, null where nobody can read them."""
    schema = contract.schema
    places = pl.DataFrame(
        {
            name: pl.repeat(None, rows.num_rows, dtype=dtype, eager=True)
            for name, dtype in (("symbol", pl.String), ("period", pl.Date), ("time", pl.Int64))
        }
    )
    try:
        gated = gate(as_it_came(rows), schema, time_zone="UTC")
    except (SchemaError, ArgumentError):  # a frame of another shape: a later contract has other columns
        return places
    names = [name for name in schema.names if name in (schema.symbol, schema.time)]
    frame = pl.DataFrame(to_reader_types(gated.rows, schema, names))
    if schema.symbol is not None:
        places = places.with_columns(symbol=frame[schema.symbol])
    if schema.time is None:
        return places
    known = frame[schema.time].is_not_null()
    instants = times_ns(frame.with_columns(pl.col(schema.time).fill_null(strategy="zero")), schema)
    places = places.with_columns(period=period_column(instants, state), time=pl.Series(instants))
    return places.with_columns(pl.when(known).then(pl.col("period", "time")))


def _inside(places: pl.DataFrame, symbols: Sequence[str] | None, interval: Interval) -> pl.Series:
    """Say which rows belong to a range: unless it is known that they do not."""
    time = pl.col("time")
    inside = ((time >= interval.start) & (time < interval.end)).fill_null(value=True)
    if symbols is not None:
        inside = inside & pl.col("symbol").is_in(list(symbols)).fill_null(value=True)
    return places.select(inside.alias("inside"))["inside"]


def _broken(rows: pa.Table, inside: pl.Series) -> dict[str, int]:
    """Return how many of the rows inside broke each rule."""
    chosen = inside.to_numpy()
    return {
        name.removeprefix(BROKE): int(
            np.count_nonzero(rows.column(name).to_numpy().astype(np.bool_) & chosen)
        )
        for name in rows.column_names
        if name.startswith(BROKE)
    }


def _by_partition(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    if not parts:
        return pl.DataFrame(schema=PARTITION)
    count = pl.len().cast(pl.Int64)
    grouped = pl.concat(parts).group_by("symbol", "period").agg(count.alias("refused"), count.alias("failed"))
    return grouped.with_columns(stored=pl.lit(0, pl.Int64)).select(*PARTITION)
