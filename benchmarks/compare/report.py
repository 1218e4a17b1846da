"""The tables: a short one of ratios for the README, and one of every figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from benchmarks.compare.names import (
    CACHED_READ_TARGET,
    LIMIT,
    LIMIT_TARGET,
    MEAN_TARGET,
    OURS,
    QUESTIONS,
    READS,
    TARGETS,
)
from benchmarks.compare.results import Results
from benchmarks.table import verdict


def ratios(results: Results, rows: Mapping[str, str]) -> str:
    """Return the table of our figures beside the best peer, and the means, as Markdown."""
    cells: list[Iterable[str]] = [
        ("Row", "What", "lakehouse", "column cache warm", "best peer", "ratio", "warm", "target"),
        ("---",) * 8,
    ]
    cells += [_line(results, row, what) for row, what in rows.items() if row in results.figures]
    table = [f"| {' | '.join(line)} |" for line in cells]
    return "\n".join([*table, "", *(f"- {line}" for line in means(results))])


def _line(results: Results, row: str, what: str) -> list[str]:
    figures, best = results.figures[row], results.best(row)
    ours = [_figure(results, row, name) for name in OURS]
    peer = f"{best[0]} {number(best[1])}" if best else ""
    quotients = [_ratio(results.ratio(row, name)) for name in OURS]
    return [row, what, *ours, peer, *quotients, _target(results, row) if OURS[0] in figures else ""]


def _target(results: Results, row: str) -> str:
    target = TARGETS.get(row)
    if target is None:
        return ""
    ratio = results.ratio(row, OURS[0], target.peer)
    if ratio is None:
        return f"<= {target.ratio:g}"
    beside = f" {target.peer}" if target.peer else ""
    return f"<= {target.ratio:g}{beside}: {verdict(met=ratio <= target.ratio)}"


def means(results: Results) -> Iterator[str]:
    """Yield the figures over many rows, each with its target."""
    both = (*READS, *QUESTIONS)
    peers, memory = "x the best peer", "x kernels on arrays in memory"
    yield from _goal(
        f"cache off, mean of R and Q: {{}} {peers}", results.mean_ratio(both, OURS[0]), MEAN_TARGET
    )
    yield from _goal(f"cache warm, mean of R and Q: {{}} {peers}", results.mean_ratio(both, OURS[1]), None)
    mean = results.mean_ratio(QUESTIONS, OURS[1], LIMIT)
    yield from _goal(f"cache warm, mean of Q: {{}} {memory}", mean, LIMIT_TARGET)
    ratios = [results.ratio(row, OURS[1]) for row in READS]
    worst = max((ratio for ratio in ratios if ratio is not None), default=None)
    yield from _goal(f"cache warm, worst of R: {{}} {peers}", worst, CACHED_READ_TARGET)


def _goal(what: str, value: float | None, target: float | None) -> Iterator[str]:
    """Yield a line for a value that is known; means are geometric."""
    if value is not None:
        goal = "" if target is None else f" (target {target:g}: {verdict(met=value <= target)})"
        yield what.format(f"{value:.2f}") + goal


def everything(results: Results, rows: Mapping[str, str], names: Iterable[str]) -> str:
    """Return the table of all contenders' figures, with the ratio to the best peer, as Markdown."""
    shown = [name for name in names if any(name in figures for figures in results.figures.values())]
    lines = [f"| Row | {' | '.join(shown)} |", f"|{' --- |' * (len(shown) + 1)}"]
    for row in rows:
        if row in results.figures:
            cells = (_with_ratio(results, row, name) for name in shown)
            lines.append(f"| {row} | {' | '.join(cells)} |")
    peaks = " | ".join(number(results.peaks[name]) if name in results.peaks else "" for name in shown)
    return "\n".join([*lines, f"| peak memory of the reads, MB | {peaks} |"])


def differences(results: Results) -> list[str]:
    """Return a line for every failure and every answer unlike the others'."""
    return [
        f"{row}, {name}: {what.splitlines()[0]}" for (row, name), what in sorted(results.failures.items())
    ]


def _with_ratio(results: Results, row: str, name: str) -> str:
    text, ratio = _figure(results, row, name), results.ratio(row, name)
    return f"{text} ({ratio:.2g})" if ratio is not None and text else text


def _figure(results: Results, row: str, name: str) -> str:
    value = results.figures.get(row, {}).get(name)
    wrong = "!" if (row, name) in results.failures else ""
    return wrong if value is None else number(value) + wrong


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def number(value: float) -> str:
    """Write a figure with three digits that count.

    Examples:
        >>> number(0.2345), number(12.34), number(12345.6)
        ('0.234', '12.3', '12,346')
    """
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
