"""From a table state to the pieces of its files that a question needs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.cached import cached_property
from lakehouse.partitions.arrays import distinct
from lakehouse.partitions.footers import Footer
from lakehouse.partitions.index.answers import Runs
from lakehouse.partitions.index.live import Found
from lakehouse.partitions.index.pinned import live_of
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.times import Interval

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """The pieces of one file that a question needs."""

    file: DataFile
    """the file"""
    footer: Footer
    """its parsed footer"""
    pieces: Integers
    """positions in the footer's pieces, rising"""

    @property
    def stored(self) -> bool:
        """Whether the rows lie in a data file; else they are in memory, and not sealed yet."""
        return bool(self.file.sha256)

    @cached_property
    def symbols(self) -> list[str]:
        """The symbols of the pieces."""
        return [self.footer.symbols[code] for code in distinct(self.footer.code[self.pieces])]

    @cached_property
    def groups(self) -> list[int]:
        """The row groups that hold the pieces."""
        groups: list[int] = distinct(self.footer.group[self.pieces]).tolist()
        return groups


def whole(selection: Selection) -> Selection:
    """Return a selection of every piece of the same file."""
    return Selection(selection.file, selection.footer, np.arange(len(selection.footer.code)))


def select_pieces(state: TableState, symbols: Sequence[str] | None, interval: Interval) -> list[Selection]:
    """Return the pieces that may hold rows of `symbols` (None: all) in `interval`, in the order of the files.

    Those of rows that are not sealed yet come last, where the state has some.

    Raises:
        IntegrityError: a footer that the index does not know can not be read.
    """
    wanted = _wanted(state, symbols)
    files = live_of(state.files)
    found = files.choose(state.store, state.schema.time, wanted, interval)
    return [*_selections(found, wanted, interval), *select_unsealed(state, symbols, interval)]


def select_unsealed(state: TableState, symbols: Sequence[str] | None, interval: Interval) -> list[Selection]:
    """Return the pieces of rows in memory alone; see `select_pieces`."""
    if state.tail is None:
        return []
    wanted = _wanted(state, symbols)
    return _selections(state.tail.runs(wanted, interval), wanted, interval)


def select_ends(
    state: TableState, symbols: Sequence[str] | None, count: int, *, last: bool
) -> list[Selection]:
    """Return pieces among which are all that may hold one of the first or last `count` rows of a symbol.

    Raises:
        IntegrityError: a footer that the index does not know can not be read.
    """
    wanted = _wanted(state, symbols)
    found = live_of(state.files).nearest(state.store, state.schema.time, wanted, count, last=last)
    return [*_selections(found, wanted, Interval()), *select_unsealed(state, symbols, Interval())]


def answer_runs(
    state: TableState, symbols: Sequence[str] | None, interval: Interval, kinds: Mapping[str, np.dtype[Any]]
) -> tuple[list[Runs], list[Selection]]:
    """Return the runs whose rows all lie in the interval and whose ranges the index knows, and the rest.

    Args:
        state: the version.
        symbols: None for all.
        interval: half open.
        kinds: float64 or int64 for each column whose ranges are asked for.

    Raises:
        IntegrityError: a footer that the index does not know can not be read.
    """
    wanted = _wanted(state, symbols)
    files = live_of(state.files)
    known, rest = files.answer(state.store, state.schema.time, wanted, interval, kinds)
    return known, [*_selections(rest, wanted, interval), *select_unsealed(state, symbols, interval)]


def _wanted(state: TableState, symbols: Sequence[str] | None) -> list[str] | None:
    return None if symbols is None or state.schema.symbol is None else sorted(set(symbols))


def _selections(found: Sequence[Found], wanted: Sequence[str] | None, interval: Interval) -> list[Selection]:
    chosen = []
    for file, footer, known in found:
        pieces = _pieces(footer, wanted, interval) if known is None else known
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
