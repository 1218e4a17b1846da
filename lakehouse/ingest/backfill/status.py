"""How far the backfills of a lake are, as every process can see."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from lakehouse.ingest.backfill.claims import Claims
from lakehouse.ingest.backfill.ledger import PlanDocument, ledger_key, list_failures, list_plans
from lakehouse.ingest.backfill.report import ChunkFailure
from lakehouse.partitions.table import Table


@dataclass(frozen=True, slots=True)
class BackfillStatus:
    """How far one backfill is: chunks == done + failed + running + pending."""

    id: str
    """of the plan, 32 hex digits"""
    product: str
    """`domain.product`"""
    source: str
    """name of the source"""
    opened: str
    """when it first began, ISO 8601 UTC"""
    chunks: int
    """of the plan"""
    done: int
    """in the product"""
    failed: int
    """not in the product, with an error kept, and nobody works on them"""
    running: int
    """not in the product, and somebody who lives works on their slice"""
    pending: int
    """the rest"""
    failures: tuple[ChunkFailure, ...] = ()
    """the newest error of each chunk that is not in the product"""

    @property
    def ok(self) -> bool:
        """Whether every chunk is in the product."""
        return self.done == self.chunks


def status_of(table: Table, plan: PlanDocument) -> BackfillStatus:
    """Return how far a plan is.

    Args:
        table: of the plan's product and major version.
        plan: the document.
    """
    held = Claims(table.store, plan.id, table.path).held()  # before the log: what ends meanwhile is done
    failures = list_failures(table.store, plan.id)
    transactions = table.head().transactions
    missing = [chunk for chunk in plan.chunks if ledger_key(chunk) not in transactions]
    running = {chunk for chunk in missing if chunk in _chunks_of(plan, held)}
    failed = {chunk for chunk in missing if chunk in failures} - running
    return BackfillStatus(
        id=plan.id,
        product=plan.product,
        source=plan.source,
        opened=plan.opened,
        chunks=len(plan.chunks),
        done=len(plan.chunks) - len(missing),
        failed=len(failed),
        running=len(running),
        pending=len(missing) - len(running) - len(failed),
        failures=tuple(failures[chunk] for chunk in missing if chunk in failures),
    )


def plans_of(table: Table) -> list[PlanDocument]:
    """Return the plans of a table, oldest first."""
    name, major = str(table.name), table.major
    return [plan for plan in list_plans(table.store) if (plan.product, plan.major) == (name, major)]


def _chunks_of(plan: PlanDocument, slices: set[int]) -> set[str]:
    ends = list(accumulate(plan.slices))
    return {chunk for part in slices for chunk in plan.chunks[ends[part] - plan.slices[part] : ends[part]]}
