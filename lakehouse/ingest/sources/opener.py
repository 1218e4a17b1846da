"""Where source files lie: the one place that touches a disk, so that a bucket can stand in (`remote`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from lakehouse.errors import SourceError


class Opener(Protocol):
    """A folder of files to read. Names are relative to it, with '/' between segments."""

    def names(self) -> Iterator[str]:
        """Yield every file below the folder, hidden ones left out, sorted."""

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading.

        Raises:
            SourceError: it is not there or can not be opened.
        """


class LocalOpener:
    """A folder on a local disk."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    def names(self) -> Iterator[str]:
        """See `Opener.names`."""
        found = []
        for folder, below, files in os.walk(self._folder):
            below[:] = [name for name in below if not name.startswith(".")]
            here = Path(folder).relative_to(self._folder)
            found += [(here / name).as_posix() for name in files if not name.startswith(".")]
        yield from sorted(found)

    def size(self, name: str) -> int:
        """See `Opener.size`."""
        try:
            return (self._folder / name).stat().st_size
        except OSError as error:
            raise _unreadable(name, error) from error

    def open(self, name: str) -> BinaryIO:
        """See `Opener.open`."""
        try:
            return (self._folder / name).open("rb")
        except OSError as error:
            raise _unreadable(name, error) from error


def _unreadable(name: str, error: OSError) -> SourceError:
    return SourceError(f"Can not open the source file {name}: {error.strerror or error}.")
