"""The rows that two sets of files do not share, found without reading what is equal.

Files that both sides have are passed over, then partitions of equal digest, then row groups without a symbol
of an unequal partition; what is left is decoded, and rows that both sides have cancel out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from lakehouse.partitions.arrays import empty_table, int64_array, integers, times_of
from lakehouse.partitions.digest import row_hashes
from lakehouse.partitions.keys import HIGH, LOW, ROW
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.partition_digests import Partition, footers_of, partition_digests, period_of
from lakehouse.partitions.reading import read_stored, to_reader_types
from lakehouse.partitions.selection import Selection
from lakehouse.partitions.sorting import Symbols, sort_order
from lakehouse.partitions.state import TableState
from lakehouse.partitions.threads import flow
from lakehouse.schema import SEQUENCE, TableSchema, stored_schema
from lakehouse.times import Interval


@dataclass(frozen=True, slots=True)
class Wanted:
    """The rows that a question is about."""

    symbols: tuple[str, ...] | None = None
    """sorted; None for all"""
    interval: Interval = field(default_factory=Interval)
    """half open"""


@dataclass(frozen=True, slots=True)
class Unequal:
    """What is left when equal rows have cancelled out, in the order (symbol, time, arrival)."""

    old: pa.Table
    """rows of the first side alone, in the types that readers get"""
    new: pa.Table
    """rows of the second side alone"""


EVERYTHING = Wanted()
_NET = "_net"
_NO_HASHES = pl.DataFrame(schema={LOW: pl.UInt64, HIGH: pl.UInt64})


@dataclass(frozen=True, slots=True)
class _Piece:
    """What has to be read of one file."""

    period: int | None
    side: Literal[0, 1]
    selection: Selection


def unequal_rows(old: TableState, new: TableState, wanted: Wanted = EVERYTHING) -> Unequal:
    """Return the rows of each of two states that the other does not have, copy by copy.

    Args:
        old: a state, or a part of one; it is read in the schema of `new`.
        new: another of the same product.
        wanted: the rows that matter; of others there may be more or fewer.

    Raises:
        IntegrityError: a file that has to be read is missing or altered.
    """
    shared = {file.path for file in old.files} & {file.path for file in new.files}
    # Periods of two layouts do not compare; without a layout there is one, and symbols are compared.
    layout = new.layout if old.layout == new.layout else None
    left, right = (_narrowed(state, shared, new.schema, layout, wanted) for state in (old, new))
    unequal = _unequal_partitions(left, right, wanted)
    pieces = [*_pieces(left, 0, unequal, wanted.interval), *_pieces(right, 1, unequal, wanted.interval)]
    pieces.sort(key=lambda piece: piece.period or 0)
    gone, come = _cancelled((left, right), pieces, wanted.interval)
    return Unequal(_in_order(new.schema, gone), _in_order(new.schema, come))


def _narrowed(
    state: TableState, shared: set[str], schema: TableSchema, layout: Layout | None, wanted: Wanted
) -> TableState:
    """Return a state of the files that matter, in the later schema."""
    files = tuple(
        file
        for file in state.files
        if file.path not in shared and file.may_hold(wanted.symbols, wanted.interval)
    )
    return TableState(state.store, state.name, state.major, state.version, schema, layout, files)


def _unequal_partitions(old: TableState, new: TableState, wanted: Wanted) -> set[Partition]:
    before, after = partition_digests(old), partition_digests(new)
    differ = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    if wanted.symbols is None or new.schema.symbol is None:
        return differ
    symbols = set(wanted.symbols)
    return {partition for partition in differ if partition.symbol in symbols}


def _pieces(
    state: TableState, side: Literal[0, 1], unequal: Collection[Partition], interval: Interval
) -> Iterator[_Piece]:
    """Yield the pieces of each file whose partition is unequal."""
    for file, footer in footers_of(state, state.files):
        period = period_of(state, file)
        codes = [code for code, symbol in enumerate(footer.symbols) if Partition(symbol, period) in unequal]
        keep = np.isin(footer.code, codes) & (footer.first < interval.end) & (footer.last >= interval.start)
        if keep.any():
            yield _Piece(period, side, Selection(file, footer, np.flatnonzero(keep)))


def _cancelled(
    sides: Sequence[TableState], pieces: Sequence[_Piece], interval: Interval
) -> tuple[list[pa.Table], list[pa.Table]]:
    """Decode pieces, one period after the other, and keep for each side what the other does not have."""
    names = sides[1].schema.names

    def read(piece: _Piece) -> tuple[_Piece, pa.Table, pl.DataFrame]:
        rows = read_stored(sides[piece.side], [piece.selection], interval)
        low, high = row_hashes(rows.select(names))
        return piece, rows, pl.DataFrame({LOW: low, HIGH: high})

    kept: tuple[list[pa.Table], list[pa.Table]] = ([], [])
    for _, found in groupby(flow(read, pieces), key=lambda found: found[0].period):
        group = list(found)
        surplus = _surplus(*(_hashes(group, side) for side in (0, 1)))
        for side in (0, 1):
            keep = _kept(_hashes(group, side), surplus, sign=(-1, 1)[side])
            kept[side].extend(_filtered([rows for piece, rows, _ in group if piece.side == side], keep))
    return kept


def _hashes(group: Sequence[tuple[_Piece, pa.Table, pl.DataFrame]], side: int) -> pl.DataFrame:
    return pl.concat([_NO_HASHES, *(hashes for piece, _, hashes in group if piece.side == side)])


def _surplus(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Return the contents that one side has more often, and how much more often the new one has them."""
    both = [old.with_columns(pl.lit(-1).alias(_NET)), new.with_columns(pl.lit(1).alias(_NET))]
    return pl.concat(both).group_by(LOW, HIGH).agg(pl.col(_NET).sum()).filter(pl.col(_NET) != 0)


def _kept(hashes: pl.DataFrame, surplus: pl.DataFrame, *, sign: int) -> npt.NDArray[np.bool_]:
    """Say which rows of a side are left: of equal ones as many as the other side lacks."""
    keep = np.zeros(len(hashes), np.bool_)
    more = surplus.filter(pl.col(_NET) * sign > 0)
    if not more.is_empty():
        left = hashes.with_row_index(ROW).join(more, on=[LOW, HIGH])
        copy = pl.int_range(pl.len()).over(LOW, HIGH)
        keep[left.filter(copy < pl.col(_NET).abs())[ROW].to_numpy()] = True
    return keep


def _filtered(tables: Sequence[pa.Table], keep: npt.NDArray[np.bool_]) -> Iterator[pa.Table]:
    """Cut the rows that are kept out of the tables one after the other."""
    start = 0
    for table in tables:
        picked = np.flatnonzero(keep[start : start + table.num_rows])
        start += table.num_rows
        if len(picked):
            yield table.take(int64_array(picked))


def _in_order(schema: TableSchema, tables: Sequence[pa.Table]) -> pa.Table:
    """Put rows as they are stored into the total order, and give them the types of readers."""
    stored = stored_schema(schema)
    rows = pa.concat_tables([table.cast(stored) for table in (empty_table(stored), *tables)])
    symbols = Symbols.of(rows.column(schema.symbol) if schema.symbol else None, rows.num_rows)
    ranks = integers(rows.column(SEQUENCE)) if schema.has_sequence else None
    order = sort_order(symbols.codes, times_of(rows, schema), ranks)
    rows = rows if order is None else rows.take(int64_array(order))
    return to_reader_types(rows, schema, schema.names)
