"""Which files of a version are worth merging, and why.

Three things make a table slow without making it wrong: many small files, files that hold the same time of the
same symbol because rows came late, and row groups that hold more than one large symbol. A file that has
none of them is left alone, so that a table that was compacted stays as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lakehouse.partitions.encoding import own_row_group
from lakehouse.partitions.footers import Footer, footer_of
from lakehouse.partitions.layout import SMALLEST_GOOD_FILE_IN_BYTES, folder_of, row_width
from lakehouse.partitions.parquet_files import most_rows
from lakehouse.partitions.state import DataFile, TableState
from lakehouse.partitions.threads import workers
from lakehouse.schema import TableSchema
from lakehouse.times import MAX_NS, MIN_NS

SMALL = "small files"
LATE = "late rows"
GROUPS = "row groups that cut no symbol"

Spans = dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Merge:
    """Files of one partition that are worth writing anew."""

    partition: str
    """the folder in the table, such as `date=2024-01-02/`; empty where the table has one partition"""
    files: tuple[DataFile, ...]
    """they go"""
    why: tuple[str, ...]
    """the reasons, in words"""
    files_after: int
    """how many files their rows will fill"""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(file.rows for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of the files."""
        return sum(file.size for file in self.files)


class Survey:
    """Looks for merges; what it read of a footer it keeps, since it is asked again after every commit."""

    def __init__(self) -> None:
        self._spans: dict[str, Spans] = {}
        self._loose: dict[str, bool] = {}

    def merges(self, state: TableState, among: Iterable[DataFile] | None = None) -> list[Merge]:
        """Return what is worth doing, partition by partition in their order.

        Args:
            state: the version.
            among: consider only these of its files; None for all.

        Raises:
            IntegrityError: a footer that has to be looked at is missing or altered.
        """
        partitions = defaultdict(list)
        for file in state.files if among is None else among:
            partitions[folder_of(file.partition)].append(file)
        return [
            merge
            for folder in sorted(partitions)
            for merge in self._merges_in(state, folder, sorted(partitions[folder], key=_place))
        ]

    def _merges_in(self, state: TableState, folder: str, files: list[DataFile]) -> Iterator[Merge]:
        """Yield the merges of one partition: overlapping files, then the small ones that are left."""
        limit, left = most_merged_rows(state.schema), set(files)
        for group in self._overlapping(state, files):
            left -= set(group)
            small = sum(is_small(file, state.schema) for file in group) > 1
            yield _merge(folder, group, (LATE, SMALL) if small else (LATE,), limit)
        small_ones = [file for file in files if file in left and is_small(file, state.schema)]
        for group in _packs(small_ones, limit):
            left -= set(group)
            yield _merge(folder, group, (SMALL,), limit)
        for file in self._loosely_grouped(state, [file for file in files if file in left]):
            yield _merge(folder, [file], (GROUPS,), limit)

    def _overlapping(self, state: TableState, files: Sequence[DataFile]) -> list[list[DataFile]]:
        """Return groups of files that hold the same time of a symbol; small ones alone make no group."""
        small = np.array([is_small(file, state.schema) for file in files], np.bool_)
        if small.all():  # they are merged in any case
            return []
        first, last = _bounds(files)
        group = np.arange(len(files))
        for place in np.flatnonzero(~small).tolist():
            near = np.flatnonzero((first < last[place]) & (last > first[place]))
            for other in near[small[near] | (near > place)].tolist():
                if group[other] != group[place] and self._overlap(state, files[place], files[other]):
                    group[group == group[other]] = group[place]
        members = (np.flatnonzero(group == number).tolist() for number in np.unique(group))
        found = [[files[place] for place in places] for places in members]
        return [each for each in found if len(each) > 1]

    def _overlap(self, state: TableState, left: DataFile, right: DataFile) -> bool:
        """Say whether two files that hold the same times hold them of the same symbol."""
        if left.min_symbol is not None and right.min_symbol is not None:
            low = max(left.min_symbol, right.min_symbol)
            high = min(left.max_symbol or "", right.max_symbol or "")
            if low > high:
                return False
            if left.min_time is None:  # in order, two files share the symbol at the border
                return low < high
        elif left.min_time is None:
            return False
        before, after = self._spans_of(state, left), self._spans_of(state, right)
        return any(
            before[symbol][0] < after[symbol][1] and after[symbol][0] < before[symbol][1]
            for symbol in before.keys() & after.keys()
        )

    def _spans_of(self, state: TableState, file: DataFile) -> Spans:
        """Return the first and last time of each symbol in a file."""
        if file.path not in self._spans:
            footer = footer_of(state.store, file, state.schema.time)
            starts = np.flatnonzero(np.diff(footer.code, prepend=-1))
            first, last = np.minimum.reduceat(footer.first, starts), np.maximum.reduceat(footer.last, starts)
            self._spans[file.path] = {
                footer.symbols[code]: (int(low), int(high))
                for code, low, high in zip(footer.code[starts].tolist(), first, last, strict=True)
            }
        return self._spans[file.path]

    def _loosely_grouped(self, state: TableState, files: Sequence[DataFile]) -> Iterator[DataFile]:
        """Yield the files with a row group in which a large symbol shares its rows with others.

        Only where a footer is a read of a few kilobytes: in a bucket it would fetch the whole file.
        """
        if state.store.connection():
            return
        able = [
            file
            for file in files
            if file.rows > own_row_group(file.rows) and file.min_symbol != file.max_symbol
        ]
        new = [file for file in able if file.path not in self._loose]
        footers = workers().map(lambda file: footer_of(state.store, file, state.schema.time), new)
        self._loose |= {file.path: _is_loose(footer) for file, footer in zip(new, footers, strict=True)}
        yield from (file for file in able if self._loose[file.path])


def most_merged_rows(schema: TableSchema) -> int:
    """Return the most rows of a file that a merge makes, which bounds its memory.

    It is half of what a file may have, so that more rows, cut into equal files, make none that is small.
    """
    return most_rows(schema) // 2


def is_small(file: DataFile, schema: TableSchema) -> bool:
    """Say whether a file is below the size that files should have, stored or as estimated by its rows.

    Rows that compress better than expected make small files of many rows, which no merge would make larger.
    """
    return max(file.size, file.rows * row_width(schema)) < SMALLEST_GOOD_FILE_IN_BYTES


def _merge(folder: str, files: Sequence[DataFile], why: tuple[str, ...], limit: int) -> Merge:
    return Merge(folder, tuple(files), why, -(-sum(file.rows for file in files) // limit))


def _packs(files: Sequence[DataFile], limit: int) -> Iterator[list[DataFile]]:
    """Yield neighbours whose rows fit one file, two or more at a time."""
    pack: list[DataFile] = []
    rows = 0
    for file in files:
        if rows + file.rows > limit:
            yield from [pack] if len(pack) > 1 else []
            pack, rows = [], 0
        pack.append(file)
        rows += file.rows
    yield from [pack] if len(pack) > 1 else []


def _bounds(files: Sequence[DataFile]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the first and last time of each file; all times for a table without them."""
    first = [MIN_NS if file.min_time is None else file.min_time for file in files]
    last = [MAX_NS if file.max_time is None else file.max_time for file in files]
    return np.array(first, np.int64), np.array(last, np.int64)


def _is_loose(footer: Footer) -> bool:
    """Say whether a row group holds a symbol that is large enough for its own, and another one."""
    rows = np.bincount(footer.code, footer.rows)
    pieces = np.bincount(footer.group)
    own = own_row_group(int(rows.sum()))
    return bool(np.any((rows[footer.code] >= own) & (pieces[footer.group] > 1)))


def _place(file: DataFile) -> tuple[int, str, str]:
    return (file.min_time or 0, file.min_symbol or "", file.path)
