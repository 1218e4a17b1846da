"""The rows of a tail that no version holds yet, as readers of any process see them.

Each process keeps the decoded rows of the segments that it has looked at, and decodes what came since; what
was sealed is forgotten with its segment.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from lakehouse.partitions.arrays import empty_table
from lakehouse.partitions.tail.ends import Ends
from lakehouse.partitions.tail.folder import WATERMARK, segments_in, tail_folder, writers_in
from lakehouse.partitions.tail.frames import Frame
from lakehouse.partitions.tail.pieces import Piece, merged
from lakehouse.partitions.tail.segment import Segment
from lakehouse.schema import TableSchema, row_schema
from lakehouse.store import Store
from lakehouse.times import Interval

_KEPT = 64

Signature = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class OpenTail:
    """The rows of all segments of a table at one moment; they stay readable whatever happens to the files."""

    pieces: Mapping[str, tuple[Piece, ...]]
    """by writer, in the order of the rows; sealed rows may be among them"""

    @property
    def signature(self) -> Signature:
        """Writer, first and last row, of each writer: what is equal in two tails holds the same rows."""
        return tuple((writer, each[0].first, each[-1].last) for writer, each in self.pieces.items())

    def unsealed(
        self,
        schema: TableSchema,
        transactions: Mapping[str, int],
        symbols: Sequence[str] | None = None,
        interval: Interval | None = None,
        ends: Ends | None = None,
    ) -> pa.Table:
        """Return the rows above the watermarks of a version that was taken after this tail was opened.

        Args:
            schema: of the version; columns that a segment does not have are null.
            transactions: of the version.
            symbols: None for all.
            interval: half open, UTC; None for all times.
            ends: leave out rows of which it is clear that they are not at this end of their symbol.

        Returns:
            The stored schema without the sequence; the rows of each writer in order of arrival, one writer
            after another. Rows that break a rule of their own are left out: sealing quarantines them.
        """
        arrow = row_schema(schema)
        within = interval if interval is not None and not interval.unbounded else None
        tables = [
            found
            for writer, pieces in self.pieces.items()
            for piece in pieces
            if piece.last > (mark := transactions.get(WATERMARK + writer, 0))
            if (found := piece.select(schema, arrow, mark, symbols, within, ends)) is not None
        ]
        return pa.concat_tables(tables) if tables else empty_table(arrow)


def open_tail(store: Store, table_path: str) -> OpenTail | None:
    """Return the tail of a table at this moment; None, after one look at a folder, where there is none.

    Open it before the version is taken: rows that are sealed in between are in the version, and `unsealed`
    leaves them out.

    Raises:
        IntegrityError: the header of a segment is damaged.
    """
    folder = tail_folder(store, table_path)
    writers = writers_in(folder)
    if not writers:
        return None
    with _lock:
        view = _views.setdefault(folder, _View(folder))
        _views.move_to_end(folder)
        while len(_views) > _KEPT:
            _views.popitem(last=False)
    found = view.look(writers)
    return OpenTail(found) if found else None


class _View:
    """What this process has read of the tail of one table."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, _Follower]] = {}

    def look(self, writers: Sequence[str]) -> dict[str, tuple[Piece, ...]]:
        """Return the rows of each writer that has some."""
        with self._lock:
            self._known = {writer: self._follow(writer) for writer in writers}
            found = {
                writer: tuple(piece for each in followers.values() for piece in each.look())
                for writer, followers in self._known.items()
            }
        return {writer: pieces for writer, pieces in found.items() if pieces}

    def _follow(self, writer: str) -> dict[str, _Follower]:
        known = self._known.get(writer, {})
        found = {}
        for name in segments_in(self._folder, writer):
            try:
                found[name] = known.get(name) or _Follower(f"{self._folder}/{writer}/{name}")
            except FileNotFoundError:  # sealed since it was listed
                continue
        return found


class _Follower:
    """The rows of one segment, as far as they were there at the last look."""

    def __init__(self, file: str) -> None:
        self._segment = Segment(file)
        self._offset = self._segment.start
        self._pieces: list[Piece] = []

    def look(self) -> list[Piece]:
        """Return all rows."""
        frames = self._new_frames()
        if frames:
            self._pieces = merged([*self._pieces, *map(Piece, self._segment.decode(frames))])
        return self._pieces

    def _new_frames(self) -> list[Frame]:
        frames = list(self._segment.live(self._offset))
        if frames:
            self._offset = frames[-1].end
        return frames


_views: OrderedDict[str, _View] = OrderedDict()
_lock = threading.Lock()


def _after_fork() -> None:
    """Give a child views and a lock of its own: other threads of the parent may have held the old ones."""
    global _lock
    _lock = threading.Lock()
    _views.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
