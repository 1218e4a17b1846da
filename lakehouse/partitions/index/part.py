"""A sorted set of data files: where each symbol's runs of rows lie, and the facts of each file.

Files stand in the order of their commits, the runs of a file in its order, and so do its pieces. The runs of
each symbol are listed once more in the order of their times, so that a symbol and a day are two binary
searches away. A file whose footer nobody has read has one run if it has one symbol, no pieces, or is `loose`.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from lakehouse.cached import cached_property
from lakehouse.partitions.arrays import distinct
from lakehouse.partitions.index.columns import Array, Columns, Integers
from lakehouse.partitions.segments import hex_digests
from lakehouse.partitions.state import DataFile
from lakehouse.times import Interval

_MANY = 32
"""symbols from which on all texts are decoded at once, and not a few of them in a binary search each"""


class Chosen(NamedTuple):
    """One file of a selection."""

    number: int
    """of the file in its part"""
    pieces: Integers | None
    """positions among the file's pieces, rising; None where its footer has to be read"""


_FACTS = (
    "size",
    "rows",
    "shape",
    "min_symbol",
    "max_symbol",
    "timed",
    "min_time",
    "max_time",
    "column_set",
)


class Lookup(Protocol):
    """Texts by position: a tuple of them, or `Texts`."""

    def __getitem__(self, index: int, /) -> str:
        """Return one text."""


class Texts:
    """Texts in one array of bytes, decoded one by one."""

    def __init__(self, columns: Columns, name: str) -> None:
        """Take the arrays `<name>_ends` and `<name>_text`."""
        self._columns, self._name = columns, name

    def __getitem__(self, index: int) -> str:
        """Return one text."""
        start, stop = self._columns.span(f"{self._name}_ends", index, index + 2).tolist()
        return self._columns.span(f"{self._name}_text", start, stop).tobytes().decode("utf-8")

    def all(self) -> list[str]:
        """Return every text."""
        return self.between(0, len(self._columns.whole(f"{self._name}_ends")) - 1)

    def between(self, start: int, stop: int) -> list[str]:
        """Return the texts from one position up to another."""
        ends = self._columns.span(f"{self._name}_ends", start, stop + 1).tolist()
        data, first = self._columns.span(f"{self._name}_text", ends[0], ends[-1]).tobytes(), ends[0]
        if data.isascii():
            text = data.decode("ascii")
            return [text[low - first : high - first] for low, high in pairwise(ends)]
        return [data[low - first : high - first].decode("utf-8") for low, high in pairwise(ends)]


class Part:
    """Data files and their runs."""

    def __init__(
        self, columns: Columns, notes: Mapping[str, Any], discard: Callable[[], None] = lambda: None
    ) -> None:
        """Take the arrays, the short lists that they point into, and what deletes them where they lie."""
        self.columns = columns
        self.notes = notes
        self.discard = discard
        self.count = int(notes["files"])
        self.footers: dict[int, object] = {}
        self._files: dict[int, DataFile] = {}

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol that a run or a range names, sorted."""
        return tuple(Texts(self.columns, "symbol").all())

    @cached_property
    def _places(self) -> dict[str, int]:
        return {symbol: place for place, symbol in enumerate(self.symbols)}

    @cached_property
    def loose(self) -> Integers:
        """Files of several symbols whose runs are not known."""
        return self.columns.whole("loose").astype(np.int64)

    @cached_property
    def shapes(self) -> list[tuple[str, ...]]:
        """Names of the partition columns."""
        return [tuple(names) for names in self.notes["shapes"]]

    @cached_property
    def column_sets(self) -> list[tuple[str, ...]]:
        """Names of the columns that a file has."""
        return [tuple(names) for names in self.notes["column_sets"]]

    def file(self, number: int) -> DataFile:
        """Return the facts of a file."""
        known = self._files.get(number)
        if known is None:
            symbols, values = Texts(self.columns, "symbol"), Texts(self.columns, "value")
            (known,) = self._read(number, number + 1, symbols, values)
            self._files[number] = known
        return known

    def files(self) -> list[DataFile]:
        """Return the facts of every file, in their order; of thousands a column at a time."""
        if len(self._files) < self.count:
            values = Texts(self.columns, "value").all()
            self._files = dict(enumerate(self._read(0, self.count, self.symbols, values))) | self._files
        return [self._files[number] for number in range(self.count)]

    def number_of(self, path: str) -> int | None:
        """Return the number of the file at a path; None if it is not of this part."""
        keys, key = self.columns.whole("key_sorted"), np.uint32(path_key(path))
        place = int(np.searchsorted(keys, key))
        texts = Texts(self.columns, "path")
        while place < len(keys) and keys[place] == key:
            number = int(self.columns.span("by_key", place, place + 1)[0])
            if texts[number] == path:
                return number
            place += 1
        return None

    def code_of(self, symbol: str) -> int | None:
        """Return the position of a symbol among all; None if it is not there."""
        texts = Texts(self.columns, "symbol")
        place = bisect_left(range(int(self.notes["symbols"])), symbol, key=texts.__getitem__)
        return place if place < self.notes["symbols"] and texts[place] == symbol else None

    def runs_of(self, symbols: Sequence[str], interval: Interval) -> Integers:
        """Return the runs that may hold rows of some symbols in an interval, rising."""
        if len(symbols) >= _MANY:
            return self._runs_of_many(symbols, interval)
        found = [self._runs_of(code, interval) for code in map(self.code_of, symbols) if code is not None]
        return np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def files_of(self, symbol: str) -> Integers:
        """Return the files with a run of a symbol; a file may come twice."""
        return self.columns.pick("run_file", self.runs_of([symbol], Interval())).astype(np.int64)

    def files_in(self, interval: Interval) -> Integers:
        """Return the files whose times meet an interval, rising."""
        if interval.unbounded:
            return np.arange(self.count)
        timed = self.columns.whole("timed") > 0
        meets = (self.columns.whole("min_time") < interval.end) & (
            self.columns.whole("max_time") >= interval.start
        )
        return np.flatnonzero(meets | ~timed)

    def choose(self, symbols: Sequence[str] | None, interval: Interval) -> Iterator[Chosen]:
        """Yield the files, and pieces of them, that may hold rows of `symbols` (None: all), in order.

        Args:
            symbols: sorted.
            interval: half open.
        """
        if symbols is not None:
            return self.cut(self.runs_of(symbols, interval), symbols, interval)
        numbers = self.files_in(interval)
        starts = self.columns.pick("file_pieces", numbers)
        counts = self.columns.pick("file_pieces", numbers + 1) - starts
        return self._pieces_of(numbers, starts, counts, interval)

    def cut(self, runs: Integers, symbols: Sequence[str] | None, interval: Interval) -> Iterator[Chosen]:
        """Yield the pieces of some runs that meet an interval, and the loose files that may hold more."""
        numbers = self.columns.pick("run_file", runs).astype(np.int64)
        starts = self.columns.pick("run_pieces", runs)
        counts = self.columns.pick("run_pieces", runs + 1) - starts
        chosen = list(self._pieces_of(numbers, starts, counts, interval))
        loose = self._loose_of(symbols, interval)
        if len(loose):
            chosen += [Chosen(number, None) for number in loose.tolist()]
            chosen.sort(key=lambda each: each.number)
        return iter(chosen)

    def _pieces_of(
        self, numbers: Integers, starts: Integers, counts: Integers, interval: Interval
    ) -> Iterator[Chosen]:
        """Yield the pieces of runs (or of files), cut to the interval, file by file.

        Args:
            numbers: (n,) file of each run, rising.
            starts: (n,) first piece of each.
            counts: (n,) number of pieces of each; 0 where the footer has to be read.
            interval: half open.
        """
        pieces, owner = spans(starts, counts), np.repeat(numbers, counts)
        if not interval.unbounded and len(pieces):
            keep = (self.columns.pick("piece_first", pieces) < interval.end) & (
                self.columns.pick("piece_last", pieces) >= interval.start
            )
            pieces, owner = pieces[keep], owner[keep]
        unread = distinct(numbers[counts == 0]).tolist()
        cuts = np.flatnonzero(np.diff(owner, prepend=-1)) if len(owner) else np.zeros(0, np.int64)
        files = owner[cuts]
        firsts = self.columns.pick("file_pieces", files).tolist()
        ends = [*cuts[1:].tolist(), len(owner)]
        read = (
            Chosen(number, pieces[low:high] - first)
            for number, first, low, high in zip(files.tolist(), firsts, cuts.tolist(), ends, strict=False)
        )
        if not unread:
            return read
        both = [*read, *(Chosen(number, None) for number in unread)]
        return iter(sorted(both, key=lambda each: each.number))

    def _runs_of(self, code: int, interval: Interval) -> Integers:
        low, high = self.columns.span("symbol_runs", code, code + 2).tolist()
        order = self.columns.span("order", low, high).astype(np.int64)
        if interval.unbounded:
            return order
        first, last = (self.columns.span(f"order_{side}", low, high) for side in ("first", "last"))
        stop = int(np.searchsorted(first, interval.end))  # sorted by first
        runs: Integers = order[:stop][last[:stop] >= interval.start]
        return runs

    def _runs_of_many(self, symbols: Sequence[str], interval: Interval) -> Integers:
        known = self._places
        codes = np.array([known[symbol] for symbol in symbols if symbol in known], np.int64)
        starts = self.columns.pick("symbol_runs", codes).astype(np.int64)
        places = spans(starts, self.columns.pick("symbol_runs", codes + 1) - starts)
        if not interval.unbounded:
            places = places[self.columns.pick("order_first", places) < interval.end]
            places = places[self.columns.pick("order_last", places) >= interval.start]
        return np.sort(self.columns.pick("order", places).astype(np.int64))

    def _loose_of(self, symbols: Sequence[str] | None, interval: Interval) -> Integers:
        """Return the loose files whose ranges admit one of the sorted symbols (None: any)."""
        if not len(self.loose) or symbols == []:
            return np.zeros(0, np.int64)
        inside = np.zeros(self.count, np.bool_)
        inside[self.files_in(interval)] = True
        found: Integers = self.loose[inside[self.loose] & self._admits(symbols)]
        return found

    def _admits(self, symbols: Sequence[str] | None) -> Array:
        """Say of each loose file whether its range of symbols admits one of some."""
        if symbols is None:
            return np.ones(len(self.loose), np.bool_)
        known = self.symbols
        places = np.array([bisect_left(known, symbol) for symbol in symbols], np.int64)
        exact = np.array([p < len(known) and known[p] == s for p, s in zip(places, symbols, strict=True)])
        low, high = (
            self.columns.pick(f"{side}_symbol", self.loose).astype(np.int64) for side in ("min", "max")
        )
        # A symbol that no range names stands before the one at its place: twice the position, less one.
        doubled = 2 * places - ~exact
        nearest = np.searchsorted(doubled, 2 * low)
        within = doubled[np.minimum(nearest, len(doubled) - 1)] <= 2 * high
        admits: Array = (nearest < len(doubled)) & within | (low < 0) | (high < 0)
        return admits

    def _read(self, start: int, stop: int, symbols: Lookup, values: Lookup) -> Iterator[DataFile]:
        """Yield the facts of some files, a column at a time; texts are looked up as it pays for so many."""

        def some(name: str, width: int = 1) -> Array:
            return self.columns.span(name, width * start, width * stop)

        hashes, width = some("sha256", 32).tobytes().hex(), int(self.notes["width"])
        codes = iter(some("values", width).tolist())
        facts = zip(
            Texts(self.columns, "path").between(start, stop),
            hex_digests(some("digest", 16)),
            *(some(name).tolist() for name in _FACTS),
            strict=True,
        )
        for number, fact in enumerate(facts):
            path, digest, size, rows, shape, low, high, timed, first, last, columns = fact
            own = [None if code < 0 else values[code] for code in islice(codes, width)]
            yield DataFile(
                path=path,
                size=size,
                rows=rows,
                sha256=hashes[64 * number : 64 * (number + 1)],
                digest=digest,
                partition=tuple(zip(self.shapes[shape], own, strict=False)),
                min_symbol=None if low < 0 else symbols[low],
                max_symbol=None if high < 0 else symbols[high],
                min_time=first if timed else None,
                max_time=last if timed else None,
                columns=self.column_sets[columns],
            )


def path_key(path: str) -> int:
    """Return the number by which a path is found; others may have it too."""
    return zlib.crc32(path.encode("utf-8"))


def spans(starts: Array, counts: Array) -> Integers:
    """Return the numbers of spans, one after the other.

    Examples:
        >>> spans(np.array([5, 1]), np.array([2, 3])).tolist()
        [5, 6, 1, 2, 3]
    """
    ends = np.cumsum(counts)
    shift = starts - (ends - counts)
    rows: Integers = np.arange(int(ends[-1]) if len(ends) else 0, dtype=np.int64) + np.repeat(shift, counts)
    return rows
