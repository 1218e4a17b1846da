"""What a measurement of quality says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lakehouse.catalog.rule import RuleLevel
from lakehouse.queries.result import Result


@dataclass(frozen=True, slots=True)
class RuleFailures:
    """How many rows break one rule."""

    rule: str
    """name in the contract, or one of the gate's: `type:`, `not_null:` or `range:` a column, `unique_key`"""
    level: RuleLevel
    """what the rule does to a row"""
    stored: int
    """rows of the product that break it"""
    refused: int
    """quarantined rows that broke it, and were not replayed"""

    @property
    def rows(self) -> int:
        """Rows in all."""
        return self.stored + self.refused


@dataclass(frozen=True)
class QualityReport:
    """How good the rows of a product are.

    score = 1 - failed / (stored + refused): the share of rows that break no rule, in [0, 1]. A row counts
    once, however many rules it breaks and whatever their levels. Refused rows are those in quarantine that
    were not replayed.
    """

    product: str
    """`domain.product`"""
    version: int
    """the version that was measured"""
    contract_version: str
    """the contract whose rules were applied"""
    measured: str
    """when, ISO 8601 UTC"""
    start: str | None
    """first instant inside, ISO 8601 UTC; None for the beginning"""
    end: str | None
    """first instant after; None for no end"""
    symbols: tuple[str, ...] | None
    """what was asked for; None for all"""
    stored: int
    """rows of the product in the range"""
    refused: int
    """quarantined rows in the range, and those whose symbol or time nobody can read"""
    failed: int
    """rows that break a rule: every refused one, and stored ones"""
    failures: tuple[RuleFailures, ...]
    """every rule that a row breaks, most rows first"""
    partitions: Result
    """symbol (null without), period (its first day; null without), stored, refused, failed, score"""
    compared: Mapping[str, int]
    """the products that rules compared with, and the version of each"""
    newest: str | None
    """time of the newest row, ISO 8601 UTC, whatever the range; None without rows or a time column"""
    late: bool
    """whether the newest row is older than the contract's freshness allows, now"""

    @property
    def rows(self) -> int:
        """Rows that were judged."""
        return self.stored + self.refused

    @property
    def score(self) -> float | None:
        """The share of rows that break no rule; None where there is no row to judge."""
        return (self.rows - self.failed) / self.rows if self.rows else None

    def worst(self, count: int = 5) -> Result:
        """Return the partitions with the lowest scores, the lowest first, of those that have a failure."""
        import polars as pl

        rows = self.partitions.to_polars().filter(pl.col("failed") > 0)
        worst = rows.sort("score", "failed", descending=[False, True], maintain_order=True).head(count)
        return Result(worst.to_arrow(), symbol="symbol")

    def below(self, minimum: float) -> bool:
        """Say whether the score is known and lower than a minimum."""
        return self.score is not None and self.score < minimum

    def __repr__(self) -> str:
        """Say the score, and what lowers it."""
        score = "no rows" if self.score is None else f"score {self.score:.6f}"
        broken = ", ".join(f"{each.rule}: {each.rows:,}" for each in self.failures) or "no rule broken"
        late = ", late" if self.late else ""
        what = f"{self.product} version {self.version}"
        return f"<QualityReport {what}: {score}, {self.rows:,} rows, {broken}{late}>"
