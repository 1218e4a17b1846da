"""Decoded rows of a tail, so kept that those of a few symbols are found without comparing texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.cached import cached_property
from lakehouse.partitions.arrays import Integers, int64_array, times_of
from lakehouse.partitions.tail.ends import Ends
from lakehouse.partitions.tail.packing import Booleans, Rows
from lakehouse.schema import TableSchema
from lakehouse.times import Interval


class Piece:
    """Rows of one segment that follow each other."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.first, self.last = rows.first, rows.last

    def select(
        self,
        schema: TableSchema,
        arrow: pa.Schema,
        mark: int,
        symbols: Sequence[str] | None,
        interval: Interval | None,
        ends: Ends | None = None,
    ) -> pa.Table | None:
        """Return the rows above a watermark that are asked for; None where there are none.

        Args:
            schema: of the version that is read.
            arrow: its columns, in stored types.
            mark: number of the last row that is sealed.
            symbols: None for all.
            interval: None for all times.
            ends: None for all rows of a symbol.
        """
        keep = self._kept(schema, symbols, interval)
        start = max(0, mark + 1 - self.first)
        if keep is None and ends is None:
            return self._conformed(self.rows.batch.slice(start), arrow)
        picked = np.arange(start, self.rows.batch.num_rows)
        if keep is not None:
            picked = np.flatnonzero(keep[start:]) + start
        if ends is not None:
            picked = self._ends(picked, schema, ends)
        if not len(picked):
            return None
        return self._conformed(self.rows.batch.take(int64_array(picked)), arrow)

    def above(self, mark: int, arrow: pa.Schema) -> pa.Table:
        """Return all rows above a watermark, also those that break a rule, in the columns of a schema."""
        return self._conformed(self.rows.batch.slice(max(0, mark + 1 - self.first)), arrow)

    def _kept(
        self, schema: TableSchema, symbols: Sequence[str] | None, interval: Interval | None
    ) -> Booleans | None:
        """Say which rows are asked for; None for all."""
        found = [] if self.rows.refused is None else [~self.rows.refused]
        if symbols is not None and schema.symbol is not None:
            found.append(self._of(schema.symbol, symbols))
        times = None if interval is None else times_of(self.rows.batch, schema)
        if interval is not None and times is not None:
            found.append((times >= interval.start) & (times < interval.end))
        return np.logical_and.reduce(found) if found else None

    def _ends(self, picked: Integers, schema: TableSchema, ends: Ends) -> Integers:
        codes = None if schema.symbol is None else self._symbols(schema.symbol)[1][picked]
        times = times_of(self.rows.batch, schema)
        return ends.pick(picked, codes, None if times is None else times[picked])

    def _of(self, column: str, symbols: Sequence[str]) -> Booleans:
        places, codes = self._symbols(column)
        wanted = [places[symbol] for symbol in symbols if symbol in places]
        if len(wanted) == 1:
            same: Booleans = codes == wanted[0]
            return same
        known = np.zeros(len(places) + 1, np.bool_)
        known[wanted] = True
        several: Booleans = known[codes]
        return several

    def _symbols(self, column: str) -> tuple[dict[str, int], npt.NDArray[Any]]:
        return self._coded[column] if column in self._coded else self._code(column)

    @cached_property
    def _coded(self) -> dict[str, tuple[dict[str, int], npt.NDArray[Any]]]:
        return {}

    def _code(self, column: str) -> tuple[dict[str, int], npt.NDArray[Any]]:
        encoded = self.rows.batch.column(self.rows.batch.schema.get_field_index(column)).dictionary_encode()
        places = {text: place for place, text in enumerate(encoded.dictionary.to_pylist())}
        codes = np.frombuffer(
            encoded.indices.buffers()[1], np.int32, len(encoded), encoded.indices.offset * 4
        )
        valid = codes if not encoded.null_count else np.where(_valid(encoded.indices), codes, len(places))
        self._coded[column] = places, valid
        return places, valid

    def _conformed(self, batch: pa.RecordBatch, arrow: pa.Schema) -> pa.Table:
        """Return the columns of a version; those that the segment does not have are null."""
        columns = [
            batch.column(place)
            if (place := batch.schema.get_field_index(field.name)) >= 0
            else pa.nulls(batch.num_rows, field.type)
            for field in arrow
        ]
        return pa.Table.from_arrays(columns, schema=arrow)


def merged(pieces: list[Piece]) -> list[Piece]:
    """Return fewer pieces of the same rows: each at least twice as long as the next, where rows follow.

    So a row is copied a few times in all, and many small writes become a few pieces.
    """
    kept: list[Piece] = []
    for piece in pieces:
        kept.append(piece)
        while len(kept) > 1 and _belong_together(kept[-2], kept[-1]):
            later = kept.pop()
            kept[-1] = _joined(kept[-1], later)
    return kept


def _belong_together(earlier: Piece, later: Piece) -> bool:
    follows = earlier.last + 1 == later.first
    return follows and earlier.rows.batch.num_rows < 2 * later.rows.batch.num_rows


def _joined(earlier: Piece, later: Piece) -> Piece:
    batch = pa.concat_batches([earlier.rows.batch, later.rows.batch])
    if earlier.rows.refused is None and later.rows.refused is None:
        return Piece(Rows(earlier.first, batch))
    return Piece(Rows(earlier.first, batch, np.concatenate([_flags(earlier), _flags(later)])))


def _flags(piece: Piece) -> Booleans:
    found = piece.rows.refused
    return np.zeros(piece.rows.batch.num_rows, np.bool_) if found is None else found


def _valid(array: pa.Array) -> Booleans:
    bits = np.unpackbits(np.frombuffer(array.buffers()[0], np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)].astype(np.bool_)
