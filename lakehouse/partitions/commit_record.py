"""What a commit says of itself: the counts, the digest and the provenance, kept in the Delta log."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lakehouse.times import to_iso


@dataclass(frozen=True, slots=True)
class QuarantineFile:
    """The rows that a commit refused, in one Parquet file that is visible exactly when the commit is."""

    path: str
    """relative to the root of the lake"""
    sha256: str
    """of the file's bytes"""
    size: int
    """in bytes"""
    rows: int
    """number of rows"""
    rules: Mapping[str, int]
    """rows that broke each rule; a row may break several"""


@dataclass(frozen=True, slots=True)
class Commit:
    """One version of a product: rows_in == accepted + quarantined + duplicates, always."""

    product: str
    """`domain.product`"""
    version: int
    """the version that this commit made"""
    operation: str
    """append, upsert, update, delete, restore, backfill, replay, seal, evolve, compact, retain or create"""
    time: str
    """when, ISO 8601 UTC"""
    id: str = ""
    """unique: by it a writer knows its own commit when the answer of the store was lost"""
    rows_in: int = 0
    """rows handed in"""
    accepted: int = 0
    """rows that landed"""
    quarantined: int = 0
    """rows that broke a rule"""
    duplicates: int = 0
    """rows that are stored already, equal in every column"""
    removed: int = 0
    """rows that were stored before and are not any more"""
    rows: int = 0
    """rows of the product after the commit"""
    digest: str = ""
    """content digest of the product after the commit"""
    contract_version: str = ""
    """the contract against which the rows were checked"""
    author: str = ""
    """who"""
    source: str = ""
    """from where, in the writer's words"""
    message: str = ""
    """why, in the writer's words"""
    idempotency_key: str | None = None
    """a repeated key writes nothing"""
    warnings: Mapping[str, int] = field(default_factory=dict)
    """rows that broke a rule of level `warn`, and landed"""
    chunks: tuple[str, ...] = ()
    """ledger chunks of a backfill"""
    transaction: str = ""
    """name of the transaction over several products of which this commit is a part"""
    quarantine: QuarantineFile | None = None
    """the refused rows"""
    repeated: bool = False
    """True on what a repeated idempotency key returns: the record of the first time"""

    def to_dict(self) -> dict[str, Any]:
        """Return the form kept in the log; empty fields are left out."""
        fields = dataclasses.asdict(self)
        del fields["repeated"]
        return {name: value for name, value in fields.items() if value not in (None, "", (), {})}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Commit:
        """Read what `to_dict` wrote; fields of later formats are ignored."""
        known = {field.name for field in dataclasses.fields(cls)}
        values = {name: value for name, value in raw.items() if name in known}
        quarantine = values.pop("quarantine", None)
        chunks = tuple(values.pop("chunks", ()))
        return cls(**values, chunks=chunks, quarantine=QuarantineFile(**quarantine) if quarantine else None)

    @classmethod
    def foreign(cls, product: str, version: int, info: Mapping[str, Any]) -> Commit:
        """Describe a commit that another Delta writer made."""
        operation = str(info.get("operation", "unknown")).lower()
        time = to_iso(int(info.get("timestamp", 0)) * 1_000_000)
        return cls(product, version, operation, time, source=str(info.get("engineInfo", "")))
