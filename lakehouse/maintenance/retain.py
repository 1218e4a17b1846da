"""Retention: rows older than a cutoff leave the table; what is pinned keeps them, and their bytes."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.domains import load_domain
from lakehouse.catalog.durations import parse_duration
from lakehouse.errors import ArgumentError, NotFoundError
from lakehouse.ingest.plans import Plan, Scope, plan_replace
from lakehouse.ingest.write import NothingToDoError, Provenance, commit_without_rows
from lakehouse.maintenance.holding import Held, holders_of
from lakehouse.partitions.arrays import times_of
from lakehouse.partitions.reading import decode
from lakehouse.partitions.selection import select_pieces
from lakehouse.times import MIN_NS, Interval, to_iso, to_nanoseconds

if TYPE_CHECKING:
    from lakehouse.partitions.state import DataFile, TableState
    from lakehouse.product import Product


@dataclass(frozen=True, slots=True)
class Cutoff:
    """From when on rows stay, and who says so."""

    instant: int
    """first instant that stays, UTC nanoseconds"""
    policy: str
    """in words"""
    may_empty: bool
    """whether it may take out every row: only an instant that a person named may"""


@dataclass(frozen=True, slots=True, repr=False)
class RetainReport:
    """What a retention would take out, or did."""

    product: str
    """`domain.product`"""
    version: int
    """the version that was looked at"""
    dry_run: bool
    """whether it only looked"""
    cutoff: str
    """first instant that stays, ISO 8601 UTC"""
    policy: str
    """why there, in words"""
    rows: int
    """rows that go"""
    rows_left: int
    """rows that stay"""
    files_dropped: int
    """files that go as a whole, without being read"""
    files_rewritten: int
    """files at the cutoff, of which some rows stay"""
    size: int
    """bytes of all these files"""
    first: str | None
    """time of the first row that goes, ISO 8601 UTC; None if none goes"""
    last: str | None
    """time of the last row that goes"""
    held: tuple[Held, ...]
    """the snapshots and locks that keep some of these files, and their bytes, on the disk"""
    commit: int | None = None
    """the version that it made; None where it only looked, or nothing was to go"""

    def __repr__(self) -> str:
        """Say what goes, and who keeps it."""
        title = f"retention of {self.product}, version {self.version}, from {self.cutoff} on ({self.policy})"
        if not self.rows:
            return f"{title}: no row is older"
        lines = [
            f"{title}: {self.rows:,} rows go, {self.rows_left:,} stay",
            f"  from {self.first} to {self.last}",
            f"  {self.files_dropped:,} files go, {self.files_rewritten:,} are cut ({self.size:,} bytes)",
            *(f"  {held.files:,} of them stay on disk for {held.holder}" for held in self.held),
        ]
        made = "no version: another process was first" if self.commit is None else f"version {self.commit}"
        return "\n".join([*lines, "dry run: nothing was written" if self.dry_run else f"made {made}"])


def retain(
    product: Product, keep: str | None, *, before: Any, provenance: Provenance, dry_run: bool
) -> RetainReport:
    """Take out the rows of a product that are older than a cutoff; see `Lake.retain`.

    Raises:
        ArgumentError: no cutoff follows from the arguments, there is no time column, or `keep` would take out
            every row.
        IntegrityError: a file at the cutoff, or a snapshot or pin, can not be read.
        ConflictError: other writers won every attempt.
    """
    table = product.table
    if table.schema.time is None:
        raise ArgumentError(
            f"{table.name} has no time column, so no row of it is older than another.",
            hint="Take out symbols with delete.",
        )
    cutoff = _cutoff(product, keep, before)
    report = _look(product.state(), cutoff, dry_run=dry_run)
    if dry_run or not report.rows:
        return report
    return replace(report, commit=_commit(product, cutoff, provenance))


def _commit(product: Product, cutoff: Cutoff, provenance: Provenance) -> int | None:
    def plan(state: TableState) -> Plan:
        found = plan_replace(state, None, _scope(cutoff))
        if not found.removed:
            raise NothingToDoError(f"{state.name} has no row before {to_iso(cutoff.instant)}.")
        _refuse_to_empty(state, found.removed, cutoff)
        return found

    try:
        return commit_without_rows(product.table, provenance, "retain", plan).version
    except NothingToDoError:
        return None


def _cutoff(product: Product, keep: str | None, before: Any) -> Cutoff:
    if keep is not None and before is not None:
        raise ArgumentError("Give keep or before, not both.")
    if before is not None:
        return Cutoff(to_nanoseconds(before), "as given", may_empty=True)
    policy = f"keep {keep}"
    if keep is None:
        keep, policy = _declared(product)
    return Cutoff(time.time_ns() - parse_duration(keep, of="retention"), policy, may_empty=False)


def _declared(product: Product) -> tuple[str, str]:
    """Return the retention that the contract or the domain declares, and which of both."""
    if product.contract.retention is not None:
        return product.contract.retention, f"keep {product.contract.retention} by the contract"
    name = product.name
    try:
        retention = load_domain(product.table.store, name.domain).retention
    except NotFoundError:  # a domain need not be declared
        retention = None
    if retention is None:
        raise ArgumentError(
            f"Neither the contract of {name} nor the domain {name.domain!r} declares a retention.",
            hint="Give keep='5y' or before='2020-01-01'.",
        )
    return retention, f"keep {retention} by the domain {name.domain}"


def _scope(cutoff: Cutoff) -> Scope:
    return Scope(None, Interval(MIN_NS, max(MIN_NS, cutoff.instant)))


def _look(state: TableState, cutoff: Cutoff, *, dry_run: bool) -> RetainReport:
    """Count what would go: whole files by their ranges, the files at the cutoff by their times alone."""
    scope = _scope(cutoff)
    dropped = [file for file in state.files if scope.covers(file)]
    cut = [file for file in state.files if scope.touches(file) and not scope.covers(file)]
    first = [file.min_time for file in (*dropped, *cut) if file.min_time is not None]
    last = [file.max_time for file in dropped if file.max_time is not None]
    rows = sum(file.rows for file in dropped)
    for file in cut:
        count, newest = _older(state, file, scope.interval)
        rows, last = rows + count, [*last, newest]
    _refuse_to_empty(state, rows, cutoff)
    gone = [*dropped, *cut]
    return RetainReport(
        product=str(state.name),
        version=state.version,
        dry_run=dry_run,
        cutoff=to_iso(cutoff.instant),
        policy=cutoff.policy,
        rows=rows,
        rows_left=state.rows - rows,
        files_dropped=len(dropped),
        files_rewritten=len(cut),
        size=sum(file.size for file in gone),
        first=to_iso(min(first)) if rows else None,
        last=to_iso(max(last)) if rows else None,
        held=holders_of(state, gone),
    )


def _older(state: TableState, file: DataFile, interval: Interval) -> tuple[int, int]:
    """Return how many rows of a file lie in the interval, and the time of the last one."""
    alone = replace(state, files=(file,))
    columns = [name for name in (state.schema.time,) if name]
    times = times_of(decode(alone, select_pieces(alone, None, interval), interval, columns), state.schema)
    return (0, MIN_NS) if times is None else (len(times), int(times.max()))


def _refuse_to_empty(state: TableState, rows: int, cutoff: Cutoff) -> None:
    if rows and rows == state.rows and not cutoff.may_empty:
        raise ArgumentError(
            f"To {cutoff.policy} would take out all {rows:,} rows of {state.name}: the newest is older than "
            f"{to_iso(cutoff.instant)}. Nothing was written.",
            hint="Look whether this machine's clock is right; to empty the product, give before=.",
        )
