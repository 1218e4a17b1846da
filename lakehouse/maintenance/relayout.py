"""Change of layout: every row of the newest version in other folders, in one commit that also says so.

The rows are read in batches of whole periods of the new layout, so memory stays bounded. What was read and
what was written is proven equal to what is recorded before the commit, as in a compaction. Old versions,
snapshots and locks keep the old files under the old layout. Who wrote meanwhile makes it start anew, the
second time within the queue of the writers of this machine; who planned on the old layout plans anew as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lakehouse.catalog.session import session_of
from lakehouse.errors import ContractError, IntegrityError
from lakehouse.ingest.plans import Plan, Scope
from lakehouse.ingest.write import NothingToDoError, Provenance, commit_without_rows
from lakehouse.maintenance.merges import most_merged_rows
from lakehouse.maintenance.ordered_rows import ordered_rows
from lakehouse.partitions import digest as digests
from lakehouse.partitions.layout import Layout, period_starts
from lakehouse.partitions.parquet_files import WrittenFile
from lakehouse.partitions.state import TableState
from lakehouse.partitions.verify import content_digest
from lakehouse.times import MAX_NS, MIN_NS, NS_PER_DAY, Interval

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.partitions.table import Table

EVERYTHING = Scope(None, Interval())


@dataclass(frozen=True, slots=True)
class LayoutReport:
    """What a change of layout would do, or did."""

    product: str
    """`domain.product`"""
    version: int
    """the version that was looked at"""
    dry_run: bool
    """whether it only looked"""
    before: str
    """layout of that version"""
    after: str
    """the layout that was asked for"""
    files: int
    """live files of that version, all of which go"""
    rows: int
    """rows to write anew"""
    size: int
    """bytes of the files that go"""
    commit: int | None = None
    """the version that it made; None where it only looked, or the layout is that already"""
    files_after: int | None = None
    """files of the version that it made"""
    size_after: int | None = None
    """bytes of them"""

    @property
    def same(self) -> bool:
        """Whether the product lies so already."""
        return self.before == self.after


def change_layout(table: Table, layout: Layout, provenance: Provenance, *, dry_run: bool) -> LayoutReport:
    """Write the newest version anew in another layout.

    Raises:
        ContractError: the table was never written: its first write chooses the layout.
        IntegrityError: the rows of a source, or those that were written, are not those recorded; nothing was
            committed, and the files that were written are gone.
        ConflictError: other writers won every attempt.
    """
    state = session_of(table.store).follow(table.path, table.head)
    if not table.exists or state.layout is None:
        raise ContractError(
            f"{table.name} has no rows yet, so there is no layout to change.",
            hint="The first write chooses it; `layout:` in the contract says which.",
        )
    made = None
    if not dry_run and state.layout != layout:
        made = _commit(table, layout, provenance)
    after = None if made is None else table.at(made)
    return LayoutReport(
        product=str(table.name),
        version=state.version,
        dry_run=dry_run,
        before=str(state.layout),
        after=str(layout),
        files=len(state.files),
        rows=state.rows,
        size=state.size,
        commit=made,
        files_after=None if after is None else len(after.files),
        size_after=None if after is None else after.size,
    )


def batches(state: TableState, layout: Layout, at_once: int) -> Iterator[Interval]:
    """Yield intervals that part all of time at borders of the new periods, of about so many rows each.

    Where one period has more rows it is a batch of its own. The rows of a file are taken to be spread evenly
    over its times: an estimate, on which no correctness rests.
    """
    start, base = MIN_NS, 0.0
    if state.schema.time is not None and state.files and layout.date != "none":
        borders = period_borders(state, layout)
        before = rows_before(state, borders)
        for place in range(len(borders)):
            following = before[place + 1] if place + 1 < len(borders) else float(state.rows)
            if following - base > at_once and before[place] > base:
                yield Interval(start, int(borders[place]))
                start, base = int(borders[place]), float(before[place])
    yield Interval(start, MAX_NS)


def period_borders(state: TableState, layout: Layout) -> npt.NDArray[np.int64]:
    """Return where the periods after the first one begin, in UTC nanoseconds."""
    first = min(MAX_NS if file.min_time is None else file.min_time for file in state.files)
    last = max(MIN_NS if file.max_time is None else file.max_time for file in state.files)
    days = np.arange(first // NS_PER_DAY + 1, last // NS_PER_DAY + 1, dtype=np.int64)
    times = np.concatenate([np.array([first], np.int64), days * NS_PER_DAY])
    starts: npt.NDArray[np.int64] = np.unique(period_starts(times, layout.date))[1:] * NS_PER_DAY
    return starts


def rows_before(state: TableState, borders: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Estimate the rows before each border."""
    rows = np.zeros(len(borders))
    for file in state.files:
        first, last = file.min_time or 0, file.max_time or 0
        share = (borders.astype(np.float64) - first) / (float(last) - float(first) + 1.0)
        rows += file.rows * np.clip(share, 0.0, 1.0)
    return rows


def _commit(table: Table, layout: Layout, provenance: Provenance) -> int | None:
    """Return the version that was made; None where another process changed the layout first."""
    try:
        return commit_without_rows(table, provenance, "layout", partial(_plan, layout)).version
    except NothingToDoError:
        return None


def _plan(layout: Layout, state: TableState) -> Plan:
    if state.layout == layout:
        raise NothingToDoError(f"{state.name} lies so already.")
    rows, proof = _rows(state, layout), partial(_prove, state)
    return Plan(rows, EVERYTHING, remove=tuple(state.files), proof=proof, layout=layout)


def _rows(state: TableState, layout: Layout) -> Iterator[pa.Table]:
    """Yield every row once, batch by batch.

    Raises:
        IntegrityError: the rows are not the ones that are recorded.
    """
    limit = most_merged_rows(state.schema)
    count, found = 0, digests.EMPTY
    for interval in batches(state, layout, limit):
        files = state.select(None, interval)
        for rows in ordered_rows(state, files, at_once=limit, interval=interval) if files else ():
            count, found = count + rows.num_rows, digests.add(found, digests.digest_of(rows))
            yield rows
    _check(state, count, found, "were read")


def _prove(state: TableState, written: Sequence[WrittenFile]) -> None:
    files = [each.file for each in written]
    found = digests.add(digests.EMPTY, *(content_digest(state, file) for file in files))
    _check(state, sum(file.rows for file in files), found, "were written")


def _check(state: TableState, rows: int, digest: str, what: str) -> None:
    if (rows, digest) != (state.rows, state.digest):
        raise IntegrityError(
            f"{rows} rows with the digest {digest} {what}, but version {state.version} of {state.name} is "
            f"recorded with {state.rows} and {state.digest}. Nothing was committed.",
            hint="lake.verify() names the files that were altered.",
        )
