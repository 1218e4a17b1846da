"""Rows of a tail that share a key with each other, or with stored rows: what sealing would make of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lakehouse.partitions.arrays import take_rows, times_of
from lakehouse.partitions.keys import find_repeats, key_columns
from lakehouse.partitions.reading import decode, to_reader_types
from lakehouse.partitions.selection import select_pieces
from lakehouse.partitions.sorting import Symbols
from lakehouse.times import MAX_NS, Interval

if TYPE_CHECKING:
    import polars as pl

    from lakehouse.partitions.state import TableState

_ROW = "_row"


def settled(state: TableState, parts: Sequence[pa.Table]) -> pa.Table:
    """Return the rows that would land if every writer sealed now, in the order of the parts.

    Of equal rows one lands. Rows of a writer that give a key different values all go to quarantine, as nobody
    can say which is right; so does a row whose key is stored with other values, or came from another writer.
    Where the key has no time, all stored rows of the symbols are compared; no symbol either, all rows.

    Args:
        state: the version.
        parts: rows of each writer, stored types, in order of arrival.

    Raises:
        IntegrityError: a file is missing or altered.
    """
    schema = state.schema
    rows = pa.concat_tables([_without_repeats(part, schema.key) for part in parts])
    if not rows.num_rows:
        return rows
    key = list(schema.key)
    keys = key_columns(to_reader_types(rows, schema, key), key).with_row_index(_ROW)
    kept = keys.unique(key, keep="first", maintain_order=True)
    stored = _stored_keys(state, rows)
    if stored is not None:
        kept = kept.join(stored, on=key, how="anti", maintain_order="left")
    return rows if len(kept) == rows.num_rows else take_rows(rows, kept[_ROW].to_numpy().astype(np.int64))


def _without_repeats(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    repeats = find_repeats(rows, key)
    out = repeats.duplicates | repeats.conflicts
    return take_rows(rows, np.flatnonzero(~out)) if out.any() else rows


def _stored_keys(state: TableState, rows: pa.Table) -> pl.DataFrame | None:
    """Return the keys of the stored rows that may be among those of some rows; None for no such rows."""
    schema = state.schema
    times = times_of(rows, schema) if schema.time in schema.key else None
    interval = Interval() if times is None else Interval(int(times.min()), min(MAX_NS, int(times.max()) + 1))
    symbols = None
    if schema.symbol is not None and schema.symbol in schema.key:
        symbols = Symbols.of(rows.column(schema.symbol), rows.num_rows).names
    selections = select_pieces(state, symbols, interval)
    if not selections:
        return None
    return key_columns(decode(state, selections, interval, schema.key), schema.key)
