"""Which files a table must have, and who names them: its head, snapshots, locks, and refused rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from lakehouse.maintenance.doctor.files import Recorded
from lakehouse.maintenance.doctor.log import LogReading
from lakehouse.maintenance.doctor.sets import PinnedState
from lakehouse.partitions.state import DataFile, TableState

_SHOWN = 3

_Key = tuple[str, int, str]


def recorded_files(head: TableState | None, log: LogReading, pinned: Iterable[PinnedState]) -> list[Recorded]:
    """Return every file that is recorded; those of old versions alone may have been collected.

    A file that two records describe in two ways comes twice: one of them is found to be wrong, and no repair
    touches it.
    """
    holders: dict[_Key, list[str]] = {}
    facts: dict[_Key, tuple[DataFile, TableState]] = {}
    held = [(f"the head of {head.name}", head)] if head is not None else []
    for holder, state in [*held, *((each.holder, each.state) for each in pinned)]:
        for file in state.files:
            key = file.path, file.size, file.sha256
            holders.setdefault(key, []).append(holder)
            facts.setdefault(key, (file, state))
    found = [
        Recorded(*key, _named(holders[key]), file=file, state=state) for key, (file, state) in facts.items()
    ]
    found += [
        Recorded(*key, "old versions", may_be_gone=True, file=file, state=head)
        for file in log.facts.values()
        if (key := (file.path, file.size, file.sha256)) not in facts
    ]
    found += [
        Recorded(each.path, each.size, each.sha256, "the commit that refused its rows")
        for each in log.quarantine
    ]
    counts = Counter(each.path for each in found)
    return [replace(each, disputed=True) if counts[each.path] > 1 else each for each in found]


def _named(holders: Sequence[str]) -> str:
    more = f" and {len(holders) - _SHOWN} more" if len(holders) > _SHOWN else ""
    return ", ".join(holders[:_SHOWN]) + more
