"""Load a source in chunks, each exactly once: plan, claims, loading, commits, ledger, status."""

from lakehouse.ingest.backfill.ledger import ledger_key
from lakehouse.ingest.backfill.plan import BackfillPlan
from lakehouse.ingest.backfill.report import BackfillReport, ChunkFailure, Progress
from lakehouse.ingest.backfill.status import BackfillStatus
from lakehouse.ingest.sources.policy import Policy

__all__ = [
    "BackfillPlan",
    "BackfillReport",
    "BackfillStatus",
    "ChunkFailure",
    "Policy",
    "Progress",
    "ledger_key",
]
