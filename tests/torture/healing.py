"""The doctor: of a lake that saw nothing but kills and stops it finds nothing that is worse than litter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import lakehouse
from tests.torture.history import Operation

LITTER = {"dead-lease", "dead-intent", "orphan-file", "temporary-file", "half-collected", "stray-mark"}
"""what processes leave that were killed at any time"""
UNBORN = "there are data files, and no log that names them"
"""what the first writer of a table leaves when it dies before it has made the log: orphans in all but name"""
CUT = "log entries are missing"
"""what a foreign clean-up of the log leaves"""


def check(operations: Sequence[Operation]) -> Iterator[str]:
    """Object to what doctors found among processes at work."""
    for operation in operations:
        if operation.do == "doctor" and operation.result is not None:
            yield from _objections(
                f"the doctor {operation.id}", operation.result["findings"], _holes(operations)
            )


def repair(root: Path, operations: Sequence[Operation]) -> tuple[bool, list[str]]:
    """Look at the lake that is left, and mend it; return whether there was something to, and objections."""
    lake, holes = lakehouse.open(root / "lake", create=True), _holes(operations)
    looks = [lake.doctor()]
    if looks[0].repairable:
        looks.append(lake.doctor(repair=True))
    findings = [[each.kind, each.path, each.what] for look in looks for each in look.findings]
    return len(looks) > 1, list(_objections("the doctor at the end", findings, holes))


def _holes(operations: Sequence[Operation]) -> set[str]:
    """Return what may be said of a log."""
    return {UNBORN, CUT} if any(operation.do == "clean_log" for operation in operations) else {UNBORN}


def _objections(who: str, findings: Iterable[Sequence[str]], holes: set[str]) -> Iterator[str]:
    for kind, path, what in findings:
        if kind not in LITTER and not (kind == "log-hole" and what in holes):
            yield f"{who} found {kind} {path}: {what}"
