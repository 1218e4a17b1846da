"""What compaction would better: many small files, and rows that came late."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from lakehouse.maintenance.doctor.findings import Finding
from lakehouse.partitions.layout import SMALLEST_GOOD_FILE_IN_BYTES
from lakehouse.partitions.state import DataFile, TableState

_MANY = 8


def advise(table: str, state: TableState) -> Iterator[Finding]:
    """Say what compaction would do for a table."""
    partitions: dict[tuple[tuple[str, str | None], ...], list[DataFile]] = defaultdict(list)
    for file in state.files:
        partitions[file.partition].append(file)
    advice = f"lake compact {state.name} --apply"
    small = [sum(file.size < SMALLEST_GOOD_FILE_IN_BYTES for file in files) for files in partitions.values()]
    count = sum(each for each in small if each >= _MANY)
    if count:
        what = f"{count:,} of its {len(state.files):,} files are small, with others in the same partition"
        yield Finding("small-files", table, what, advice=advice)
    late = sum(late_files(files) for files in partitions.values())
    if late:
        what = f"{late:,} of its {len(state.files):,} files overlap others of the same symbols in time"
        yield Finding("late-rows", table, what, advice=advice)


def late_files(files: Sequence[DataFile]) -> int:
    """Count the files that begin before another file of some of the same symbols ends.

    Symbols are taken as the range from the first to the last. The files of one partition are looked at in
    the order of their times, each against the one that reaches farthest so far.
    """
    timed = sorted((file for file in files if file.min_time is not None), key=lambda file: file.min_time or 0)
    late = 0
    farthest: DataFile | None = None
    for file in timed:
        if farthest is None:
            farthest = file
            continue
        late += (file.min_time or 0) <= (farthest.max_time or 0) and _share_symbols(file, farthest)
        farthest = max(farthest, file, key=lambda each: each.max_time or 0)
    return late


def _share_symbols(one: DataFile, other: DataFile) -> bool:
    if one.min_symbol is None or other.min_symbol is None:
        return True
    return one.min_symbol <= (other.max_symbol or "") and other.min_symbol <= (one.max_symbol or "")
