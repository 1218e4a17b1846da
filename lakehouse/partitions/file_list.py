"""The data files of a version, in an order that stays; made into facts when somebody looks at one.

A version of 10,000 files costs 20 ms to make into facts, and most questions look at few of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from lakehouse.partitions.state import DataFile
    from lakehouse.times import Interval


class Files(Sequence["DataFile"], ABC):
    """A sequence of data files; equal to a tuple of the same files."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of files; loads nothing."""

    @abstractmethod
    def all(self) -> tuple[DataFile, ...]:
        """Return the facts of every file."""

    @overload
    def __getitem__(self, index: int) -> DataFile: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[DataFile, ...]: ...

    def __getitem__(self, index: int | slice) -> DataFile | tuple[DataFile, ...]:
        """Return one file, or some."""
        return self.all()[index]

    def __iter__(self) -> Iterator[DataFile]:
        """Iterate over the files."""
        return iter(self.all())

    def __eq__(self, other: object) -> bool:
        """Compare the files themselves."""
        if isinstance(other, Sequence) and len(other) != len(self):
            return False
        return self.all() == (other.all() if isinstance(other, Files) else other)

    def __hash__(self) -> int:
        """Hash like the tuple that it equals."""
        return hash(self.all())

    def __repr__(self) -> str:
        """Show the number of files; loads nothing."""
        return f"<{type(self).__name__}: {len(self)} files>"

    @property
    def rows(self) -> int:
        """Number of rows of all files."""
        return sum(file.rows for file in self.all())

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.all())

    def select(self, symbols: Sequence[str] | None, interval: Interval) -> Sequence[DataFile]:
        """Return the files whose ranges admit a row of the sorted `symbols` (None: all) in `interval`."""
        return tuple(file for file in self.all() if file.may_hold(symbols, interval))


class FileList(Files):
    """Files that are loaded on first use."""

    def __init__(self, count: int, load: Callable[[], tuple[DataFile, ...]]) -> None:
        """Take the number of files, and how to load them."""
        self._count = count
        self._load: Callable[[], tuple[DataFile, ...]] | None = load
        self._files: tuple[DataFile, ...] = ()

    def __len__(self) -> int:
        """Return the number of files; loads nothing."""
        return self._count

    def all(self) -> tuple[DataFile, ...]:
        """Return the facts of every file."""
        load = self._load
        if load is not None:  # two threads may both load: they get equal files
            self._files = load()
            self._load = None
        return self._files
