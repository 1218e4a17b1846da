"""The rows of a product as kernels read them: decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.cached import cached_property
from lakehouse.errors import ArgumentError
from lakehouse.partitions.selection import Selection, select_pieces
from lakehouse.partitions.sorting import run_starts
from lakehouse.partitions.unsealed import SentRuns
from lakehouse.queries.buckets import Pieces
from lakehouse.queries.gathering import Wanted, codes_of, gather
from lakehouse.queries.inputs import Input
from lakehouse.queries.rows import Integers, Rows
from lakehouse.queries.scan import Scan
from lakehouse.schema import arrow_schema
from lakehouse.store import open_store
from lakehouse.times import MAX_NS, MIN_NS, Interval


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
        names = tuple(sorted({symbol for selection in self._selections for symbol in selection.symbols}))
        parts: list[tuple[Any, ...]] = []
        groups = 0
        for number, selection in enumerate(self._selections):
            footer, piece = selection.footer, selection.pieces
            where = np.full(len(piece), number, np.int64)
            group = footer.group[piece] + groups
            groups += len(footer.group_starts) - 1
            bounds = footer.rows[piece], footer.first[piece], footer.last[piece]
            parts.append((codes_of(selection, names), *bounds, group, where, piece))
        columns = [np.concatenate([np.zeros(0, np.int64), *(part[i] for part in parts)]) for i in range(7)]
        order = np.argsort(columns[0], kind="stable")
        code, rows, first, last, group, where, piece = (column[order] for column in columns)
        return Pieces(names, code, rows, first, last, group), where, piece

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
        wanted = replace(wanted, interval=inside)
        return gather(self._state, chosen, wanted) if chosen else self._nothing(wanted)

    def chosen(self, symbols: Sequence[str], interval: Interval) -> list[Selection]:
        """Return the pieces that may hold rows of some symbols in an interval."""
        pieces = self.pieces
        mine = pieces.of(symbols)
        mine = mine[(pieces.first[mine] < interval.end) & (pieces.last[mine] >= interval.start)]
        return self.selected(mine)

    def selected(self, positions: Integers) -> list[Selection]:
        """Return selections of pieces by their positions in `pieces`."""
        _, where, piece = self._owned
        number, mine = where[positions], piece[positions]
        order = np.lexsort((mine, number))
        number, mine = number[order], mine[order]
        starts = [*run_starts(number).tolist(), len(number)]
        found = []
        for low, high in pairwise(starts):
            selection = self._selections[number[low]]
            found.append(Selection(selection.file, selection.footer, mine[low:high]))
        return found

    def part(self, symbols: Sequence[str]) -> ScanInput:
        """See `Input.part`."""
        mine = ScanInput.__new__(ScanInput)
        mine.__dict__.update({key: value for key, value in self.__dict__.items() if key != "_owned"})
        mine._selections = self.selected(self.pieces.of(symbols))
        return mine

    def __getstate__(self) -> dict[str, Any]:
        """Send where the files are, rows that are not sealed yet, and no footer, stored row or connection."""
        known = {key: value for key, value in self.__dict__.items() if key not in ("_owned", "_selections")}
        files = tuple(selection.file for selection in self._selections if selection.stored)
        runs = tuple((each.file, each.footer, None) for each in self._selections if not each.stored)
        tail = SentRuns(runs) if runs else None
        known["_state"] = replace(self._state, store=None, files=files, tail=tail)  # type: ignore[arg-type]
        symbols = None if self.symbol is None else self.pieces.symbols
        return known | {"url": self._state.store.url, "symbols": symbols}

    def __setstate__(self, known: dict[str, Any]) -> None:
        """Open the store anew, and read the footers of the files."""
        url, symbols = known.pop("url"), known.pop("symbols")
        self.__dict__.update(known)
        self._state = replace(self._state, store=open_store(url))
        self._selections = select_pieces(self._state, symbols, self._interval)

    def ends(self, symbols: Sequence[str], instant: int, wanted: Wanted, *, last: bool) -> Rows:
        """See `Input.ends`; of a symbol that is not split over files it decodes one row group."""
        inside = Interval(self._interval.start, min(instant, self._interval.end))
        if not last:
            inside = Interval(max(instant, self._interval.start), self._interval.end)
        picked = replace(wanted, symbols=tuple(symbols), interval=inside, ends="last" if last else "first")
        pieces = self.pieces
        mine = pieces.of(symbols)
        mine = mine[(pieces.first[mine] < inside.end) & (pieces.last[mine] >= inside.start)]
        near, edge = pieces.nearest(mine, last=last)
        rows = self._gathered(near, picked)
        unsure = _unsure(rows, pieces, edge, last=last)
        if not len(unsure):
            return rows
        again = np.isin(pieces.code[mine], unsure)
        return self._gathered(np.union1d(near, mine[again]), picked)

    def _gathered(self, positions: Integers, wanted: Wanted) -> Rows:
        return (
            gather(self._state, self.selected(positions), wanted) if len(positions) else self._nothing(wanted)
        )

    def _nothing(self, wanted: Wanted) -> Rows:
        columns = {name: np.zeros(0, np.float64) for name in wanted.columns}
        carried = {name: pa.chunked_array([], self.schema.field(name).type) for name in wanted.carried}
        none = np.zeros(0, np.int64)
        return Rows(wanted.symbols, np.zeros(len(wanted.symbols) + 1, np.int64), none, columns, carried)


def _unsure(rows: Rows, pieces: Pieces, edge: Integers, *, last: bool) -> Integers:
    """Return the symbols whose nearest piece had no row where its bounds admit one: they may be wide."""
    code = {symbol: place for place, symbol in enumerate(pieces.symbols)}
    found = []
    for place, symbol in enumerate(rows.symbols):
        row = int(rows.offsets[place])
        limit = edge[code[symbol]] if symbol in code else (MIN_NS if last else MAX_NS)
        there = rows.offsets[place + 1] > row
        near = there and (rows.times[row] >= limit if last else rows.times[row] <= limit)
        if symbol in code and not near and limit not in (MIN_NS, MAX_NS):
            found.append(code[symbol])
    return np.array(found, np.int64)
