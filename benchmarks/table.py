"""Rows of the table, and the table as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number."""

    what: str
    """in words"""
    result: str
    """with its unit"""
    target: str = ""
    """with its unit; empty where there is none"""
    verdict: str = ""
    """met, MISSED, or a ratio"""


def below(what: str, seconds: float, limit: float, *, note: str = "") -> Row:
    """Make the row of a duration that must stay below a limit."""
    return Row(what, duration(seconds) + note, f"< {duration(limit)}", verdict(met=seconds < limit))


def at_least(what: str, rate: float, limit: float, unit: str, *, note: str = "") -> Row:
    """Make the row of a rate that must reach a limit, both in millions."""
    result = f"{rate / 1e6:.2f} M {unit}{note}"
    return Row(what, result, f">= {limit / 1e6:g} M {unit}", verdict(met=rate >= limit))


def against(what: str, ours: float, peer: str, theirs: float) -> Row:
    """Make the row of a duration of ours beside that of a peer that does the same."""
    ratio = theirs / ours
    words = f"{ratio:.1f} times as fast" if ratio >= 1 else f"{1 / ratio:.1f} times as slow"
    return Row(f"{what}, beside {peer}", f"{duration(ours)}; {duration(theirs)}", "", words)


def duration(seconds: float) -> str:
    """Write a duration with three digits that count.

    Examples:
        >>> duration(0.2), duration(0.00512), duration(12.345)
        ('200 ms', '5.12 ms', '12.3 s')
    """
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def verdict(*, met: bool) -> str:
    """Say whether a target is met."""
    return "met" if met else "**MISSED**"


def to_markdown(machine: str, rows: Iterable[Row]) -> str:
    """Write the rows as one Markdown table under a line that names the machine."""
    cells = [("What", "Result", "Target", "Verdict"), ("---",) * 4]
    cells += [(row.what, row.result, row.target, row.verdict) for row in rows]
    return "\n".join([machine, "", *(f"| {' | '.join(line)} |" for line in cells)]) + "\n"
