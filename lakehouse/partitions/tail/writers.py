"""The folders of writers: each is used by one living process at most, and by another one after its end.

So there are as many writers, and as many watermarks in the log, as there were ever writers at one time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lakehouse.names import fresh_id
from lakehouse.partitions.tail.folder import segments_in, writers_in
from lakehouse.partitions.tail.latest import NAME as LATEST
from lakehouse.partitions.tail.log import SPARE
from lakehouse.store.file_lock import take_at_once


@dataclass(frozen=True, slots=True)
class Writer:
    """A writer's folder, held by this process."""

    id: str
    """32 hex digits"""
    folder: Path
    """with its segments"""
    release: Callable[[], None]
    """lets it go"""


def take_writer(folder: str) -> Writer:
    """Take the first folder that nobody holds, or make a new one.

    Raises:
        StorageError: the disk refused, or has no locks.
    """
    for writer in writers_in(folder):
        found = try_writer(folder, writer)
        if found is not None:
            return found
    while True:
        found = try_writer(folder, fresh_id())
        if found is not None:
            return found


def has_rows(writer: Writer) -> bool:
    """Say whether there are segments of a writer."""
    return bool(segments_in(str(writer.folder.parent), writer.id))


def clean(writer: Writer) -> None:
    """Delete what is of no use without its process: the last rows, and space that was taken beforehand.

    Raises:
        OSError: the disk refused.
    """
    for file in [writer.folder / LATEST, writer.folder / SPARE, *writer.folder.glob(".tmp-*")]:
        file.unlink(missing_ok=True)


def try_writer(folder: str, writer: str) -> Writer | None:
    """Take the folder of one writer; None where it lives.

    Raises:
        StorageError: the disk refused, or has no locks.
    """
    where = Path(folder) / writer
    release = take_at_once(where / ".lock", path=os.fspath(where))
    return None if release is None else Writer(writer, where, release)
