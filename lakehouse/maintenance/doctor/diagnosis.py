"""The report of the doctor."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.maintenance.doctor.findings import Finding, Repaired


@dataclass(frozen=True, slots=True, repr=False)
class Diagnosis:
    """What was found; after a repair, what was done and what remains."""

    url: str
    """of the lake"""
    quick: bool
    """names, sizes, log and documents alone: no data file was read"""
    tables: int
    """tables that were looked at"""
    files: int
    """data files that were looked at"""
    findings: tuple[Finding, ...] = ()
    """what is not as it was recorded, by path"""
    advice: tuple[Finding, ...] = ()
    """what could be better, and is no damage"""
    repairs: tuple[Repaired, ...] = ()
    """what was done before this look"""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; advice may remain."""
        return not self.findings

    @property
    def repairable(self) -> tuple[Finding, ...]:
        """The findings that a repair would mend."""
        return tuple(finding for finding in self.findings if finding.repair is not None)

    def __repr__(self) -> str:
        """Say everything in words."""
        verdict = "healthy" if self.ok else _counted(len(self.findings), "finding")
        seen = f"{_counted(self.tables, 'table')}, {_counted(self.files, 'data file')}"
        lines = [f"{self.url}: {verdict} ({seen}, {'quick look' if self.quick else 'every byte read'})"]
        lines += [f"repaired: {each}" if each.done else f"not repaired: {each}" for each in self.repairs]
        lines += [f"\n{finding}" for finding in self.findings]
        if self.repairable:
            how = "lake.doctor(repair=True), or lake doctor --apply"
            lines.append(f"\n{len(self.repairable):,} of them can be repaired: {how}")
        lines += [f"\ncould be better: {finding}" for finding in self.advice]
        return "\n".join(lines)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
