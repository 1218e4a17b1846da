"""From what a caller writes to entries of the log: rows are checked, judged and packed."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.ingest.prepare import judge_rows, row_contract
from lakehouse.ingest.streaming.journal import Entry
from lakehouse.ingest.streaming.rules import RowJudge
from lakehouse.ingest.streaming.values import RowReader, as_frame, holds_columns, stored_rows
from lakehouse.partitions.arrays import int64_array, integers
from lakehouse.partitions.reading import to_reader_types
from lakehouse.partitions.tail.frames import BATCH, REFUSED_BATCH, ROWS
from lakehouse.partitions.tail.latest import Candidate
from lakehouse.partitions.tail.packing import RowFormat

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract

_BATCH_ROWS = 65_536

Packed = tuple[bytes, bytes, Candidate | None]
"""both parts of a packed row, and what it is to the last rows"""


class RowPacker:
    """Makes entries of the rows of one contract; safe to share between threads."""

    def __init__(self, contract: Contract) -> None:
        schema = contract.schema
        self._contract = row_contract(contract)
        self._reader, self._judge = RowReader(schema), RowJudge(self._contract)
        self._format = RowFormat(schema)
        self._symbol = -1 if schema.symbol is None else schema.names.index(schema.symbol)
        self._time = -1 if schema.time is None else schema.names.index(schema.time)

    def entries(self, rows: Any) -> list[Entry]:
        """Return a row, a sequence of rows, or a frame, as entries of the log.

        Raises:
            SchemaError: a row does not fit the contract, or breaks a rule of level `reject`.
        """
        if isinstance(rows, Mapping):
            packed = self._packed(rows)
            if packed is None and not holds_columns(rows):
                packed = self._packed_by_the_gate(rows)
            if packed is not None:
                fixed, texts, candidate = packed
                latest = [] if candidate is None else [candidate]
                return [Entry(ROWS, 1, [fixed], [texts], len(fixed) + len(texts), latest)]
        elif _are_rows(rows):
            return [self._many(rows)] if rows else []
        return list(self._batches(rows))

    def _packed(self, row: Mapping[str, Any]) -> Packed | None:
        """Return a row as it goes to the log; None where only the gate can judge it."""
        values = self._reader.read(row)
        if values is None:
            return None
        try:
            return self._pack(values, refused=self._judge.refuses(values))
        except (struct.error, UnicodeEncodeError):  # integers that are too large, and text that is none
            return None

    def _packed_by_the_gate(self, row: Mapping[str, Any]) -> Packed:
        stored, refused = judge_rows(as_frame(row, self._contract.schema), self._contract)
        return self._pack(stored_rows(stored)[0], refused=bool(refused[0]))

    def _pack(self, values: list[Any], *, refused: bool) -> Packed:
        symbol = values[self._symbol] if self._symbol >= 0 and not refused else None
        time = values[self._time] if self._time >= 0 else 0
        fixed, texts = self._format.pack(values, refused=refused)
        return fixed, texts, None if symbol is None else Candidate(symbol, time, 0, fixed + texts)

    def _many(self, rows: Sequence[Mapping[str, Any]]) -> Entry:
        together = self._packed_together(rows) if self._judge.needs_engine and len(rows) > 1 else None
        packed = together or [self._packed(row) or self._packed_by_the_gate(row) for row in rows]
        fixed, texts = [each[0] for each in packed], [each[1] for each in packed]
        latest = [
            candidate.at(number) for number, (_, _, candidate) in enumerate(packed) if candidate is not None
        ]
        return Entry(ROWS, len(rows), fixed, texts, sum(map(len, fixed)) + sum(map(len, texts)), latest)

    def _packed_together(self, rows: Sequence[Mapping[str, Any]]) -> list[Packed] | None:
        """Return rows that were judged as a frame; None where a value only fits by the gate."""
        read = [values for row in rows if (values := self._reader.read(row)) is not None]
        if len(read) < len(rows):
            return None
        try:
            columns = map(pa.array, zip(*read, strict=True), self._format.arrow.types)
            table = pa.Table.from_arrays(list(columns), schema=self._format.arrow)
            schema = self._contract.schema
            _, refused = judge_rows(to_reader_types(table, schema, schema.names), self._contract)
            pairs = zip(read, refused.tolist(), strict=True)
            return [self._pack(values, refused=bad) for values, bad in pairs]
        except (pa.ArrowException, OverflowError, struct.error, UnicodeEncodeError):
            return None

    def _batches(self, frame: Any) -> Iterator[Entry]:
        stored, refused = judge_rows(frame, self._contract)
        table = pa.table(stored.columns, names=stored.column_names).cast(self._format.arrow)
        table = table.combine_chunks()
        for start in range(0, table.num_rows, _BATCH_ROWS):
            batch = table.slice(start, _BATCH_ROWS).to_batches()[0]
            bad = refused[start : start + _BATCH_ROWS]
            latest, kind = self._candidates(batch, ~bad), BATCH
            if bad.any():
                batch, kind = batch.append_column("_refused", pa.array(bad)), REFUSED_BATCH
            payload = batch.serialize().to_pybytes()
            yield Entry(kind, batch.num_rows, [payload], [], len(payload), latest)

    def _candidates(self, batch: pa.RecordBatch, good: npt.NDArray[np.bool_]) -> list[Candidate]:
        """Return the last good row of each symbol."""
        rows = np.flatnonzero(good)
        if self._symbol < 0 or not len(rows):
            return []
        if self._time >= 0:
            times = integers(batch.column(self._time))[rows]
            if np.any(times[1:] < times[:-1]):
                rows = rows[np.argsort(times, kind="stable")]
        symbols = batch.column(self._symbol).dictionary_encode()
        last = np.full(len(symbols.dictionary) + 1, -1)
        codes = np.frombuffer(symbols.indices.buffers()[1], np.int32, len(symbols))
        last[codes[rows]] = rows
        picked = last[last >= 0]
        packed = [
            self._pack(values, refused=False) for values in stored_rows(batch.take(int64_array(picked)))
        ]
        numbered = zip(picked.tolist(), packed, strict=True)
        return [candidate.at(number) for number, (_, _, candidate) in numbered if candidate is not None]


def _are_rows(rows: Any) -> bool:
    if isinstance(rows, str | bytes) or not isinstance(rows, Sequence):
        return False
    return all(isinstance(row, Mapping) for row in rows)
