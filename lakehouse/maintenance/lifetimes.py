"""What the log of a table says of its files: from which version to which each of them was live."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from lakehouse.errors import NotFoundError
from lakehouse.partitions.table import Table


@dataclass(frozen=True, slots=True)
class Lifetime:
    """One stretch of versions in which a file was live; `restore` can give a file several."""

    path: str
    """relative to the root"""
    size: int
    """in bytes"""
    added: int
    """the version that added it; 0 where the log does not reach back to it"""
    removed: int | None
    """the version that removed it; None while it is live"""

    def reaches(self, since: int) -> bool:
        """Say whether the file is part of `since` or a later version."""
        return self.removed is None or self.removed > since

    def meets(self, versions: Sequence[int]) -> bool:
        """Say whether the file is part of one of some versions, which are sorted."""
        place = bisect_left(versions, self.added)
        return place < len(versions) and (self.removed is None or versions[place] < self.removed)


@dataclass(frozen=True, slots=True)
class TableRecord:
    """What the log of one table tells, as far back as it can be read."""

    table: Table
    """the table"""
    head: int
    """its newest version"""
    oldest: int
    """the oldest version whose entry is there; above 0 where somebody cut the log"""
    lifetimes: tuple[Lifetime, ...]
    """of all files that an entry names"""
    named: frozenset[str]
    """every file that was committed, quarantine too"""
    committed_ms: tuple[tuple[int, int], ...]
    """(version, time of its commit), newest first"""

    def version_at(self, instant_ms: int) -> int:
        """Return the newest version before all that were committed after an instant, as far as it is there.

        Foreign engines may give a commit no time, or one that runs backwards: that cuts no history short.
        """
        later = [version for version, time_ms in self.committed_ms if time_ms > instant_ms]
        return max(self.oldest, later[-1] - 1) if later else self.head


def read_record(table: Table) -> TableRecord:
    """Read the log of a table, newest entry first."""
    ends: dict[str, int] = {}
    sizes: dict[str, int] = {}
    lifetimes: list[Lifetime] = []
    named: set[str] = {file.path for file in table.head().files}
    committed: list[tuple[int, int]] = []
    try:
        for version, actions in table.entries():
            adds, removes, info = _sorted(actions)
            for add in adds:
                path = f"{table.path}/{unquote(add['path'])}"
                lifetimes.append(Lifetime(path, int(add["size"]), version, ends.pop(path, None)))
                named.add(path)
            for remove in removes:
                path = f"{table.path}/{unquote(remove['path'])}"
                ends[path], sizes[path] = version, int(remove.get("size") or 0)
            quarantine = info.get("lakehouse", {}).get("quarantine")
            named |= {quarantine["path"]} if quarantine else set()
            committed.append((version, int(info.get("timestamp", 0))))
    except NotFoundError:  # somebody cut the log: what it does not name is left alone
        pass
    lifetimes += [Lifetime(path, sizes[path], 0, end) for path, end in ends.items()]
    return TableRecord(
        table,
        committed[0][0] if committed else 0,
        committed[-1][0] if committed else 0,
        tuple(lifetimes),
        frozenset(named | ends.keys()),
        tuple(committed),
    )


def _sorted(actions: Iterable[dict[str, Any]]) -> tuple[list[Any], list[Any], dict[str, Any]]:
    """Split the actions of an entry into adds, removes and the commit's description."""
    adds, removes, info = [], [], {}
    for action in actions:
        if action.get("add"):
            adds.append(action["add"])
        elif action.get("remove"):
            removes.append(action["remove"])
        elif action.get("commitInfo"):
            info = action["commitInfo"]
    return adds, removes, info
