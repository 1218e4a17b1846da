"""Parsed footers of data files: which row groups and rows hold which symbol and time.

A footer costs about 4 us a row group to parse and never changes, so parsed ones are kept, most recently
used first.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakehouse.errors import IntegrityError, LakehouseError, LeaseExpiredError, NotFoundError
from lakehouse.partitions import footer_checksum
from lakehouse.partitions.arrays import distinct
from lakehouse.partitions.columns import column_cache
from lakehouse.partitions.parquet_reader import read_footer
from lakehouse.partitions.segments import Directory, RunStatistics, decode_directory
from lakehouse.times import MAX_NS, MIN_NS

if TYPE_CHECKING:
    from pathlib import Path

    from pyarrow._parquet import FileMetaData

    from lakehouse.partitions.state import DataFile
    from lakehouse.store import Store

Integers = npt.NDArray[np.int64]

T = TypeVar("T")

_KEPT_FOOTERS = 4096
_DELETIONS = 3


@dataclass(frozen=True)
class Footer:
    """One data file's footer; a piece is the rows of one symbol in one row group."""

    metadata: FileMetaData
    """as parsed by pyarrow"""
    symbols: tuple[str, ...]
    """symbols in the file, sorted; ('',) in a table without symbols"""
    counts: Integers
    """(n_symbols,) number of rows of each"""
    digests: tuple[str, ...]
    """content digest of the rows of each symbol"""
    group_starts: Integers
    """(n_row_groups + 1,) first row of each row group"""
    code: Integers
    """(n_pieces,) position in `symbols`"""
    start: Integers
    """(n_pieces,) first row in the file"""
    rows: Integers
    """(n_pieces,) number of rows"""
    first: Integers
    """(n_pieces,) UTC nanoseconds; a lower bound of the piece's times"""
    last: Integers
    """(n_pieces,) UTC nanoseconds; an upper bound of the piece's times"""
    group: Integers
    """(n_pieces,) row group"""
    statistics: Mapping[str, RunStatistics] = field(default_factory=dict)
    """ranges of the columns, by symbol; what is absent is unknown"""
    checked: dict[str, set[int]] = field(default_factory=dict)
    """row groups of each column whose pages had the right checksums when this process read them first"""


_footers: OrderedDict[tuple[str, str], Footer] = OrderedDict()
_lock = Lock()


def footer_of(store: Store, file: DataFile, time: str | None) -> Footer:
    """Return the parsed footer of a data file.

    Raises:
        IntegrityError: the file is missing, truncated or altered.
    """
    key = (store.url, file.path)
    with _lock:
        if key in _footers:
            _footers.move_to_end(key)
            return _footers[key]
    footer = _parse(store, file, time)
    with _lock:
        _footers[key] = footer
        while len(_footers) > _KEPT_FOOTERS:
            _footers.popitem(last=False)
    return footer


def known_footer(store: Store, file: DataFile) -> Footer | None:
    """Return the footer of a data file if this process has it."""
    with _lock:
        return _footers.get((store.url, file.path))


def passing_footer(store: Store, file: DataFile, time: str | None) -> Footer:
    """Return the footer of a data file, and do not keep it: who reads the file looks at it again.

    Raises:
        IntegrityError: the file is missing, truncated or altered.
    """
    return known_footer(store, file) or _parse(store, file, time)


@contextmanager
def local_file(store: Store, file: DataFile) -> Iterator[Path]:
    """Give a data file on this machine; it stays while the block runs.

    Raises:
        IntegrityError: it is missing, or what a bucket gives is altered.
        LeaseExpiredError: it is missing, and this process was taken for dead while it stood still.
    """
    try:
        with store.held(file.path, sha256=file.sha256) as local:
            yield local
    except NotFoundError as error:
        raise _missing(store, file) from error


def use_file(store: Store, file: DataFile, use: Callable[[Path], T]) -> T:
    """Give a data file to a function that opens it; anew where somebody deletes the cache in between.

    Raises:
        IntegrityError: it is missing, or what a bucket gives is altered.
        LeaseExpiredError: as for `local_file`.
    """
    for _ in range(_DELETIONS):
        with suppress(FileNotFoundError), local_file(store, file) as local:
            return use(local)
    raise _missing(store, file)


def check_size(store: Store, file: DataFile) -> None:
    """Look whether a data file is there, without reading it.

    Raises:
        IntegrityError: it is missing, or its size is not what was recorded.
        LeaseExpiredError: it is missing, and this process was taken for dead while it stood still.
    """
    found = store.size(file.path)
    if found is None:
        raise _missing(store, file)
    if found != file.size:
        raise IntegrityError(
            f"The data file {file.path} has {found} bytes, not {file.size}.",
            hint="Restore it from a backup or an export.",
        )


def _missing(store: Store, file: DataFile) -> IntegrityError | LeaseExpiredError:
    if store.claims is not None and store.claims.expired:
        return LeaseExpiredError.of(file.path)
    return IntegrityError(
        f"The data file {file.path} is missing.",
        hint="Restore it from a backup or an export; of an old version that nobody held, garbage collection "
        "may have taken it.",
    )


def _parse(store: Store, file: DataFile, time: str | None) -> Footer:
    try:
        metadata = _kept_footer(store, file) or _fresh_footer(store, file)
        segments = decode_directory(metadata.metadata)
    except LakehouseError:
        raise
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"The data file {file.path} is torn or altered: its footer can not be read."
        ) from error
    counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    group_starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.array(counts, np.int64))])
    rows = segments.rows
    if rows.sum() != metadata.num_rows or metadata.num_rows != file.rows:
        raise IntegrityError(f"The data file {file.path} has {metadata.num_rows} rows, not {file.rows}.")
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(rows)])
    # A piece begins where a symbol or a row group begins.
    piece_starts = distinct(np.concatenate([starts[:-1], group_starts[:-1]]))
    code = np.searchsorted(starts, piece_starts, "right") - 1
    group = np.searchsorted(group_starts, piece_starts, "right") - 1
    first, last = _time_ranges(metadata, segments, time, code, group)
    return Footer(
        metadata=metadata,
        symbols=segments.symbols,
        counts=rows,
        digests=segments.digests,
        group_starts=group_starts,
        code=code,
        start=piece_starts,
        rows=np.diff(np.append(piece_starts, metadata.num_rows)),
        first=first,
        last=last,
        group=group,
        statistics=segments.statistics,
    )


def _kept_footer(store: Store, file: DataFile) -> FileMetaData | None:
    """Return the footer of a data file that lies elsewhere, if this machine kept it."""
    cache = column_cache() if "://" in store.url else None
    kept = cache.footer(file.sha256) if cache else None
    return None if kept is None else read_footer(pa.py_buffer(kept))


def _fresh_footer(store: Store, file: DataFile) -> FileMetaData:
    check_size(store, file)
    metadata, footer = use_file(
        store, file, lambda local: (_read_footer(local), footer_checksum.footer_bytes(local))
    )
    if "://" in store.url and (cache := column_cache()) is not None:
        cache.keep_footer(file.sha256, footer)
    return metadata


def _read_footer(local: Path) -> FileMetaData:
    """Parse a footer after a look at its checksum.

    Raises:
        ValueError: it is not the one that was written.
    """
    if not footer_checksum.is_intact(local):
        raise ValueError("the footer does not have its checksum")
    return read_footer(local)


def _time_ranges(
    metadata: FileMetaData,
    segments: Directory,
    time: str | None,
    code: Integers,
    group: Integers,
) -> tuple[Integers, Integers]:
    """Bound each piece's times: by its symbol's range, or by its row group's where the symbol has several."""
    if time is None or segments.first is None or segments.last is None:
        return np.full(len(code), MIN_NS), np.full(len(code), MAX_NS)
    first, last = segments.first[code], segments.last[code]
    split = np.flatnonzero(np.bincount(code)[code] > 1)
    if not len(split) or metadata.schema.column(_leaf(metadata, time)).physical_type != "INT64":
        return first, last
    scale = 1000 if "Timestamp" in str(metadata.schema.column(_leaf(metadata, time)).logical_type) else 1
    for piece in split:
        statistics = metadata.row_group(int(group[piece])).column(_leaf(metadata, time)).statistics
        if statistics is not None and statistics.has_min_max:
            low, high = statistics.min_raw * scale, statistics.max_raw * scale
            first[piece], last[piece] = max(first[piece], low), min(last[piece], high)
    return first, last


def _leaf(metadata: FileMetaData, name: str) -> int:
    return int(metadata.schema.names.index(name))


def _after_fork() -> None:
    """Give a child a lock of its own: another thread of the parent may have held the old one."""
    global _lock
    _lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
