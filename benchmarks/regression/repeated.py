"""Run some jobs twice, then one of them so many times more: `… repeated LAKE TIMES JOB`.

Two runs that differ in the number alone differ in the work of the job alone: start, imports and caches
cancel out.
"""

from __future__ import annotations

import sys

import lakehouse
from benchmarks.regression.jobs import JOBS

WARM = 2
COUNTED = {"plan of one symbol and day": 1_000, "read of one symbol and day": 150}
"""jobs whose instructions are counted, and how often they run: threads, leases and locks make whole processes
differ by some ten million instructions, so that jobs that wait for a disk can not be told apart so"""


def main() -> None:
    """Run them."""
    place, times, name = sys.argv[1:]
    lake = lakehouse.open(place)
    for number in range(WARM):
        for job in COUNTED:
            JOBS[job](lake, number)
    for number in range(int(times)):
        JOBS[name](lake, WARM + number)


if __name__ == "__main__":
    main()
