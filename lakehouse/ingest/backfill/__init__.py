"""Load a source in chunks, each exactly once: plan, run, ledger, report."""

from lakehouse.ingest.backfill.policy import Policy
from lakehouse.ingest.backfill.run import BackfillReport, ChunkFailure, Progress, backfill, ledger_key

__all__ = ["BackfillReport", "ChunkFailure", "Policy", "Progress", "backfill", "ledger_key"]
