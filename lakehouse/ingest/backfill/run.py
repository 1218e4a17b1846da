"""Run a backfill: claim slices, load their chunks, commit them many at a time; never one twice.

The ledger is the Delta log itself: a commit carries the ids of the chunks that it completes, so rows and
ledger become visible in the same step, and a chunk that is in the log is never loaded again. Any number of
coordinators may work on one plan; each ends when the plan has ended.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.documents import now_iso
from lakehouse.catalog.session import session_of
from lakehouse.errors import ArgumentError, LakehouseError, SourceError, StorageError
from lakehouse.ingest.backfill.batches import Loaded, batches, merge
from lakehouse.ingest.backfill.claims import Claims
from lakehouse.ingest.backfill.ledger import (
    PlanDocument,
    content_key,
    keep_failure,
    keys_of,
    ledger_key,
    list_failures,
    publish_plan,
)
from lakehouse.ingest.backfill.loading import Load, Task, Workers, loading, rows_of
from lakehouse.ingest.backfill.plan import BackfillPlan
from lakehouse.ingest.backfill.report import BackfillReport, ChunkFailure, Progress, sums
from lakehouse.ingest.sources.base import Chunk, Source
from lakehouse.ingest.sources.policy import Policy
from lakehouse.ingest.write import ChunksDoneError, Provenance, commit_prepared
from lakehouse.partitions.commit_record import Commit
from lakehouse.partitions.state import TableState
from lakehouse.partitions.table import Table

_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 1.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How a plan is run."""

    executor: Workers = None
    """what loads chunks; None for threads"""
    workers: int | None = None
    """how many; None for one a core"""
    policy: Policy | None = None
    """how the source may be asked"""
    only: Literal["pending", "failed"] = "pending"
    """which chunks: all that are not in the product, or those of them that failed in an earlier run"""
    progress: Callable[[Progress], None] | None = None
    """called after every chunk that was read, and after every commit"""


def backfill(
    table: Table,
    contract: Contract,
    source: Source,
    plan: BackfillPlan,
    settings: Settings,
    provenance: Provenance,
) -> BackfillReport:
    """Load every chunk of a plan that is not in the product, and wait for those that others load.

    Raises:
        ArgumentError: `only` or the executor can not mean anything.
        LakehouseError: every worker process died, or one of the executor's.
    """
    if settings.only not in ("pending", "failed"):
        raise ArgumentError(f"only must be 'pending' or 'failed', got {settings.only!r}.")
    run = _Run(table, contract, plan, settings, replace(provenance, source=source.name))
    wanted = _wanted(plan, settings.only)
    if wanted:
        task = Task(source, contract, table.store, table.path, settings.policy)
        if settings.executor in (None, "threads"):
            with loading(task, settings.executor, settings.workers, task) as load:
                run.work(wanted, load)
        else:
            staged = task.staged_by(session_of(table.store).intend(table.path))
            _work_staged(run, wanted, task, staged, settings)
    return run.report()


def _wanted(plan: BackfillPlan, only: str) -> set[str]:
    """Return the ids of the chunks to load. How the only chunk of a plan went before, no document tells."""
    every = only == "pending" or len(plan.chunks) == 1
    return {chunk.id for chunk in plan.pending if every or chunk.id in plan.failed}


def _work_staged(run: _Run, wanted: Collection[str], task: Task, staged: Task, settings: Settings) -> None:
    """Load through other processes, and leave nothing staged behind."""
    try:
        with (
            loading(task, settings.executor, settings.workers, staged) as load,
            # Where it is interrupted, a worker may stage a file yet: garbage collection finds it.
            session_of(staged.store).writing(),
        ):
            run.work(wanted, load)
    finally:
        staged.discard()


class _Run:
    """The running totals of one backfill."""

    def __init__(
        self,
        table: Table,
        contract: Contract,
        plan: BackfillPlan,
        settings: Settings,
        provenance: Provenance,
    ) -> None:
        self._table, self._contract, self._plan = table, contract, plan
        self._progress, self._provenance = settings.progress, provenance
        self._started = time.perf_counter()
        self._committed = self._bytes = self._bytes_done = self._rows_read = 0
        self._commits: list[Commit] = []
        self._failures: dict[str, ChunkFailure] = {}
        self._waiting: set[str] = set()
        self._pending = len(plan.pending)
        """chunks that are not in the product and not to be loaded"""
        # A plan of one chunk has nothing to share, and whoever ran it knows how it went: no document.
        self._claims = Claims(table.store, plan.id, table.path) if len(plan.chunks) > 1 else None

    def work(self, wanted: Collection[str], load: Load) -> None:
        """Load the chunks that are wanted, slice by slice, until none is missing."""
        self._waiting = set(wanted)
        self._pending -= len(self._waiting)
        self._bytes = sum(chunk.bytes for chunk in self._plan.chunks if chunk.id in wanted)
        if self._claims is not None:
            self._publish_plan()
        parts = dict(self._plan.parts(wanted))
        pause = _SHORTEST_PAUSE_S
        while parts:
            ended = [number for number, chunks in parts.items() if self._work_on(number, chunks, load)]
            for number in ended:
                del parts[number]
            pause = _SHORTEST_PAUSE_S if ended else min(2 * pause, _LONGEST_PAUSE_S)
            if parts and not ended:  # others work on all of them
                time.sleep(random.uniform(pause / 2, pause))
        if self._claims is not None:
            self._claims.sweep()

    def report(self) -> BackfillReport:
        """Sum up the run."""
        after = self._after()
        totals: dict[str, Any] = {
            name: sum(getattr(commit, name) for commit in self._commits)
            for name in ("rows_in", "accepted", "quarantined", "duplicates")
        }
        return BackfillReport(
            product=str(self._table.name),
            source=self._provenance.source,
            id=self._plan.id,
            chunks=len(self._plan.chunks),
            committed=self._committed,
            skipped=self._skipped,
            pending=self._pending,
            **totals,
            rules=sums([dict(commit.quarantine.rules) for commit in self._commits if commit.quarantine]),
            warnings=sums([dict(commit.warnings) for commit in self._commits]),
            versions=tuple(commit.version for commit in self._commits),
            failures=tuple(self._failures.values()),
            seconds=time.perf_counter() - self._started,
            rows=after.rows,
            digest=after.digest,
        )

    def _after(self) -> Commit | TableState:
        """Return what tells how the product is now, the commits of others included."""
        try:
            return self._table.head()
        except StorageError:  # another look can fail, and would hide what has landed
            if not self._commits:
                raise
            return self._commits[-1]

    @property
    def _skipped(self) -> int:
        """How many chunks are in the product through others."""
        told = self._committed + len(self._failures) + len(self._waiting) + self._pending
        return len(self._plan.chunks) - told

    def _work_on(self, number: int, chunks: Sequence[Chunk], load: Load) -> bool:
        """Load what is missing of a slice; False where somebody else works on it."""
        missing = self._missing(chunks)
        if not missing:
            return True
        if self._claims is None:
            self._load(missing, load)
            return True
        if not self._claims.take(number):
            return False
        try:
            self._load(self._missing(chunks), load)  # another look: who had the claim before may have ended
        finally:
            self._claims.give_back(number)
        return True

    def _missing(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Return the chunks that still have to be loaded; settle those that others loaded."""
        done, told = self._table.head().transactions, self._told_by_others()
        missing = []
        for chunk in chunks:
            if chunk.id not in self._waiting:
                continue
            if ledger_key(chunk.id) in done:
                self._waiting.discard(chunk.id)
                self._bytes_done += chunk.bytes
            elif chunk.id in told:
                self._failures[chunk.id] = told[chunk.id]
                self._waiting.discard(chunk.id)
            elif chunk.content and content_key(chunk) in done and not self._contract.schema.key:
                # Its file was loaded for another interval, and no key would tell doubles.
                self._fail(chunk, _overlap(chunk, self._plan.product))
            else:
                missing.append(chunk)
        return missing

    def _told_by_others(self) -> dict[str, ChunkFailure]:
        """Return the failures that were kept since the plan was made."""
        if self._claims is None:
            return {}
        found = list_failures(self._table.store, self._plan.id)
        return {chunk: failure for chunk, failure in found.items() if failure != self._plan.failed.get(chunk)}

    def _load(self, chunks: Sequence[Chunk], load: Load) -> None:
        for batch in batches(self._watched(load(chunks))):
            self._commit(batch)

    def _watched(self, chunks: Iterator[Loaded]) -> Iterator[Loaded]:
        """Count chunks as they are read, and tell the caller."""
        for loaded in chunks:
            self._bytes_done += loaded.chunk.bytes
            self._rows_read += loaded.prepared.rows_in if loaded.prepared else 0
            self._tell()
            yield loaded

    def _commit(self, batch: Sequence[Loaded]) -> None:
        for loaded in batch:
            if loaded.error is not None:
                self._fail(loaded.chunk, loaded.error)
        self._commit_together([loaded for loaded in batch if loaded.error is None])
        for loaded in batch:
            if loaded.staged:
                self._table.store.delete(loaded.staged)
        self._tell()

    def _commit_together(self, batch: Sequence[Loaded]) -> None:
        """Commit a batch as one; where that fails, in halves, so that one bad chunk stops no other."""
        if not batch:
            return
        try:
            self._put(batch)
        except ChunksDoneError:
            missing = {chunk.id for chunk in self._missing([loaded.chunk for loaded in batch])}
            self._commit_together([loaded for loaded in batch if loaded.chunk.id in missing])
        except LakehouseError as error:
            if len(batch) == 1:
                self._fail(batch[0].chunk, error)
            else:
                self._commit_together(batch[: len(batch) // 2])
                self._commit_together(batch[len(batch) // 2 :])

    def _put(self, batch: Sequence[Loaded]) -> None:
        key = self._contract.schema.key
        merged = merge([rows_of(self._table.store, loaded) for loaded in batch], key)
        chunks = [loaded.chunk for loaded in batch]
        given = replace(self._provenance, chunks=keys_of(chunks, self._contract))
        self._commits.append(commit_prepared(self._table, merged, given, "backfill"))
        self._committed += len(chunks)
        self._waiting -= {chunk.id for chunk in chunks}

    def _fail(self, chunk: Chunk, error: LakehouseError) -> None:
        failure = ChunkFailure(chunk.id, chunk.files, str(error))
        self._failures[chunk.id] = failure
        self._waiting.discard(chunk.id)
        # A full disk can not keep it either, and it passes.
        if self._claims is not None and not isinstance(error, StorageError):
            keep_failure(self._table.store, self._plan.id, failure)

    def _publish_plan(self) -> None:
        plan = self._plan
        ids = tuple(chunk.id for chunk in plan.chunks)
        major = self._table.major
        document = PlanDocument(plan.id, plan.product, major, plan.source, now_iso(), ids, plan.slices)
        publish_plan(self._table.store, document)

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._state())

    def _state(self) -> Progress:
        return Progress(
            chunks=len(self._plan.chunks),
            done=self._committed,
            skipped=self._skipped,
            failed=len(self._failures),
            rows=self._rows_read,
            quarantined=sum(commit.quarantined for commit in self._commits),
            bytes=self._bytes,
            bytes_done=self._bytes_done,
            seconds=time.perf_counter() - self._started,
        )


def _overlap(chunk: Chunk, product: str) -> SourceError:
    return SourceError(
        f"{', '.join(chunk.files)} was loaded into {product} for another interval "
        "or other symbols, and the product has no key: rows would double.",
        hint="Ask for the same interval and symbols as before, or load it into another product.",
    )
