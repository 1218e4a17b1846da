"""What a backfill would do: its chunks, which of them are in the product, and how they share commits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.backfill.ledger import ledger_key, list_failures, plan_id
from lakehouse.ingest.backfill.report import ChunkFailure
from lakehouse.ingest.backfill.sessions import Session, sessions_of, windows_of
from lakehouse.ingest.sources.base import Chunk, Source
from lakehouse.partitions.table import Table
from lakehouse.times import Interval

MB = 1_000_000
SLICES = 16
"""into which a plan is cut, where that makes slices of the sizes below"""
SMALLEST_SLICE_IN_BYTES = 32 * MB
LARGEST_SLICE_IN_BYTES = 256 * MB
_UNKNOWN_SIZE_IN_BYTES = MB


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """What a backfill would load; nothing was read but what tells the chunks apart."""

    id: str
    """32 hex digits, the same for all who plan the same"""
    product: str
    """`domain.product`"""
    source: str
    """name of the source"""
    chunks: tuple[Chunk, ...]
    """in the order of the source"""
    slices: tuple[int, ...]
    """how many chunks each slice has: a slice is claimed by one coordinator, and committed as one"""
    done: frozenset[str]
    """ids of the chunks that are in the product"""
    failed: Mapping[str, ChunkFailure] = field(default_factory=dict)
    """chunks that failed in an earlier run and are not in the product, by id"""
    sessions: tuple[Session, ...] = ()
    """of the calendar, within the interval; () without a calendar"""

    @property
    def pending(self) -> tuple[Chunk, ...]:
        """The chunks that are not in the product, those that failed before included."""
        return tuple(chunk for chunk in self.chunks if chunk.id not in self.done)

    @property
    def bytes(self) -> int:
        """Size of the pending chunks' files."""
        return sum(chunk.bytes for chunk in self.pending)

    def parts(self, only: Collection[str]) -> Iterator[tuple[int, tuple[Chunk, ...]]]:
        """Yield the slices that hold any of some chunks: their numbers, and those chunks."""
        for number, end in enumerate(accumulate(self.slices)):
            inside = self.chunks[end - self.slices[number] : end]
            chosen = tuple(chunk for chunk in inside if chunk.id in only)
            if chosen:
                yield number, chosen


@dataclass(frozen=True, slots=True)
class Extent:
    """What of a source is wanted, and in which pieces."""

    symbols: Sequence[str] | None = None
    """None for all"""
    interval: Interval = field(default_factory=Interval)
    """half open"""
    calendar: str | None = None
    """a name that exchange-calendars knows, such as XNYS; None for none"""
    sessions_per_chunk: int = 20
    """of the calendar, where the source can be asked for a part of an interval at the price of that part"""
    commit_bytes: int | None = None
    """size of the files that share a commit; None for a 16th of the plan, 32 MB at least, 256 MB at most"""


def make_plan(table: Table, source: Source, extent: Extent) -> BackfillPlan:
    """Plan a backfill.

    Raises:
        SourceError: the source has no chunk at all.
        ArgumentError: the calendar is unknown, or a size is not above 0.
        MissingExtraError: the calendar needs exchange-calendars, which is not installed.
    """
    if extent.sessions_per_chunk < 1 or (extent.commit_bytes is not None and extent.commit_bytes < 1):
        raise ArgumentError("sessions_per_chunk and commit_bytes must be above 0.")
    sessions = sessions_of(extent.calendar, extent.interval) if extent.calendar else ()
    planned = _chunks(table, source, extent, sessions)
    chunks = tuple({chunk.id: chunk for chunk in planned}.values())  # of one id are the same rows
    if not chunks:
        raise SourceError(
            f"{source.name} has nothing to load.", hint="Check the path, the symbols and the interval."
        )
    slices = _slices(chunks, extent.commit_bytes)
    major, name = table.major, str(table.name)
    found = plan_id(name, major, [chunk.id for chunk in chunks], slices)
    transactions = table.head().transactions
    done = frozenset(chunk.id for chunk in chunks if ledger_key(chunk.id) in transactions)
    failed = {key: value for key, value in list_failures(table.store, found).items() if key not in done}
    return BackfillPlan(found, name, source.name, chunks, slices, done, failed, sessions)


def _chunks(table: Table, source: Source, extent: Extent, sessions: Sequence[Session]) -> tuple[Chunk, ...]:
    schema, symbols = table.schema, extent.symbols
    if not sessions or not source.splits_time:
        return source.chunks(schema, symbols, extent.interval)
    windows = windows_of(sessions, extent.interval, extent.sessions_per_chunk)
    return tuple(chunk for window in windows for chunk in source.chunks(schema, symbols, window))


def _slices(chunks: Sequence[Chunk], size: int | None) -> tuple[int, ...]:
    """Cut the plan where a slice has reached its size; everybody who plans the same cuts it the same."""
    weights = [chunk.bytes or _UNKNOWN_SIZE_IN_BYTES for chunk in chunks]
    if size is None:
        size = min(max(sum(weights) // SLICES, SMALLEST_SLICE_IN_BYTES), LARGEST_SLICE_IN_BYTES)
    counts, count, filled = [], 0, 0
    for weight in weights:
        count, filled = count + 1, filled + weight
        if filled >= size:
            counts.append(count)
            count, filled = 0, 0
    return tuple([*counts, count] if count else counts)
