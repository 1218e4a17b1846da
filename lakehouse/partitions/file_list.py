"""The data files of a version that come as columns, made into facts when somebody looks at one.

A version of 10,000 files costs 20 ms to make into facts, and most questions to a checkout look at one
product of many; so a manifest is opened without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from lakehouse.partitions.state import DataFile


class FileList(Sequence["DataFile"]):
    """A sequence of data files that is loaded on first use; equal to a tuple of the same files."""

    def __init__(self, count: int, load: Callable[[], tuple[DataFile, ...]]) -> None:
        """Take the number of files, and how to load them."""
        self._count = count
        self._load: Callable[[], tuple[DataFile, ...]] | None = load
        self._files: tuple[DataFile, ...] = ()

    def __len__(self) -> int:
        """Return the number of files; loads nothing."""
        return self._count

    @overload
    def __getitem__(self, index: int) -> DataFile: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[DataFile, ...]: ...

    def __getitem__(self, index: int | slice) -> DataFile | tuple[DataFile, ...]:
        """Return one file, or some."""
        return self._all()[index]

    def __iter__(self) -> Iterator[DataFile]:
        """Iterate over the files."""
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        """Compare the files themselves."""
        return self._all() == (other._all() if isinstance(other, FileList) else other)

    def __hash__(self) -> int:
        """Hash like the tuple that it equals."""
        return hash(self._all())

    def __repr__(self) -> str:
        """Show the number of files; loads nothing."""
        return f"<FileList: {self._count} files>"

    def _all(self) -> tuple[DataFile, ...]:
        load = self._load
        if load is not None:  # two threads may both load: they get equal files
            self._files = load()
            self._load = None
        return self._files
