"""What a backfill says of itself: while it runs, and afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill is; given to the caller after every chunk that was read, and after every commit."""

    chunks: int
    """of the plan"""
    done: int
    """chunks committed by this run"""
    skipped: int
    """chunks committed by another run, before this one or beside it"""
    failed: int
    """chunks that could not be loaded"""
    rows: int
    """rows read so far"""
    quarantined: int
    """rows refused so far"""
    bytes: int
    """bytes of the files that were not loaded when the run began"""
    bytes_done: int
    """bytes read so far, or loaded beside this run"""
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
    id: str = ""
    """of the plan, 32 hex digits: under it the lake keeps what failed"""
    chunks: int = 0
    """of the plan"""
    committed: int = 0
    """by this run"""
    skipped: int = 0
    """committed by another run, before this one or beside it"""
    pending: int = 0
    """not in the product, and not tried, since `only="failed"` asked for others"""
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
    missing: tuple[str, ...] = ()
    """sessions of the calendar of which the product has no row, as ISO 8601 dates; () without a calendar"""

    @property
    def ok(self) -> bool:
        """Whether every chunk of the plan is in the product."""
        return not self.failures and not self.pending


def sums(counts: list[dict[str, int]]) -> dict[str, int]:
    """Add counts by name."""
    total: dict[str, int] = {}
    for each in counts:
        for name, count in each.items():
            total[name] = total.get(name, 0) + count
    return total
