"""The columns that this machine holds decoded, for all processes of the user."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from lakehouse.partitions.columns.column_file import ColumnFile, View
from lakehouse.partitions.columns.format import ColumnFormat
from lakehouse.partitions.columns.kept_footers import read_footer_bytes, write_footer_bytes
from lakehouse.partitions.resident import Resident
from lakehouse.store.cache_folder import cache_folder
from lakehouse.store.cache_room import Bound, Room

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.partitions.columns.writer import Writer
    from lakehouse.partitions.selection import Selection

VARIABLE = "LAKEHOUSE_COLUMN_CACHE_SIZE"
"""environment variable: bytes, or as 4GiB, 20%; 0 turns the cache off"""

SMALLEST_FILE_IN_ROWS = 2_048
"""a column of a smaller data file is decoded in the time in which a file of the cache is opened"""

_KEPT_FILES = 16_384
"""of which it is remembered that they are sound"""

_KEPT_MAPS = 256
"""of files that were used last"""

_KEPT_BYTES = 384 << 20
"""of these that count as memory; to map as many anew takes a tenth of a second"""


class ColumnCache:
    """Decoded columns below one folder."""

    def __init__(self, folder: Path, bound: Bound) -> None:
        """Take the folder, which is made by the first write."""
        self.folder = folder
        self.bound = bound
        self._guard = Lock()
        self._files: OrderedDict[tuple[str, str, str], tuple[ColumnFormat, ColumnFile]] = OrderedDict()
        self._mapped = Resident[ColumnFile](_KEPT_MAPS, _KEPT_BYTES)
        self._room = Room(folder, bound, sparse=True)
        self._writer: Writer | None = None

    def find(self, selection: Selection, field: pa.Field) -> View | None:
        """Return a column of a data file as the cache has it now; None where it has nothing of it."""
        known = self._known(selection, field)
        if known is None or (view := known[1].look()) is None:
            return None
        with self._guard:
            closed, emptied = self._mapped.use(known[1], view.touch(selection.groups))
        for file in closed:
            file.close()
        for file in emptied:
            file.give_back()
        return view

    def waiting(self, selection: Selection, field: pa.Field, groups: Sequence[int]) -> pa.Array | None:
        """Return rows that were offered and are not written yet; None if just these row groups were not."""
        if self._writer is None or (known := self._known(selection, field)) is None:
            return None
        return self._writer.waiting(self.folder / known[0].name, groups)

    def offer(self, selection: Selection, field: pa.Field, groups: Sequence[int], array: pa.Array) -> None:
        """Give rows that were decoded to be kept; they are written later, if at all.

        Args:
            selection: of the data file.
            field: the column, as stored.
            groups: row groups, rising.
            array: their rows, one row group after the other.
        """
        known = self._known(selection, field)
        if known is None or array.type != field.type:
            return
        from lakehouse.partitions.columns.writer import Job, Writer

        with self._guard:
            self._writer = self._writer or Writer(self._room)
        self._writer.put(Job(self.folder / known[0].name, known[0], tuple(groups), array))

    def release(self, selection: Selection, fields: Sequence[pa.Field]) -> None:
        """Give up the maps of a data file: what a stream has mapped would count as memory of the process."""
        with self._guard:
            known = [self._files.get((selection.file.sha256, each.name, str(each.type))) for each in fields]
            files = [made[1] for made in known if made is not None]
            for file in files:
                self._mapped.drop(file)
        for file in files:
            file.close()

    def footer(self, sha256: str) -> bytes | None:
        """Return the footer of a data file; None if it is not there, or not what was kept."""
        return read_footer_bytes(self.folder, sha256)

    def keep_footer(self, sha256: str, footer: bytes) -> None:
        """Keep the footer of a data file, so that columns can be read without the file."""
        with suppress(OSError), self._room.admitted(len(footer)) as stays:
            if stays:
                write_footer_bytes(self.folder, sha256, footer)

    def flush(self) -> bool:
        """Wait until all is written that was offered; say whether that came about."""
        return self._writer is None or self._writer.flush()

    def clear(self) -> None:
        """Delete all columns; processes that use them keep what they have mapped."""
        with self._guard:
            self._files.clear()
            self._mapped.clear()
        import shutil

        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self._room.count()

    @property
    def limit(self) -> int:
        """The most bytes that it may take."""
        return self._room.limit()

    def _known(self, selection: Selection, field: pa.Field) -> tuple[ColumnFormat, ColumnFile] | None:
        file = selection.file
        if not file.sha256 or file.rows < SMALLEST_FILE_IN_ROWS or not ColumnFormat.fits(field.type):
            return None  # what has no hash is in memory already
        key = (selection.file.sha256, field.name, str(field.type))
        with self._guard:
            if key in self._files:
                self._files.move_to_end(key)
                return self._files[key]
            form = ColumnFormat(selection.file.sha256, field.name, field.type, selection.footer.group_starts)
            made = form, ColumnFile(self.folder / form.name, form)
            self._files[key] = made
            while len(self._files) > _KEPT_FILES:
                self._files.popitem(last=False)
        return made


def column_cache() -> ColumnCache | None:
    """Return this machine's cache of columns; None where it is turned off.

    Raises:
        ArgumentError: LAKEHOUSE_COLUMN_CACHE_SIZE is no size.
    """
    bound = _bound(os.environ.get(VARIABLE))
    if bound.bytes == 0 or (bound.bytes is None and bound.percent == 0):
        return None
    return _cache(os.getpid(), cache_folder(), bound)


@cache
def _bound(text: str | None) -> Bound:
    return Bound.read(text, variable=VARIABLE)


@cache
def _cache(process: int, folder: Path, bound: Bound) -> ColumnCache:
    """Return the cache of a process: a fork gets one of its own."""
    return ColumnCache(folder / "columns", bound)
