"""Run some jobs twice, then one of them so many times more: `… repeated LAKE TIMES JOB`.

Two runs that differ in the number alone differ in the work of the job alone: start, imports and caches
cancel out.
"""

from __future__ import annotations

import sys

import lakehouse
from benchmarks.regression.jobs import JOBS

WARM = 2
READS = ("plan of one symbol and day", "read of one symbol and day")
WRITES = tuple(name for name in JOBS if name.startswith("append"))


def group_of(name: str) -> tuple[str, ...]:
    """Return the jobs that run in one process with a job: reads need not wait for what writes import."""
    return READS if name in READS else WRITES


def main() -> None:
    """Run them."""
    place, times, name = sys.argv[1:]
    lake = lakehouse.open(place)
    for number in range(WARM):
        for job in group_of(name):
            JOBS[job](lake, number)
    for number in range(int(times)):
        JOBS[name](lake, WARM + number)


if __name__ == "__main__":
    main()
