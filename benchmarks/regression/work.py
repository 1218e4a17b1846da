"""Count the work of one job in a fresh process: `python -m benchmarks.regression.work LAKE JOB`.

Counted are requests to the store by kind, the bytes of files that were made, and calls of the lake's own
Python functions; cold, for the first time in its process, and warm, for the third. The counts follow from
the code alone: neither the machine nor its load changes them.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

os.cpu_count = lambda: 2  # work is split by the number of cores, and must not depend on it here

import lakehouse  # noqa: E402 - see above
from benchmarks.regression.jobs import JOBS  # noqa: E402 - see above
from lakehouse.store import LocalStore  # noqa: E402 - see above

REQUESTS = ("put_if_absent", "stage", "get", "size", "local_path", "list", "delete", "lock")
PACKAGE = str(Path(lakehouse.__file__).parent)
WARM = 2

Counts = dict[str, int]


def main() -> None:
    """Print the counts as JSON."""
    place, name = sys.argv[1], sys.argv[2]
    counter = Counter[str]()
    _count_requests(counter)
    lake = lakehouse.open(place)
    counts = {}
    for number in range(WARM + 1):
        counter.clear()
        before = _bytes_below(Path(place))
        _count_calls(counter, partial(JOBS[name], lake, number))
        made = _bytes_below(Path(place)) - before
        kind = {0: "cold", WARM: "warm"}.get(number)
        if kind:
            counts.update({f"{kind} {what}": count for what, count in sorted(counter.items())})
            counts.update({f"{kind} bytes made": made} if made else {})
    sys.stdout.write(json.dumps(counts))


def _count_calls(counter: Counter[str], action: Callable[[], object]) -> None:
    """Count the calls of functions of the package, on every thread that starts meanwhile too."""

    def profile(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE) and not code.co_name.startswith("<"):
            counter["calls"] += 1

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def _count_requests(counter: Counter[str]) -> None:
    """Let the store count how often it is asked for what."""

    def counting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            counter[f"store.{name}"] += 1
            return method(*arguments, **named)

        return counted

    for name in REQUESTS:
        setattr(LocalStore, name, counting(name, getattr(LocalStore, name)))


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


if __name__ == "__main__":
    main()
