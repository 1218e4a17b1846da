"""Plan against a version, write files, commit if nothing in between matters.

A commit is conditional on the version that it was planned against. When another writer was faster, its
commit is looked at: outside the plan's scope, the files stand and the commit goes one version later;
inside, the files are thrown away and the plan is made anew. So no update is lost, and nothing old is
submitted twice.
"""

from __future__ import annotations

import hashlib
import random
import time
import uuid
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.catalog.authors import author_of
from lakehouse.catalog.documents import storable
from lakehouse.catalog.session import session_of
from lakehouse.errors import AlreadyExistsError, ConflictError, NotFoundError
from lakehouse.ingest.evolve import evolve
from lakehouse.ingest.plans import Plan, plan_append
from lakehouse.ingest.prepare import Prepared
from lakehouse.partitions.arrays import empty_table, ticks_of
from lakehouse.partitions.commit_record import Commit, QuarantineFile
from lakehouse.partitions.layout import Layout, choose_layout
from lakehouse.partitions.parquet_files import WrittenFile, discard, write_data_files
from lakehouse.partitions.state import TableState
from lakehouse.partitions.table import Change, Table
from lakehouse.schema import TableSchema, row_schema
from lakehouse.times import NS_PER_DAY

ATTEMPTS = 20
_LONGEST_PAUSE_S = 0.5
_PIECE = 1 << 16
"""rows whose days are found at a time: fresh memory costs more than the division"""


@dataclass(frozen=True, slots=True)
class Sealed:
    """Rows of a tail that a write moves into the table."""

    key: str
    """transaction id of the tail's writer"""
    after: int
    """number of the last row that was sealed before"""
    last: int
    """number of the last row of this write"""

    def stands(self, state: TableState) -> bool:
        """Say whether nobody else has sealed rows of the writer since."""
        return state.transactions.get(self.key, 0) == self.after


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who writes, from where and why; and the keys that keep it from being done twice."""

    author: str = ""
    """empty: LAKEHOUSE_AUTHOR, or user@host"""
    source: str = ""
    """from where, in the writer's words"""
    message: str = ""
    """why, in the writer's words"""
    idempotency_key: str | None = None
    """a key that was committed before writes nothing"""
    chunks: tuple[str, ...] = field(default=())
    """ledger chunks that this write completes"""
    transaction: str = ""
    """name of the transaction over several products of which this write is a part"""
    sealed: Sealed | None = None
    """what of a tail this write seals, exactly once"""


class NothingToDoError(ConflictError):
    """What a planner raises that finds nothing to do any more: no version is made, nothing was written."""


class ChunksDoneError(ConflictError):
    """Another backfill has committed one of the chunks; nothing was written."""


class AlreadySealedError(ConflictError):
    """Another process has sealed these rows of a tail; nothing was written."""


def commit_prepared(table: Table, prepared: Prepared, provenance: Provenance, operation: str) -> Commit:
    """Append rows that have passed the gate already, under another name of operation."""
    return commit_plan(table, prepared, provenance, operation, plan_append)


def commit_without_rows(
    table: Table, provenance: Provenance, operation: str, planner: Callable[[TableState], Plan]
) -> Commit:
    """Commit what takes rows out, or moves them, and brings none in; see `commit_plan`."""
    return commit_plan(table, no_rows(table.schema), provenance, operation, lambda state, _: planner(state))


def no_rows(schema: TableSchema) -> Prepared:
    """Return what a write prepares that brings no rows in."""
    return Prepared(empty_table(row_schema(schema)), rows_in=0, duplicates=0)


def commit_plan(
    table: Table,
    prepared: Prepared,
    provenance: Provenance,
    operation: str,
    planner: Callable[[TableState, pa.Table], Plan],
) -> Commit:
    """Plan, write and commit until no other writer was in the way.

    Raises:
        ChunksDoneError: another backfill has committed a chunk of this write.
        AlreadySealedError: another process has sealed rows that this write seals.
        NothingToDoError: the planner raised it.
        ConflictError: other writers won every attempt.
    """
    session = session_of(table.store)
    for attempt in range(ATTEMPTS):
        if table.exists:
            evolve(table, table.head(), author=author_of(provenance.author))
        # The first plan is made beside the queue, so that writers of different rows work at once. Who lost
        # once plans within it: among writers of the same rows, somebody could lose for ever.
        with table.queue() if attempt else nullcontext():
            state = _base(table, prepared)
            done = _done(table, state, provenance)
            if done is not None:
                return done
            if state.contract_version == table.contract_version:
                plan = planner(state, prepared.good)
                writer = session.intend(table.path)
                with session.writing():
                    quarantine = _put_quarantine(table, prepared, writer)
                    record = _record(prepared, plan, provenance, operation, quarantine)
                    layout = plan.layout or state.layout or Layout()
                    written = _write_files(table, state, layout, plan, writer)
                    with nullcontext() if attempt else table.queue():
                        commit = _publish(table, state, plan, written, record, provenance, writer)
                if commit is not None:
                    return commit
        time.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, 0.005 * 2**attempt)))
    raise ConflictError(
        f"Other writers changed the same rows of {table.name} in each of {ATTEMPTS} attempts; "
        "nothing was written.",
        hint="Write again, in fewer and larger commits.",
    )


def repeated(table: Table, state: TableState, provenance: Provenance) -> Commit | None:
    """Return the commit that used this idempotency key before, if any."""
    key = provenance.idempotency_key
    if key is None or key not in state.transactions:
        return None
    version = state.transactions[key]
    try:
        return replace(table.commit_of(version), repeated=True)
    except NotFoundError:  # somebody cut the log: a checkpoint knows that it was done
        return Commit(str(table.name), version, "unknown", "", idempotency_key=key, repeated=True)


def _done(table: Table, state: TableState, provenance: Provenance) -> Commit | None:
    """Return the commit that did this write before, if any.

    Raises:
        ChunksDoneError: another backfill did a part of it.
        AlreadySealedError: another process did a part of it.
    """
    sealed = provenance.sealed
    if sealed is not None and not sealed.stands(state):
        raise AlreadySealedError(f"Rows of the tail of {table.name} were sealed in the meantime.")
    if any(chunk in state.transactions for chunk in provenance.chunks):
        raise ChunksDoneError(f"Another backfill has committed a chunk of {table.name} in the meantime.")
    return repeated(table, state, provenance)


def _write_files(
    table: Table, state: TableState, layout: Layout, plan: Plan, writer: str
) -> list[WrittenFile]:
    """Publish a plan's rows, and let its proof look at them; where either fails, nothing of them stays."""
    written: list[WrittenFile] = []
    try:
        for rows in [plan.rows] if isinstance(plan.rows, pa.Table) else plan.rows:
            written += write_data_files(table.store, table.path, state.schema, layout, rows, writer=writer)
        if plan.proof is not None:
            plan.proof(written)
    except BaseException:
        discard(table.store, written)
        raise
    return written


def _publish(
    table: Table,
    state: TableState,
    plan: Plan,
    written: list[WrittenFile],
    record: Commit,
    provenance: Provenance,
    writer: str,
) -> Commit | None:
    """Commit at the head, as long as it is the planned version or differs only outside the plan's scope.

    Within the queue, which keeps this machine's writers from making each other's plans useless.
    """
    keys = (provenance.idempotency_key, *provenance.chunks)
    sealed = provenance.sealed
    change = Change(
        add=written,
        remove=plan.remove,
        transactions={key: 0 for key in keys if key},
        watermarks={} if sealed is None else {sealed.key: sealed.last},
        moves_only=plan.proof is not None,
        layout=plan.layout,
    )
    if not table.exists:  # only now: what the planner refuses makes no table
        with suppress(AlreadyExistsError):  # another first write was faster
            table.create(state.layout or Layout())
    while True:
        head = table.head()
        fenced = session_of(table.store).is_fenced(writer, head.transactions)
        if fenced or not _stands(plan, state, head, provenance):
            discard(table.store, written)
            if record.quarantine is not None:
                table.store.delete(record.quarantine.path)
            return None
        try:
            # NOTE: an error here leaves the files where they are: the commit may have landed before it.
            return table.commit(head, change, record)
        except AlreadyExistsError:  # a writer on another machine, who does not queue here
            continue


def _stands(plan: Plan, planned: TableState, head: TableState, provenance: Provenance) -> bool:
    """Say whether a plan for one version may be committed on top of a later one."""
    if head.layout != planned.layout:
        return False
    if head.version == planned.version:
        return True
    if head.schema != planned.schema or head.contract_version != planned.contract_version:
        return False
    if _keys_done(head, provenance):
        return False
    before, after = {file.path: file for file in planned.files}, {file.path: file for file in head.files}
    changed = [after[path] for path in after.keys() - before.keys()] + [
        before[path] for path in before.keys() - after.keys()
    ]
    return not any(plan.scope.touches(file) for file in changed) and all(
        file.path in after for file in plan.remove
    )


def _keys_done(head: TableState, provenance: Provenance) -> bool:
    if provenance.sealed is not None and not provenance.sealed.stands(head):
        return True
    return any(key in head.transactions for key in (provenance.idempotency_key, *provenance.chunks) if key)


def _base(table: Table, prepared: Prepared) -> TableState:
    """Return the version to plan against; where there is no table yet, with the layout that fits the rows."""
    head = session_of(table.store).follow(table.path, table.head)
    return head if head.layout is not None else replace(head, layout=_fitting_layout(head, prepared))


def _fitting_layout(state: TableState, prepared: Prepared) -> Layout:
    found = ticks_of(prepared.good, state.schema)
    if found is None or not prepared.good.num_rows:
        return choose_layout(state.schema, rows_per_day=1)
    ticks, unit = found
    a_day = NS_PER_DAY // unit
    first, last = int(ticks.min()) // a_day, int(ticks.max()) // a_day
    seen = np.zeros(last - first + 1, np.bool_)
    for start in range(0, len(ticks), _PIECE):
        seen[ticks[start : start + _PIECE] // a_day - first] = True
    return choose_layout(state.schema, rows_per_day=len(ticks) / int(seen.sum()))


def _put_quarantine(table: Table, prepared: Prepared, writer: str) -> QuarantineFile | None:
    """Publish the refused rows, if any; they become visible with the commit that names them."""
    rows = prepared.quarantine
    if rows is None:
        return None
    path = f"{table.path}/_quarantine/{writer}-{uuid.uuid4().hex[:12]}.parquet"
    with table.store.stage(path) as temporary:
        pq.write_table(rows, temporary, compression="zstd")
        data = temporary.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return QuarantineFile(path, digest, len(data), rows.num_rows, dict(prepared.broken))


def _record(
    prepared: Prepared, plan: Plan, provenance: Provenance, operation: str, quarantine: QuarantineFile | None
) -> Commit:
    return Commit(
        product="",
        version=0,
        operation=operation,
        time="",
        id=uuid.uuid4().hex,
        rows_in=prepared.rows_in,
        accepted=plan.accepted,
        quarantined=0 if quarantine is None else quarantine.rows,
        duplicates=prepared.duplicates + plan.duplicates,
        removed=plan.removed,
        author=author_of(provenance.author),
        source=storable(provenance.source),
        message=storable(provenance.message),
        idempotency_key=provenance.idempotency_key,
        warnings=dict(prepared.warnings),
        chunks=provenance.chunks,
        transaction=provenance.transaction,
        quarantine=quarantine,
    )
