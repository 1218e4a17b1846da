"""Serverless analytical lakehouse for quantitative research: a lake is a folder.

    lake = lakehouse.open("data/lake", create=True)
    bars = lake["market_data.bars_1d"]
    lakehouse.checkout("lake.lock")

Every public name is listed here, and loads on first use: `import lakehouse` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lakehouse.errors import LakehouseError

if TYPE_CHECKING:
    from lakehouse.catalog.contract import Contract, ContractDiff, Rule
    from lakehouse.catalog.domains import Domain
    from lakehouse.catalog.locks import Lock
    from lakehouse.catalog.pinned import Snapshot
    from lakehouse.checkouts import Checkout
    from lakehouse.comparison import LakeDifference
    from lakehouse.ingest import sources
    from lakehouse.ingest.backfill import BackfillPlan, BackfillReport, BackfillStatus
    from lakehouse.ingest.quality import QualityReport
    from lakehouse.ingest.sources import FileSource, Recipe, Source
    from lakehouse.ingest.sources.policy import Policy
    from lakehouse.ingest.streaming.sealing import Recovery
    from lakehouse.ingest.streaming.stream import Stream
    from lakehouse.lake import Lake
    from lakehouse.maintenance.compact import CompactReport
    from lakehouse.maintenance.doctor import Diagnosis
    from lakehouse.maintenance.drop import DropReport
    from lakehouse.maintenance.gc import GarbageReport
    from lakehouse.maintenance.restore import RestoreReport
    from lakehouse.maintenance.retain import RetainReport
    from lakehouse.opening import checkout
    from lakehouse.opening import open_lake as open
    from lakehouse.partitions.commit_record import Commit
    from lakehouse.partitions.verify import Verification
    from lakehouse.product import Product
    from lakehouse.queries import analytics
    from lakehouse.queries.computation import Computation
    from lakehouse.queries.difference import Difference
    from lakehouse.queries.result import Result
    from lakehouse.queries.scan import Scan
    from lakehouse.schema import Column, TableSchema
    from lakehouse.transaction import Transaction

__version__ = "0.1.0"

_HOMES = {
    "BackfillPlan": "lakehouse.ingest.backfill",
    "BackfillReport": "lakehouse.ingest.backfill",
    "BackfillStatus": "lakehouse.ingest.backfill",
    "Checkout": "lakehouse.checkouts",
    "Column": "lakehouse.schema",
    "Commit": "lakehouse.partitions.commit_record",
    "CompactReport": "lakehouse.maintenance.compact",
    "Computation": "lakehouse.queries.computation",
    "Contract": "lakehouse.catalog.contract",
    "ContractDiff": "lakehouse.catalog.contract",
    "Diagnosis": "lakehouse.maintenance.doctor",
    "Difference": "lakehouse.queries.difference",
    "Domain": "lakehouse.catalog.domains",
    "DropReport": "lakehouse.maintenance.drop",
    "FileSource": "lakehouse.ingest.sources",
    "GarbageReport": "lakehouse.maintenance.gc",
    "Lake": "lakehouse.lake",
    "LakeDifference": "lakehouse.comparison",
    "Lock": "lakehouse.catalog.locks",
    "Policy": "lakehouse.ingest.sources.policy",
    "Product": "lakehouse.product",
    "QualityReport": "lakehouse.ingest.quality",
    "Recipe": "lakehouse.ingest.sources",
    "Recovery": "lakehouse.ingest.streaming.sealing",
    "RestoreReport": "lakehouse.maintenance.restore",
    "Result": "lakehouse.queries.result",
    "RetainReport": "lakehouse.maintenance.retain",
    "Rule": "lakehouse.catalog.contract",
    "Scan": "lakehouse.queries.scan",
    "Snapshot": "lakehouse.catalog.pinned",
    "Source": "lakehouse.ingest.sources",
    "Stream": "lakehouse.ingest.streaming.stream",
    "TableSchema": "lakehouse.schema",
    "Transaction": "lakehouse.transaction",
    "Verification": "lakehouse.partitions.verify",
    "analytics": "lakehouse.queries.analytics:",
    "checkout": "lakehouse.opening",
    "open": "lakehouse.opening:open_lake",
    "sources": "lakehouse.ingest.sources:",
}

__all__ = [
    "BackfillPlan",
    "BackfillReport",
    "BackfillStatus",
    "Checkout",
    "Column",
    "Commit",
    "CompactReport",
    "Computation",
    "Contract",
    "ContractDiff",
    "Diagnosis",
    "Difference",
    "Domain",
    "DropReport",
    "FileSource",
    "GarbageReport",
    "Lake",
    "LakeDifference",
    "LakehouseError",
    "Lock",
    "Policy",
    "Product",
    "QualityReport",
    "Recipe",
    "Recovery",
    "RestoreReport",
    "Result",
    "RetainReport",
    "Rule",
    "Scan",
    "Snapshot",
    "Source",
    "Stream",
    "TableSchema",
    "Transaction",
    "Verification",
    "__version__",
    "analytics",
    "checkout",
    "open",
    "sources",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lakehouse' has no attribute {name!r}")
    home, colon, attribute = _HOMES[name].partition(":")
    module = import_module(home)
    value = module if colon and not attribute else getattr(module, attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
