"""The same questions to polars, deltalake and DuckDB, on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import deltalake
import duckdb
import polars as pl
import pyarrow.compute as pc

import lakehouse
from lakehouse.times import to_nanoseconds

Question = Callable[[], object]


def reading_peers(
    product: lakehouse.Product, symbol: str, bounds: tuple[str, str] | None, folder: Path
) -> Mapping[str, Question]:
    """Return the reading of one symbol, whole or within [start, end), by each peer.

    polars reads hive folders of its own, written here where they are not there yet; deltalake and DuckDB
    read the lake's files, of which DuckDB is given the list.
    """
    return {
        "polars over hive Parquet": _polars(product, symbol, bounds, folder),
        "deltalake over the same files": _deltalake(product, symbol, bounds),
        "DuckDB over the same files": _duckdb(product, symbol, bounds),
    }


def _polars(
    product: lakehouse.Product, symbol: str, bounds: tuple[str, str] | None, folder: Path
) -> Question:
    if not folder.exists():
        frame = product.read().to_polars().with_columns(year=pl.col("time").dt.year())
        frame.lazy().sink_parquet(pl.PartitionBy(folder, key=["symbol", "year"]), mkdir=True)
    chosen = pl.col("symbol") == symbol
    if bounds is not None:
        start, end = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in bounds)
        chosen &= (pl.col("time") >= start) & (pl.col("time") < end)
    return pl.scan_parquet(f"{folder}/**/*.parquet", hive_partitioning=True).filter(chosen).collect


def _deltalake(product: lakehouse.Product, symbol: str, bounds: tuple[str, str] | None) -> Question:
    table = deltalake.DeltaTable(f"{product.table.store.url}/{product.table.path}")
    chosen = pc.field("symbol") == symbol
    if bounds is not None:
        first, last = map(to_nanoseconds, bounds)
        chosen &= (pc.field("time") >= first) & (pc.field("time") < last)
    return lambda: table.to_pyarrow_dataset().to_table(filter=chosen)


def _duckdb(product: lakehouse.Product, symbol: str, bounds: tuple[str, str] | None) -> Question:
    state = product.state()
    files = [str(state.store.local_path(file.path)) for file in state.files]
    text = "select * from read_parquet($1) where symbol = $2"
    if bounds is not None:
        first, last = map(to_nanoseconds, bounds)
        text += f" and time >= {first} and time < {last}"
    connection = duckdb.connect()
    return lambda: connection.sql(f"{text} order by time", params=[files, symbol]).to_arrow_table()
