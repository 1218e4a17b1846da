"""The log of a stream, shared by many threads: rows go in one after the other, and become durable together.

Whoever waits for a row flushes the segment, and with it all rows before; those who come meanwhile wait for
their turn, and mostly find that their rows are durable already. So many threads share one flush. With
`group`, rows are collected in memory, and a thread writes what has come as one frame, and flushes it, again
and again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from lakehouse.errors import LakehouseError, StorageError
from lakehouse.partitions.tail.frames import ROWS, frame_bytes
from lakehouse.partitions.tail.latest import Candidate, LatestWriter
from lakehouse.partitions.tail.log import FlushError, TailLog
from lakehouse.store import durable
from lakehouse.store.disk_errors import storage_error

Durability = Literal["each", "group", "none"]
DURABILITIES: tuple[Durability, ...] = get_args(Durability)

_LOOK_SECONDS = 1.0
_LARGEST_GROUP = 8 << 20
"""bytes that are collected in memory before a writer has to wait"""


@dataclass(slots=True)
class Entry:
    """Rows on their way to the log."""

    kind: int
    """of the frame"""
    rows: int
    """how many"""
    fixed: list[bytes]
    """of packed rows, the parts of fixed width; of a batch, all of it"""
    texts: list[bytes]
    """of packed rows, the texts"""

    size: int
    """bytes of both"""
    latest: list[Candidate]
    """those of the rows that may be the last of their symbols"""

    @property
    def payload(self) -> bytes:
        """The payload of the frame."""
        return b"".join(self.fixed + self.texts)


class Journal:
    """Takes rows of many threads; safe to share between them."""

    def __init__(self, log: TailLog, latest: LatestWriter | None, durability: Durability) -> None:
        """Take a log, and what keeps the last rows, that nobody else uses."""
        self._log, self._latest = log, latest
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._came = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._error: LakehouseError | None = None
        self._next = log.next
        self._durable = log.next - 1
        self._group: list[Entry] = []
        self._group_bytes = 0
        self._ended = False
        self.unsealed_rows = self.unsealed_bytes = 0
        self._cut = 0, 0
        self._thread: threading.Thread | None = None
        if durability == "group":
            self._thread = threading.Thread(target=self._flush_groups, name="lakehouse-groups", daemon=True)
            self._thread.start()

    @property
    def durable(self) -> int:
        """Number of the last row that survives a crash of the machine."""
        return self._durable

    @property
    def last(self) -> int:
        """Number of the last row that was taken; 0 for none."""
        return self._next - 1

    def add(self, entry: Entry) -> int:
        """Append rows; readers see them now, or with the next group.

        Returns:
            The number of the last row, to `wait` for.

        Raises:
            StorageError: the disk refused; the rows were not taken.
        """
        self.check()
        with self._lock:
            self.check()  # again: it may have been closed meanwhile
            if self._thread is not None:
                self._collect(entry)
            else:
                try:
                    self._append(entry)
                except OSError as error:
                    raise self._refused(error) from error
            self._next += entry.rows
            self.unsealed_rows += entry.rows
            self.unsealed_bytes += frame_bytes(entry.size)
            return self._next - 1

    def wait(self, position: int) -> None:
        """Return when all rows up to a position are durable; of rows that were not taken yet, at once.

        Raises:
            StorageError: the disk refused to write or flush them: nobody knows which of them survive.
        """
        position = min(position, self.last)
        if self._durable < position:
            self.refuse_broken()  # before any lock, which a child that was forked may never get
            self._wait(position)

    def _wait(self, position: int) -> None:
        if self._thread is not None:
            with self._lock:
                while self._durable < position and self._error is None:
                    self._settled.wait(_LOOK_SECONDS)
        else:
            with self._flushing:
                if self._durable < position:
                    self._flush()
        if self._durable < position:
            self.check()

    def flush(self) -> None:
        """Return when all rows that were taken are durable.

        Raises:
            StorageError: the disk refused to write or flush them.
        """
        self.wait(self.last)

    def cut(self) -> Sequence[Path]:
        """Make all rows that were taken durable, and return the segments that hold them and no later ones.

        Raises:
            StorageError: the disk refused.
        """
        with self._flushing, self._lock:
            self.refuse_broken()
            with self._translated(is_final=True):
                self._write_group()
                self._log.close_segment()
            self._durable = self._next - 1
            self._settled.notify_all()
            self._cut = self.unsealed_rows, self.unsealed_bytes
            return tuple(self._log.closed)

    def forget(self, sealed: Sequence[Path]) -> None:
        """Forget the segments of the newest cut: they were sealed."""
        with self._lock:
            self._log.forget(sealed)
            self.unsealed_rows -= self._cut[0]
            self.unsealed_bytes -= self._cut[1]

    def end(self) -> None:
        """Take no more rows, and make those that came durable.

        Raises:
            StorageError: the disk refused.
        """
        with self._lock:
            self._ended = True
            self._came.notify_all()
        if self._thread is not None:
            self._thread.join()
        self.refuse_broken()
        self.flush()

    def abandon(self) -> None:
        """Refuse all use in a forked child: the log is its parent's."""
        self._error = StorageError(
            "The stream belongs to the process from which this one was forked.",
            hint="Open a stream of its own in each process.",
        )

    def check(self) -> None:
        """Raise if no row can be taken any more; it waits for nobody.

        Raises:
            StorageError: the disk refused to flush, or the stream is closed.
        """
        self.refuse_broken()
        if self._ended:
            raise StorageError("The stream is closed.", hint="Open another one: lake.stream(name).")

    def refuse_broken(self) -> None:
        """Raise if nobody knows what the disk has; it waits for nobody.

        Raises:
            StorageError: the disk refused to flush, or the log is that of the process that forked this one.
        """
        if self._error is not None:
            raise StorageError(self._error.message, hint=self._error.hint) from self._error

    def _collect(self, entry: Entry) -> None:
        while self._group_bytes > _LARGEST_GROUP:
            self._settled.wait(_LOOK_SECONDS)
            self.check()
        last = self._group[-1] if self._group else None
        if last is None:
            self._came.notify()
        if last is not None and last.kind == entry.kind == ROWS:  # else a group would be many small objects
            last.latest += [each.at(last.rows + each.number) for each in entry.latest]
            last.rows += entry.rows
            last.fixed += entry.fixed
            last.texts += entry.texts
        else:
            self._group.append(entry)
        self._group_bytes += entry.size

    def _write_group(self) -> None:
        group, self._group, self._group_bytes = self._group, [], 0
        for entry in group:
            self._append(entry)

    def _append(self, entry: Entry) -> None:
        first = self._log.next
        self._log.append(entry.kind, entry.rows, entry.payload)
        if self._latest is not None:
            self._latest.take(first, entry.latest)

    def _flush(self) -> None:
        """Flush what has come; by the thread that holds `_flushing`."""
        with self._lock, self._translated(is_final=True):
            self.refuse_broken()
            self._write_group()
            file, last = self._log.file, self._next - 1
        with self._translated(is_final=True):
            if file is not None:
                durable.sync_data(file.handle)
        with self._lock:
            self._durable = max(self._durable, last)
            self._settled.notify_all()

    def _flush_groups(self) -> None:
        while True:
            with self._lock:
                while not (self._group or self._ended or self._error):
                    self._came.wait(_LOOK_SECONDS)
                if self._error or not self._group:
                    break
            try:
                with self._flushing:
                    self._flush()
            except Exception as error:  # whatever it was: who waits must learn of it
                self._error = self._error or StorageError(f"The rows of a group were not written: {error}")
                break
        with self._lock:
            self._settled.notify_all()

    @contextmanager
    def _translated(self, *, is_final: bool = False) -> Iterator[None]:
        """Turn the refusals of the disk into ours.

        Args:
            is_final: after a flush that failed nobody knows what the disk has, and another flush would not
                tell: the log takes no more rows.
        """
        try:
            yield
        except OSError as error:
            raise self._refused(error, is_final=is_final) from error

    def _refused(self, error: OSError, *, is_final: bool = False) -> StorageError:
        if isinstance(error, StorageError):
            return error
        refused = storage_error("the tail", error)
        if is_final or isinstance(error, FlushError):
            self._error = refused
        return refused
