"""Load a source in chunks, each exactly once, many to a commit; an interrupted run goes on where it stopped.

The ledger is the Delta log itself: a commit carries the ids of the chunks that it completes, so rows and
ledger become visible in the same step, and a chunk that is in the log is never loaded again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.errors import LakehouseError, SourceError
from lakehouse.ingest.prepare import Prepared, prepare
from lakehouse.ingest.write import ChunksDoneError, Provenance, commit_prepared
from lakehouse.partitions.keys import find_repeats

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract
    from lakehouse.ingest.sources.base import Chunk, Source
    from lakehouse.partitions.commit_record import Commit
    from lakehouse.partitions.table import Table
    from lakehouse.product import Product
    from lakehouse.times import Interval

ROWS_PER_COMMIT = 1_000_000
_AHEAD = 6


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill is; given to the caller after every chunk that was read, and after every commit."""

    chunks: int
    """of the plan"""
    done: int
    """chunks committed by this run"""
    skipped: int
    """chunks committed by an earlier run"""
    failed: int
    """chunks that could not be loaded"""
    rows: int
    """rows read so far"""
    quarantined: int
    """rows refused so far"""
    bytes: int
    """bytes of the plan's files"""
    bytes_done: int
    """bytes read so far"""
    seconds: float
    """since the start"""

    @property
    def rows_per_second(self) -> float:
        """Rows read a second, gate and commit included."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def remaining_seconds(self) -> float | None:
        """Expected time to the end, by bytes; None before the first chunk."""
        return self.seconds * (self.bytes - self.bytes_done) / self.bytes_done if self.bytes_done else None


@dataclass(frozen=True, slots=True)
class ChunkFailure:
    """A chunk that could not be loaded; the others were."""

    chunk: str
    """its id"""
    files: tuple[str, ...]
    """what it would have read"""
    error: str
    """why not"""


@dataclass(frozen=True)
class BackfillReport:
    """What a backfill did: rows_in == accepted + quarantined + duplicates."""

    product: str
    """`domain.product`"""
    source: str
    """name of the source"""
    chunks: int = 0
    """of the plan"""
    committed: int = 0
    """by this run"""
    skipped: int = 0
    """committed by an earlier run"""
    rows_in: int = 0
    """rows read"""
    accepted: int = 0
    """rows that landed"""
    quarantined: int = 0
    """rows that broke a rule"""
    duplicates: int = 0
    """rows that were there already"""
    rules: dict[str, int] = field(default_factory=dict)
    """quarantined rows by rule"""
    warnings: dict[str, int] = field(default_factory=dict)
    """rows that broke a rule of level `warn`, and landed"""
    versions: tuple[int, ...] = ()
    """commits that this run made"""
    failures: tuple[ChunkFailure, ...] = ()
    """chunks that could not be loaded"""
    seconds: float = 0.0
    """elapsed"""
    rows: int = 0
    """rows of the product afterwards"""
    digest: str = ""
    """content digest of the product afterwards"""

    @property
    def ok(self) -> bool:
        """Whether every chunk of the plan is in the product."""
        return not self.failures


def backfill(
    product: Product,
    source: Source,
    *,
    symbols: Sequence[str] | None,
    interval: Interval,
    progress: Callable[[Progress], None] | None = None,
    author: str = "",
    message: str = "",
) -> BackfillReport:
    """Load every chunk of a source that no earlier run has committed.

    Raises:
        SourceError: the source has no chunk at all.
    """
    plan = source.chunks(product.contract.schema, symbols, interval)
    if not plan:
        raise SourceError(
            f"{source.name} has nothing to load.", hint="Check the path, the symbols and the interval."
        )
    done = product.state().transactions
    pending = [chunk for chunk in plan if ledger_key(chunk.id) not in done]
    run = _Run(
        product,
        source,
        plan,
        pending,
        progress,
        Provenance(author=author, source=source.name, message=message),
    )
    pending = run.without_overlaps(pending, done)
    for batch in _batches(run.watched(_loaded(source, product, pending))):
        run.commit(batch)
    return run.report()


def ledger_key(chunk: str) -> str:
    """Return the name under which the Delta log remembers a chunk."""
    return f"chunk:{chunk}"


def _content_key(chunk: Chunk) -> str:
    return f"content:{chunk.content}"


def _overlap(chunk: Chunk, product: Product) -> SourceError:
    return SourceError(
        f"{', '.join(chunk.files)} was loaded into {product.name} for another interval "
        "or other symbols, and the product has no key: rows would double.",
        hint="Ask for the same interval and symbols as before, or load it into another product.",
    )


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A chunk that was read and passed the gate, or why it was not."""

    chunk: Chunk
    prepared: Prepared | None
    error: LakehouseError | None = None


class _Run:
    """The running totals of one backfill."""

    def __init__(
        self,
        product: Product,
        source: Source,
        plan: Sequence[Chunk],
        pending: Sequence[Chunk],
        progress: Callable[[Progress], None] | None,
        provenance: Provenance,
    ) -> None:
        self._product, self._source, self._plan = product, source, plan
        self._table: Table = product.table
        self._progress, self._provenance = progress, provenance
        self._started = time.perf_counter()
        self._skipped = len(plan) - len(pending)
        self._committed = self._bytes_done = self._rows_read = 0
        self._bytes = sum(chunk.bytes for chunk in pending)
        self._commits: list[Commit] = []
        self._failures: list[ChunkFailure] = []

    def without_overlaps(self, pending: Sequence[Chunk], done: Mapping[str, int]) -> list[Chunk]:
        """Refuse chunks whose file was loaded for another interval, where no key tells doubles."""
        clear = []
        for chunk in pending:
            if chunk.content and _content_key(chunk) in done and not self._product.contract.schema.key:
                self._fail(chunk, _overlap(chunk, self._product))
            else:
                clear.append(chunk)
        return clear

    def watched(self, chunks: Iterator[_Loaded]) -> Iterator[_Loaded]:
        """Count chunks as they are read, and tell the caller."""
        for loaded in chunks:
            self._bytes_done += loaded.chunk.bytes
            self._rows_read += loaded.prepared.rows_in if loaded.prepared else 0
            self._tell()
            yield loaded

    def commit(self, batch: Sequence[_Loaded]) -> None:
        """Commit a batch as one; where that fails, chunk by chunk, so that one bad chunk stops no other."""
        for loaded in batch:
            if loaded.error is not None:
                self._fail(loaded.chunk, loaded.error)
        good = [loaded for loaded in batch if loaded.prepared is not None and loaded.error is None]
        if good and not self._commit_together(good):
            for loaded in good:
                self._commit_alone(loaded)
        self._tell()

    def report(self) -> BackfillReport:
        """Sum up the run."""
        # What has landed is reported by its last commit: another look could fail, and hide it.
        after = self._commits[-1] if self._commits else self._product.state()
        totals: dict[str, Any] = {
            name: sum(getattr(commit, name) for commit in self._commits)
            for name in ("rows_in", "accepted", "quarantined", "duplicates")
        }
        return BackfillReport(
            product=str(self._product.name),
            source=self._source.name,
            chunks=len(self._plan),
            committed=self._committed,
            skipped=self._skipped,
            **totals,
            rules=_sums([commit.quarantine.rules for commit in self._commits if commit.quarantine]),
            warnings=_sums([commit.warnings for commit in self._commits]),
            versions=tuple(commit.version for commit in self._commits),
            failures=tuple(self._failures),
            seconds=time.perf_counter() - self._started,
            rows=after.rows,
            digest=after.digest,
        )

    def _commit_together(self, batch: Sequence[_Loaded]) -> bool:
        if len(batch) == 1:
            return False
        try:
            merged = _merged([loaded.prepared for loaded in batch if loaded.prepared is not None])
        except pa.ArrowException:  # quarantined rows of one column come in types that have none in common
            return False
        repeats = find_repeats(merged.good, self._product.contract.schema.key)
        if repeats.conflicts.any() or repeats.duplicates.any():
            return False
        try:
            self._put(merged, [loaded.chunk for loaded in batch])
        except LakehouseError:  # one of them; which one shows when each is committed alone
            return False
        return True

    def _commit_alone(self, loaded: _Loaded) -> None:
        try:
            if loaded.prepared is not None:
                self._put(loaded.prepared, [loaded.chunk])
        except ChunksDoneError:
            self._skipped += 1
        except LakehouseError as error:
            self._fail(loaded.chunk, error)

    def _put(self, prepared: Prepared, chunks: Sequence[Chunk]) -> None:
        keys = [ledger_key(chunk.id) for chunk in chunks]
        if not self._product.contract.schema.key:
            keys += [_content_key(chunk) for chunk in chunks if chunk.content]
        given = replace(self._provenance, chunks=tuple(keys))
        self._commits.append(commit_prepared(self._table, prepared, given, "backfill"))
        self._committed += len(chunks)

    def _fail(self, chunk: Chunk, error: LakehouseError) -> None:
        self._failures.append(ChunkFailure(chunk.id, chunk.files, str(error)))

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._state())

    def _state(self) -> Progress:
        return Progress(
            chunks=len(self._plan),
            done=self._committed,
            skipped=self._skipped,
            failed=len(self._failures),
            rows=self._rows_read,
            quarantined=sum(commit.quarantined for commit in self._commits),
            bytes=self._bytes,
            bytes_done=self._bytes_done,
            seconds=time.perf_counter() - self._started,
        )


def _loaded(source: Source, product: Product, chunks: Sequence[Chunk]) -> Iterator[_Loaded]:
    """Read and check chunks in order, a few ahead of the commit, on threads."""
    contract, store = product.contract, product.table.store

    def one(chunk: Chunk) -> _Loaded:
        try:
            rows = source.read(chunk, contract.schema)
            return _Loaded(
                chunk, prepare(rows, contract, store=store) if rows.num_rows else _nothing(contract)
            )
        except LakehouseError as error:
            return _Loaded(chunk, None, error)

    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="lakehouse-backfill") as pool:
        waiting: list[Future[_Loaded]] = []
        for chunk in chunks:
            waiting.append(pool.submit(one, chunk))
            if len(waiting) > _AHEAD:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()


def _nothing(contract: Contract) -> Prepared:
    """Stand for a chunk without rows: it is done all the same."""
    from lakehouse.schema import stored_schema

    fields = [field for field in stored_schema(contract.schema) if field.name in contract.schema.names]
    return Prepared(pa.schema(fields).empty_table(), rows_in=0, duplicates=0)


def _batches(chunks: Iterator[_Loaded]) -> Iterator[list[_Loaded]]:
    """Group chunks into commits of bounded size."""
    batch: list[_Loaded] = []
    rows = 0
    for loaded in chunks:
        batch.append(loaded)
        rows += loaded.prepared.rows_in if loaded.prepared else 0
        if rows >= ROWS_PER_COMMIT:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def _merged(parts: Sequence[Prepared]) -> Prepared:
    refused = [part.quarantine for part in parts if part.quarantine is not None]
    return Prepared(
        good=pa.concat_tables(_one_encoding([part.good for part in parts]), promote_options="permissive"),
        rows_in=sum(part.rows_in for part in parts),
        duplicates=sum(part.duplicates for part in parts),
        quarantine=pa.concat_tables(refused, promote_options="permissive") if refused else None,
        broken=_sums([part.broken for part in parts]),
        warnings=_sums([part.warnings for part in parts]),
    )


def _one_encoding(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """Encode a text column in every table if the gate encoded it in one: short chunks come plain."""
    encoded = {
        column.name for table in tables for column in table.schema if pa.types.is_dictionary(column.type)
    }
    return [_with_encoded(table, encoded) for table in tables]


def _with_encoded(table: pa.Table, names: Collection[str]) -> pa.Table:
    for position, name in enumerate(table.column_names):
        if name in names and not pa.types.is_dictionary(table.column(name).type):
            table = table.set_column(position, name, table.column(name).dictionary_encode())
    return table


def _sums(counts: Sequence[Any]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for rule, count in each.items():
            total[rule] = total.get(rule, 0) + count
    return total
