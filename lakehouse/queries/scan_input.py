"""The rows of a product as kernels read them: decoded when they are asked for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.errors import ArgumentError
from lakehouse.partitions.selection import Selection, select_pieces
from lakehouse.queries.buckets import Pieces
from lakehouse.queries.gathering import Wanted, gather
from lakehouse.queries.inputs import Input
from lakehouse.queries.rows import Integers, Rows
from lakehouse.queries.scan import Scan
from lakehouse.schema import arrow_schema
from lakehouse.store import open_store
from lakehouse.times import Interval


class ScanInput(Input):
    """Rows of a product, decoded when they are asked for."""

    def __init__(self, scan: Scan) -> None:
        """Choose the pieces of a scan.

        Raises:
            ArgumentError: the product has no time column.
            NotFoundError: a symbol that was asked for has no row.
        """
        schema = scan.state.schema
        if schema.time is None:
            raise ArgumentError(f"{scan.state.name} has no time column, which this needs.")
        self._state, self._interval, self._selections = scan.state, scan.interval, scan.selections()
        self.symbol, self.time, self.names = schema.symbol, schema.time, scan.columns
        self.schema = arrow_schema(schema)

    @cached_property
    def _owned(self) -> tuple[Pieces, Integers, Integers]:
        """Return the pieces, and for each the selection and the position in its footer."""
        names = sorted({symbol for selection in self._selections for symbol in selection.symbols})
        rank = {symbol: code for code, symbol in enumerate(names)}
        parts: list[tuple[Any, ...]] = []
        groups = 0
        for number, selection in enumerate(self._selections):
            footer, piece = selection.footer, selection.pieces
            table = np.array([rank.get(symbol, -1) for symbol in footer.symbols], np.int64)
            where = np.full(len(piece), number, np.int64)
            group = footer.group[piece] + groups
            groups += len(footer.group_starts) - 1
            bounds = footer.rows[piece], footer.first[piece], footer.last[piece]
            parts.append((table[footer.code[piece]], *bounds, group, where, piece))
        columns = [np.concatenate([np.zeros(0, np.int64), *(part[i] for part in parts)]) for i in range(7)]
        order = np.argsort(columns[0], kind="stable")
        code, rows, first, last, group, where, piece = (column[order] for column in columns)
        return Pieces(tuple(names), code, rows, first, last, group), where, piece

    @property
    def pieces(self) -> Pieces:
        """See `Input.pieces`."""
        return self._owned[0]

    def load(self, wanted: Wanted) -> Rows:
        """See `Input.load`."""
        inside = Interval(
            max(wanted.interval.start, self._interval.start), min(wanted.interval.end, self._interval.end)
        )
        chosen = self.chosen(wanted.symbols, inside) if inside.start < inside.end else []
        if not chosen:
            return self._nothing(wanted)
        return gather(self._state, chosen, replace(wanted, interval=inside))

    def chosen(self, symbols: Sequence[str], interval: Interval) -> list[Selection]:
        """Return the pieces that may hold rows of some symbols in an interval."""
        mine = self._positions(symbols)
        pieces = self.pieces
        mine = mine[(pieces.first[mine] < interval.end) & (pieces.last[mine] >= interval.start)]
        return self.selected(mine)

    def selected(self, positions: Integers) -> list[Selection]:
        """Return selections of pieces by their positions in `pieces`."""
        _, where, piece = self._owned
        found = []
        for number in np.unique(where[positions]).tolist():
            selection = self._selections[number]
            mine = np.sort(piece[positions[where[positions] == number]])
            found.append(Selection(selection.file, selection.footer, mine))
        return found

    def part(self, symbols: Sequence[str]) -> ScanInput:
        """See `Input.part`."""
        mine = ScanInput.__new__(ScanInput)
        mine.__dict__.update({key: value for key, value in self.__dict__.items() if key != "_owned"})
        mine._selections = self.selected(self._positions(symbols))
        return mine

    def __getstate__(self) -> dict[str, Any]:
        """Send where the files are, and no footer, row or connection."""
        known = {key: value for key, value in self.__dict__.items() if key not in ("_owned", "_selections")}
        files = tuple(selection.file for selection in self._selections)
        known["_state"] = replace(self._state, store=None, files=files)  # type: ignore[arg-type]
        symbols = None if self.symbol is None else self.pieces.symbols
        return known | {"url": self._state.store.url, "symbols": symbols}

    def __setstate__(self, known: dict[str, Any]) -> None:
        """Open the store anew, and read the footers of the files."""
        url, symbols = known.pop("url"), known.pop("symbols")
        self.__dict__.update(known)
        self._state = replace(self._state, store=open_store(url))
        self._selections = select_pieces(self._state, symbols, self._interval)

    def _positions(self, symbols: Sequence[str]) -> Integers:
        """Return the pieces of sorted symbols."""
        pieces = self.pieces
        codes = ((bisect_left(pieces.symbols, symbol), symbol) for symbol in symbols)
        known = [code for code, symbol in codes if pieces.symbols[code : code + 1] == (symbol,)]
        lows, highs = (np.searchsorted(pieces.code, known, side) for side in ("left", "right"))
        spans = [np.arange(low, high) for low, high in zip(lows, highs, strict=True)]
        return np.concatenate([np.zeros(0, np.int64), *spans])

    def _nothing(self, wanted: Wanted) -> Rows:
        columns = {name: np.zeros(0, np.float64) for name in wanted.columns}
        carried = {name: pa.chunked_array([], self.schema.field(name).type) for name in wanted.carried}
        none = np.zeros(0, np.int64)
        return Rows(wanted.symbols, np.zeros(len(wanted.symbols) + 1, np.int64), none, columns, carried)
