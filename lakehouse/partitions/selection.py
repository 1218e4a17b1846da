"""From a table state to the pieces of its files that a question needs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lakehouse.partitions.arrays import distinct
from lakehouse.partitions.footers import Footer, footer_of
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.partitions.threads import in_worker, workers
from lakehouse.times import Interval

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Selection:
    """The pieces of one file that a question needs."""

    file: DataFile
    """the file"""
    footer: Footer
    """its parsed footer"""
    pieces: Integers
    """positions in the footer's pieces, rising"""

    @property
    def symbols(self) -> list[str]:
        """The symbols of the pieces."""
        return [self.footer.symbols[code] for code in distinct(self.footer.code[self.pieces])]

    @property
    def groups(self) -> list[int]:
        """The row groups that hold the pieces."""
        return [int(group) for group in distinct(self.footer.group[self.pieces])]


def whole(selection: Selection) -> Selection:
    """Return a selection of every piece of the same file."""
    return Selection(selection.file, selection.footer, np.arange(len(selection.footer.code)))


def select_pieces(state: TableState, symbols: Sequence[str] | None, interval: Interval) -> list[Selection]:
    """Return the pieces that may hold rows of `symbols` (None: all) in `interval`."""
    files = state.select(symbols, interval)
    wanted = None if symbols is None else set(symbols)
    chosen = []
    side_by_side = map if in_worker() else workers().map
    footers = side_by_side(lambda f: footer_of(state.store, f, state.schema.time), files)
    for file, footer in zip(files, footers, strict=True):
        keep = (footer.first < interval.end) & (footer.last >= interval.start)
        if wanted is not None and state.schema.symbol:
            asked = np.zeros(len(footer.symbols), np.bool_)
            asked[_positions(footer.symbols, wanted)] = True
            keep &= asked[footer.code]
        pieces = np.flatnonzero(keep)
        if len(pieces):
            chosen.append(Selection(file, footer, pieces))
    return chosen


def _positions(symbols: Sequence[str], wanted: Collection[str]) -> list[int]:
    """Return where the wanted symbols stand among sorted ones."""
    found = ((bisect_left(symbols, symbol), symbol) for symbol in wanted)
    return [place for place, symbol in found if place < len(symbols) and symbols[place] == symbol]
