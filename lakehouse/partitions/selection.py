"""From a table state to the pieces of its files that a question needs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lakehouse.partitions.arrays import distinct
from lakehouse.partitions.footers import Footer
from lakehouse.partitions.index.live import LiveFiles
from lakehouse.partitions.state import DataFile, TableState
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
    """Return the pieces that may hold rows of `symbols` (None: all) in `interval`, in the order of the files.

    Raises:
        IntegrityError: a footer that the index does not know can not be read.
    """
    wanted = None if symbols is None or state.schema.symbol is None else sorted(set(symbols))
    files = LiveFiles.of(state.files)
    chosen = []
    for file, footer, found in files.choose(state.store, state.schema.time, wanted, interval):
        pieces = _pieces(footer, wanted, interval) if found is None else found
        if len(pieces):
            chosen.append(Selection(file, footer, pieces))
    return chosen


def _pieces(footer: Footer, wanted: Sequence[str] | None, interval: Interval) -> Integers:
    """Return the pieces of one footer that may hold rows of the wanted symbols."""
    keep = (footer.first < interval.end) & (footer.last >= interval.start)
    if wanted is not None:
        asked = np.zeros(len(footer.symbols), np.bool_)
        asked[_positions(footer.symbols, wanted)] = True
        keep &= asked[footer.code]
    return np.flatnonzero(keep)


def _positions(symbols: Sequence[str], wanted: Collection[str]) -> list[int]:
    """Return where the wanted symbols stand among sorted ones."""
    found = ((bisect_left(symbols, symbol), symbol) for symbol in wanted)
    return [place for place, symbol in found if place < len(symbols) and symbols[place] == symbol]
