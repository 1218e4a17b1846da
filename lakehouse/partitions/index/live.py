"""The live files of a version: parts of an index without what was removed, and what was added since."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

from lakehouse.partitions.file_list import Files
from lakehouse.partitions.footers import Footer, Integers, footer_of
from lakehouse.partitions.index.answers import Runs, answered
from lakehouse.partitions.index.columns import DamagedIndexError
from lakehouse.partitions.index.footer import IndexedFooter
from lakehouse.partitions.index.nearest import nearest_runs
from lakehouse.partitions.index.part import Chosen, Part
from lakehouse.partitions.state import DataFile
from lakehouse.partitions.threads import in_worker, workers
from lakehouse.store import Store
from lakehouse.times import Interval

T = TypeVar("T")

_WORTH_THREADS = 2
_KEPT_FOOTERS = 1_024


Found = tuple[DataFile, Footer, Integers | None]
"""file, footer, and positions of pieces; None where nobody has looked at the footer's pieces yet"""


class Slice(NamedTuple):
    """A part, and which of its files are no more live."""

    part: Part
    """as it was written"""
    dead: frozenset[int] = frozenset()
    """numbers of files"""

    @property
    def live(self) -> int:
        """Number of live files."""
        return self.part.count - len(self.dead)


@dataclass(frozen=True, slots=True)
class Lists:
    """What the files are known by; it never changes, so that a question sees one state of it."""

    slices: tuple[Slice, ...]
    """parts of an index"""
    added: Mapping[str, DataFile]
    """later files, by path"""

    def walk(self) -> Iterator[DataFile]:
        """Yield the facts of every file."""
        for part, dead in self.slices:
            yield from (file for number, file in enumerate(part.files()) if number not in dead)
        yield from self.added.values()

    def total(self, fact: str) -> int:
        """Return the sum of a fact of all files."""
        total = sum(int(getattr(file, fact)) for file in self.added.values())
        for part, dead in self.slices:
            total += int(part.notes[fact]) - sum(getattr(part.file(number), fact) for number in dead)
        return total

    def find(self, path: str) -> DataFile | None:
        """See `LiveFiles.find`."""
        if path in self.added:
            return self.added[path]
        for part, dead in self.slices:
            number = part.number_of(path)
            if number is not None and number not in dead:
                return part.file(number)
        return None

    def holds(self, symbol: str) -> bool:
        """See `LiveFiles.holds`."""
        return any(
            number not in dead for part, dead in self.slices for number in part.files_of(symbol).tolist()
        )

    def select(self, symbols: Sequence[str] | None, interval: Interval) -> Iterator[DataFile]:
        """See `LiveFiles.select`."""
        for part, chosen in self._chosen(symbols, interval):
            yield part.file(chosen.number)
        yield from self._later(symbols, interval)

    def choose(
        self, store: Store, time: str | None, symbols: Sequence[str] | None, interval: Interval
    ) -> list[Found]:
        """See `LiveFiles.choose`."""
        chosen = list(self._chosen(symbols, interval))
        return _with_footers(store, time, chosen, list(self._later(symbols, interval)))

    def nearest(
        self, store: Store, time: str | None, symbols: Sequence[str] | None, count: int, *, last: bool
    ) -> list[Found]:
        """See `LiveFiles.nearest`."""
        always = Interval()
        chosen = [
            (part, each)
            for part, dead in self.slices
            for each in part.cut(nearest_runs(part, dead, symbols, count, last=last), symbols, always)
            if each.number not in dead
        ]
        return _with_footers(store, time, chosen, list(self._later(symbols, always)))

    def answer(
        self,
        store: Store,
        time: str | None,
        symbols: Sequence[str] | None,
        interval: Interval,
        kinds: Mapping[str, Any],
    ) -> tuple[list[Runs], list[Found]]:
        """See `LiveFiles.answer`."""
        known: list[Runs] = []
        rest: list[tuple[Part, Chosen]] = []
        for part, dead in self.slices:
            runs, others = answered(part, dead, symbols, interval, kinds)
            known.append(runs)
            rest += [(part, each) for each in others]
        return known, _with_footers(store, time, rest, list(self._later(symbols, interval)))

    def _chosen(self, symbols: Sequence[str] | None, interval: Interval) -> Iterator[tuple[Part, Chosen]]:
        for part, dead in self.slices:
            for chosen in part.choose(symbols, interval):
                if chosen.number not in dead:
                    yield part, chosen

    def _later(self, symbols: Sequence[str] | None, interval: Interval) -> Iterator[DataFile]:
        return (file for file in self.added.values() if file.may_hold(symbols, interval))


class LiveFiles(Files):
    """The data files of a version, in the order of their commits.

    Where an index turns out to be damaged, it is deleted, the files are read from the log instead, and the
    question is asked again.
    """

    def __init__(
        self,
        slices: Sequence[Slice] = (),
        added: Mapping[str, DataFile] | None = None,
        reload: Callable[[], LiveFiles] | None = None,
    ) -> None:
        """Take the parts, later files by path, and how to do without the parts."""
        self.now = Lists(tuple(slices), added or {})
        self._reload = reload
        self._facts: tuple[DataFile, ...] | None = None

    @classmethod
    def of(cls, files: Sequence[DataFile]) -> LiveFiles:
        """Return files as such a list."""
        return files if isinstance(files, cls) else cls(added={file.path: file for file in files})

    def __len__(self) -> int:
        """Return the number of files; loads nothing."""
        now = self.now
        return sum(each.live for each in now.slices) + len(now.added)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as plain facts: the index is this machine's."""
        return LiveFiles.of, (self.all(),)

    def all(self) -> tuple[DataFile, ...]:
        """Return the facts of every file."""
        if self._facts is None:
            self._facts = self._sound(lambda files: tuple(files.walk()))
        return self._facts

    @property
    def rows(self) -> int:
        """Number of rows of all files."""
        return self._sound(lambda files: files.total("rows"))

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return self._sound(lambda files: files.total("size"))

    def find(self, path: str) -> DataFile | None:
        """Return the live file at a path."""
        return self._sound(lambda files: files.find(path))

    def holds(self, symbol: str) -> bool:
        """Say whether a live file has rows of a symbol, as far as footers are known."""
        return self._sound(lambda files: files.holds(symbol))

    def select(self, symbols: Sequence[str] | None, interval: Interval) -> Sequence[DataFile]:
        """Return the files that may hold a row of the sorted `symbols` (None: all) in `interval`."""
        return self._sound(lambda files: tuple(files.select(symbols, interval)))

    def choose(
        self, store: Store, time: str | None, symbols: Sequence[str] | None, interval: Interval
    ) -> list[Found]:
        """Return the files, and pieces of each, that may hold a row of `symbols` in `interval`.

        Args:
            store: where the files are.
            time: the column of the times.
            symbols: sorted; None for all.
            interval: half open.

        Returns:
            file, footer, and positions of pieces; None where nobody has looked at the footer's pieces yet.
        """
        return self._sound(lambda files: files.choose(store, time, symbols, interval))

    def nearest(
        self, store: Store, time: str | None, symbols: Sequence[str] | None, count: int, *, last: bool
    ) -> list[Found]:
        """Return, as `choose` does, what may hold one of the first or the last `count` rows of a symbol."""
        return self._sound(lambda files: files.nearest(store, time, symbols, count, last=last))

    def answer(
        self,
        store: Store,
        time: str | None,
        symbols: Sequence[str] | None,
        interval: Interval,
        kinds: Mapping[str, Any],
    ) -> tuple[list[Runs], list[Found]]:
        """Return the runs in an interval whose ranges are known, and, as `choose` does, all else.

        Args:
            store: where the files are.
            time: the column of the times.
            symbols: sorted; None for all.
            interval: half open.
            kinds: type of each column whose ranges are asked for.
        """
        return self._sound(lambda files: files.answer(store, time, symbols, interval, kinds))

    def plain(self) -> LiveFiles:
        """Return the same files without an index, from the log."""
        return self if self._reload is None else self._reload()

    def _sound(self, question: Callable[[Lists], T]) -> T:
        """Ask a question; where the index is damaged, ask the log."""
        asked = self.now  # another thread may find the damage as well
        try:
            return question(asked)
        except DamagedIndexError:
            for part, _ in asked.slices:
                part.discard()
            self.now, self._reload = self.plain().now, None
            return question(self.now)


def _with_footers(
    store: Store, time: str | None, chosen: Sequence[tuple[Part, Chosen]], later: Sequence[DataFile]
) -> list[Found]:
    """Give each file its footer: by the index, or, side by side, by the file."""
    found: list[tuple[DataFile, Footer | None, Integers | None]] = [
        (
            part.file(number),
            None if pieces is None else _indexed(store, part, number, time),
            pieces,
        )
        for part, (number, pieces) in chosen
    ]
    found += [(file, None, None) for file in later]
    unread = [file for file, footer, _ in found if footer is None]
    read = partial(footer_of, store, time=time)
    alone = len(unread) < _WORTH_THREADS or in_worker()
    footers = iter(map(read, unread) if alone else workers().map(read, unread))
    return [(file, next(footers) if footer is None else footer, pieces) for file, footer, pieces in found]


def _indexed(store: Store, part: Part, number: int, time: str | None) -> Footer:
    """Return the footer of a file of a part; the part keeps those that were asked for last."""
    known = part.footers.get(number)
    if isinstance(known, IndexedFooter) and known.is_for(store, time):
        return known
    found = IndexedFooter(store, part, number, time)
    if len(part.footers) >= _KEPT_FOOTERS:
        part.footers.clear()
    part.footers[number] = found
    return found


class Draft:
    """Live files in the making."""

    def __init__(self, start: LiveFiles) -> None:
        """Begin with the files of a version."""
        self._start = start
        self._steps: list[str | DataFile] = []
        self._begin()

    def remove(self, path: str) -> DataFile | None:
        """Take a file out; None if it is not live."""
        found = self._sound(lambda: self._remove(path))
        self._steps.append(path)
        return found

    def add(self, files: Sequence[DataFile]) -> None:
        """Add files; one that is live already takes the new facts."""
        for file in files:
            self._sound(partial(self._add, file))
            self._steps.append(file)

    def frozen(self, reload: Callable[[], LiveFiles]) -> LiveFiles:
        """Return the files; `reload` reads the same ones from the log."""
        slices = [Slice(part, frozenset(dead)) for part, dead in zip(self._parts, self._dead, strict=True)]
        return LiveFiles(slices, self._added, reload if slices else None)

    def _begin(self) -> None:
        start = self._start.now
        self._parts = [each.part for each in start.slices]
        self._dead = [set(each.dead) for each in start.slices]
        self._added = dict(start.added)

    def _sound(self, step: Callable[[], T]) -> T:
        """Take a step; where the index is damaged, take all of them again without it."""
        try:
            return step()
        except DamagedIndexError:
            for part in self._parts:
                part.discard()
            self._start = self._start.plain()
            self._begin()
            for each in self._steps:
                self._remove(each) if isinstance(each, str) else self._add(each)
            return step()

    def _remove(self, path: str) -> DataFile | None:
        if path in self._added:
            return self._added.pop(path)
        for part, dead in zip(self._parts, self._dead, strict=True):
            number = part.number_of(path)
            if number is not None and number not in dead:
                file = part.file(number)
                dead.add(number)
                return file
        return None

    def _add(self, file: DataFile) -> None:
        if self._parts and file.path not in self._added:
            self._remove(file.path)
        self._added[file.path] = file
