"""What a writer can ask for: append, upsert, update, delete; each is checked, and waits for its commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lakehouse.catalog.contract import Contract
from lakehouse.catalog.session import session_of
from lakehouse.errors import ArgumentError
from lakehouse.ingest.plans import Plan, Scope, plan_append, plan_replace, plan_upsert, scope_of
from lakehouse.ingest.prepare import Prepared, prepare
from lakehouse.ingest.write import Provenance, commit_plan, no_rows, repeated
from lakehouse.partitions.commit_record import Commit
from lakehouse.partitions.state import TableState
from lakehouse.partitions.table import Table
from lakehouse.times import Interval

Planner = Callable[[TableState, pa.Table], Plan]


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """A write whose rows have passed the gate."""

    table: Table
    """where it goes"""
    operation: str
    """append, upsert, update or delete"""
    prepared: Prepared
    """the rows"""
    provenance: Provenance
    """who and why"""
    planner: Planner
    """from a version to what would change"""
    done: Commit | None = None
    """the commit that did this write before, under the same idempotency key"""

    def check(self) -> None:
        """Plan against the present version, and write nothing.

        Raises:
            KeyConflictError: a key is stored with other values.
        """
        if self.done is None and self.table.exists:
            state = session_of(self.table.store).follow(self.table.path, self.table.head)
            self.planner(state, self.prepared.good)

    def commit(self) -> Commit:
        """Commit; the record of the first time where it was done before.

        Raises:
            KeyConflictError: a key is stored with other values; nothing was written.
            ConflictError: other writers won every attempt.
        """
        if self.done is not None:
            return self.done
        return commit_plan(self.table, self.prepared, self.provenance, self.operation, self.planner)


def append(
    table: Table, contract: Contract, frame: Any, provenance: Provenance, *, time_zone: str | None = None
) -> PendingWrite:
    """Add rows.

    With a key, rows that are stored already, equal in every column, count as duplicates.

    Raises:
        SchemaError: the frame does not fit the contract.
    """
    return _pending(table, contract, frame, provenance, "append", plan_append, time_zone)


def upsert(
    table: Table, contract: Contract, frame: Any, provenance: Provenance, *, time_zone: str | None = None
) -> PendingWrite:
    """Replace rows by key and add new ones; without a key, replace whole groups of equal symbol and time.

    Raises:
        SchemaError: the frame does not fit the contract.
    """
    return _pending(table, contract, frame, provenance, "upsert", plan_upsert, time_zone)


def update(
    table: Table,
    contract: Contract,
    frame: Any,
    provenance: Provenance,
    *,
    interval: Interval | None,
    time_zone: str | None = None,
) -> PendingWrite:
    """Replace a range of time of the frame's symbols; None: from its first to its last time.

    Its check and commit raise ArgumentError where a row lies outside the interval.

    Raises:
        ArgumentError: the product has no time column.
        SchemaError: the frame does not fit the contract.
    """
    if contract.schema.time is None:
        raise ArgumentError(
            f"{contract.name} has no time column, so no range of time to update.", hint="Use upsert."
        )

    def plan(state: TableState, good: pa.Table) -> Plan:
        scope = scope_of(good, state.schema)
        if interval is not None:
            if good.num_rows and not (
                interval.start <= scope.interval.start and scope.interval.end <= interval.end
            ):
                raise ArgumentError(
                    "Some rows lie outside [start, end), the range to update.",
                    hint="Widen the range, or cut the frame.",
                )
            scope = Scope(scope.symbols, interval)
        return plan_replace(state, good, scope)

    return _pending(table, contract, frame, provenance, "update", plan, time_zone)


def delete(table: Table, scope: Scope, provenance: Provenance) -> PendingWrite:
    """Take out every row of the scope's symbols and interval; old versions keep them."""

    def plan(state: TableState, _: pa.Table) -> Plan:
        return plan_replace(state, None, scope)

    return PendingWrite(table, "delete", no_rows(table.schema), provenance, plan)


def _pending(
    table: Table,
    contract: Contract,
    frame: Any,
    provenance: Provenance,
    operation: str,
    planner: Planner,
    time_zone: str | None,
) -> PendingWrite:
    done = repeated(table, table.head(), provenance)
    prepared = (
        prepare(frame, contract, time_zone=time_zone, store=table.store)
        if done is None
        else no_rows(table.schema)
    )
    return PendingWrite(table, operation, prepared, provenance, planner, done)
