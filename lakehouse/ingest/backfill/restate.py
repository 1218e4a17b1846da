"""Compute a range again: what the source gives now takes the place of what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lakehouse.catalog.contract import Contract
from lakehouse.errors import SourceError
from lakehouse.ingest.backfill.batches import Loaded, merge
from lakehouse.ingest.backfill.ledger import keys_of
from lakehouse.ingest.backfill.loading import Task, Workers, loading
from lakehouse.ingest.backfill.plan import Extent
from lakehouse.ingest.plans import Plan, Scope, plan_replace, rows_inside
from lakehouse.ingest.prepare import Prepared
from lakehouse.ingest.sources.base import Chunk, Source
from lakehouse.ingest.write import Provenance, commit_plan
from lakehouse.partitions.commit_record import Commit
from lakehouse.partitions.state import TableState
from lakehouse.partitions.table import Table

if TYPE_CHECKING:
    import pyarrow as pa


def restate(
    table: Table,
    contract: Contract,
    source: Source,
    extent: Extent,
    provenance: Provenance,
    *,
    executor: Workers = None,
    workers: int | None = None,
) -> Commit:
    """Replace exactly the rows of some symbols and an interval by what a source gives now, in one commit.

    All or nothing: where one chunk can not be read, nothing is replaced. Versions from before stay readable.

    Raises:
        SourceError: a chunk can not be read, or the source has no row in the range, or gives others.
        SchemaError: rows do not fit the contract.
        KeyConflictError: a key is stored outside the range, or two chunks hold it with different values.
    """
    chunks = source.chunks(contract.schema, extent.symbols, extent.interval)
    task = Task(source, contract, table.store, table.path)
    with loading(task, executor, workers, task) as load:
        prepared = _read(list(load(chunks)), contract)
    if prepared is None:
        raise SourceError(
            f"{source.name} has no row in the range; nothing was replaced.",
            hint="To take the range out, delete it: lake[name].delete(symbols, start, end).",
        )
    symbols = None if extent.symbols is None or contract.schema.symbol is None else tuple(extent.symbols)
    scope = Scope(symbols, extent.interval)
    _refuse_rows_outside(prepared, scope, table, source)

    def plan(state: TableState, good: pa.Table) -> Plan:
        return plan_replace(state, good, scope)

    given = replace(provenance, chunks=_new_keys(table, contract, chunks))
    return commit_plan(table, prepared, given, "restate", plan)


def _read(loaded: Sequence[Loaded], contract: Contract) -> Prepared | None:
    for each in loaded:
        if each.error is not None:
            raise each.error
    parts = [each.prepared for each in loaded if each.prepared is not None and each.prepared.rows_in]
    return merge(parts, contract.schema.key) if parts else None


def _refuse_rows_outside(prepared: Prepared, scope: Scope, table: Table, source: Source) -> None:
    """Refuse what a source gives beyond the range: it would stand beside rows that stay.

    Raises:
        SourceError: there is some.
    """
    outside = prepared.good.num_rows - int(rows_inside(prepared.good, table.schema, scope).sum())
    if outside:
        raise SourceError(f"{source.name} gave {outside} rows outside the range; nothing was replaced.")


def _new_keys(table: Table, contract: Contract, chunks: tuple[Chunk, ...]) -> tuple[str, ...]:
    """Return the ledger's names of the chunks that it does not know: a later backfill skips them."""
    known = table.head().transactions
    return tuple(key for key in keys_of(chunks, contract) if key not in known)
