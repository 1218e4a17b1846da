"""What the contenders measured, row by row, and whose answers agree."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.compare.names import LIMIT, OURS, WRITES

Digest = Mapping[str, Any]
Same = Callable[[Digest, Digest], bool]


@dataclass(frozen=True, slots=True)
class Results:
    """Figures of one scale."""

    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    """row to contender to milliseconds (megabytes for `bytes`)"""
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    """(row, contender) to what went wrong: an error, or an answer unlike that of most others"""
    peaks: dict[str, float] = field(default_factory=dict)
    """contender to the peak memory of its reads, in MB"""

    def best(self, row: str) -> tuple[str, float] | None:
        """Return the best peer of a row and its figure; None where no peer has one."""
        ranked = {
            name: value
            for name, value in self.figures.get(row, {}).items()
            if name not in (*OURS, LIMIT) and (row, name) not in self.failures
        }
        return min(ranked.items(), key=lambda item: item[1]) if ranked else None

    def ratio(self, row: str, ours: str, peer: str | None = None) -> float | None:
        """Return our figure over that of a peer, or of the best one; None without either."""
        mine = self.figures.get(row, {}).get(ours)
        best = self.best(row)
        other = self.figures.get(row, {}).get(peer) if peer else (best[1] if best else None)
        return None if mine is None or other is None else mine / other

    def mean_ratio(self, rows: Iterable[str], ours: str, peer: str | None = None) -> float | None:
        """Return the geometric mean of the ratios of some rows; None where a row has none."""
        ratios = [self.ratio(row, ours, peer) for row in rows]
        known = [ratio for ratio in ratios if ratio is not None]
        if not known or len(known) < len(ratios):
            return None
        return math.exp(sum(map(math.log, known)) / len(known))


def load_results(
    folder: Path, names: Iterable[str], rows: Iterable[str], same: Same, *, least: bool = False
) -> Results:
    """Read what the phases of some contenders wrote, and compare their answers.

    Args:
        folder: of the results.
        names: of the contenders.
        rows: of reads and questions.
        same: whether two digests of answers agree.
        least: take the least time of a row, which a busy machine disturbs less, and not the median.
    """
    results = Results()
    phases = {name: _phases(folder, name) for name in names}
    for name in phases:
        _take_writes(results, name, folder / f"{name}.write.json")
        results.peaks.update({name: max(phase["_peak_mb"] for phase in phases[name])} if phases[name] else {})
    for row in rows:
        digests = {}
        for name, taken in phases.items():
            found = [phase[row] for phase in taken if phase.get(row) is not None]
            errors = [one for one in found if isinstance(one, str)]
            if errors:
                results.failures[row, name] = errors[0]
            elif found:
                digests[name] = found[0]["digest"]
                times = [time for one in found for time in one["ms"]]
                results.figures.setdefault(row, {})[name] = min(times) if least else median(times)
        for name in odd_ones(digests, same):
            results.failures[row, name] = "another answer than most"
    return results


def odd_ones(digests: Mapping[str, Digest], same: Same) -> list[str]:
    """Return those whose answer is not that of the largest group of equal answers."""
    groups: list[list[str]] = []
    for name, digest in digests.items():
        group = next((one for one in groups if same(digests[one[0]], digest)), None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    return [name for group in sorted(groups, key=len, reverse=True)[1:] for name in group]


def _phases(folder: Path, name: str) -> list[Mapping[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob(f"{name}.read*.json"))]


def _take_writes(results: Results, name: str, path: Path) -> None:
    measured = json.loads(path.read_text()) if path.exists() else {}
    for row in WRITES:
        value = measured.get(row)
        if isinstance(value, str):
            results.failures[row, name] = value
        elif value is not None:
            results.figures.setdefault(row, {})[name] = value / 1e6 if row == "bytes" else value
