"""What the doctor finds, each under a stable name, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "missing-file",
    "wrong-size",
    "altered-file",
    "unreadable-file",
    "altered-cache",
    "missing-manifest",
    "altered-manifest",
    "record-mismatch",
    "orphan-file",
    "foreign-file",
    "temporary-file",
    "log-hole",
    "torn-entry",
    "unreplayable-entry",
    "foreign-commit",
    "missing-checkpoint",
    "torn-checkpoint",
    "wrong-checkpoint",
    "wrong-last-checkpoint",
    "schema-drift",
    "table-without-contract",
    "broken-document",
    "broken-query",
    "dead-lease",
    "dead-intent",
    "half-collected",
    "stray-mark",
    "small-files",
    "late-rows",
    "domain-undeclared",
]

RepairName = Literal["put-copy", "collect", "delete-temporary", "delete-mark", "renew-checkpoint"]

ADVICE: frozenset[Kind] = frozenset({"small-files", "late-rows", "domain-undeclared"})
"""Kinds of what could be better, and is no damage: a lake with nothing else is healthy."""

CONSEQUENCES: Mapping[Kind, str] = {
    "missing-file": "What names it can not be read whole.",
    "wrong-size": "What names it can not be read whole.",
    "altered-file": "Reads of what names it give wrong rows, or fail.",
    "unreadable-file": "What names it can not be read from here.",
    "altered-cache": "Reads on this machine give wrong rows, or fail; the lake itself is intact.",
    "missing-manifest": "What it pins can not be read, and garbage collection refuses to run.",
    "altered-manifest": "What it pins can not be read, and garbage collection refuses to run.",
    "record-mismatch": "The record, or what it describes, was changed: nobody can prove the rows.",
    "orphan-file": "It costs space; no reader sees it.",
    "foreign-file": "The lake did not write it and leaves it alone; no reader of the lake sees it.",
    "temporary-file": "It costs space; no reader sees it.",
    "log-hole": "The versions from there on can be read only from a later checkpoint.",
    "torn-entry": "The versions from there on can be read only from a later checkpoint.",
    "unreplayable-entry": "The versions from there on can not be read.",
    "foreign-commit": "Its rows passed no check of the lake.",
    "missing-checkpoint": "Readers replay more of the log, and other Delta readers may fail.",
    "torn-checkpoint": "Readers pass it over, and replay more of the log.",
    "wrong-checkpoint": "Readers that start from it see another version than the log tells.",
    "wrong-last-checkpoint": "Readers replay more of the log, and other Delta readers may fail.",
    "schema-drift": "Reads may fail, or give values of another type.",
    "table-without-contract": "No product leads to it, so nobody can read it by name.",
    "broken-document": "What it declares can not be used.",
    "broken-query": "It can not be run, and the queries can not be listed.",
    "dead-lease": "It holds files that nobody reads any more, until garbage collection runs.",
    "dead-intent": "The files that it left cost space, until garbage collection runs.",
    "half-collected": "Readers are refused versions with the files of that list, until it is worked off.",
    "stray-mark": "It means nothing any more.",
    "small-files": "Reads open more files than they need to.",
    "late-rows": "Reads of a range of time open more files than they need to.",
    "domain-undeclared": "Nobody is named who answers for its products.",
}


@dataclass(frozen=True, slots=True)
class Repair:
    """A safe action, which looks again immediately before it acts."""

    name: RepairName
    """which action"""
    text: str
    """what it will do, in words"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    kind: Kind
    """a stable name"""
    path: str
    """of the object, relative to the root; a folder where it is about many"""
    what: str
    """in words"""
    expected: str = ""
    """as recorded"""
    got: str = ""
    """as found"""
    consequence: str = ""
    """what it means for who reads and writes"""
    repair: Repair | None = None
    """what would mend it; None: nothing can, safely"""
    advice: str = ""
    """what a person can do"""
    size: int | None = field(default=None, repr=False)
    """of the bytes that were recorded, where they are known"""
    sha256: str | None = field(default=None, repr=False)
    """of the bytes that were recorded, where they are known"""

    def __post_init__(self) -> None:
        """Say the usual consequence where nothing more exact is known."""
        if not self.consequence:
            object.__setattr__(self, "consequence", CONSEQUENCES[self.kind])

    @property
    def identity(self) -> tuple[str, str]:
        """By what it is known again in another look."""
        return self.kind, self.path

    def __str__(self) -> str:
        """Say it in a few lines."""
        lines = [f"{self.kind}  {self.path}", f"  {self.what}"]
        if self.expected or self.got:
            lines.append(f"  expected {self.expected or 'nothing'}, got {self.got or 'nothing'}")
        lines.append(f"  {self.consequence}")
        lines += [f"  repair: {self.repair.name}: {self.repair.text}"] if self.repair else []
        lines += [f"  advice: {self.advice}"] if self.advice else []
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Repaired:
    """What one repair did."""

    name: RepairName
    """which action"""
    path: str
    """of the object"""
    done: bool
    """False where it refused, or where there was nothing to mend any more"""
    outcome: str
    """in words"""

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.name}  {self.path}: {self.outcome}"
