"""Count the work of the jobs and compare it with the accepted table: `python -m benchmarks.regression`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.regression.instructions import count_instructions, missing, versions
from benchmarks.regression.jobs import JOBS, make_lake
from benchmarks.regression.table import ACCEPTED, HINT, count_work, load_accepted, worse


def main() -> int:
    """Print every count beside the accepted one, and what is worse; or accept the present ones."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.regression", description=__doc__)
    parser.add_argument("--accept", action="store_true", help=f"write {ACCEPTED.name}")
    parser.add_argument("--no-instructions", action="store_true", help="leave valgrind out; it takes minutes")
    options = parser.parse_args()
    accepted, present = load_accepted(), _present(instructions=not options.no_instructions)
    found = list(_compared(present, accepted))
    sys.stdout.write("\n".join(found or ["Nothing is worse than accepted."]) + "\n")
    if options.accept:
        text = json.dumps({**accepted, **present}, indent=1) + "\n"
        ACCEPTED.write_text(text, encoding="utf-8")
        return 0
    sys.stdout.write(f"{HINT}\n" if found else "")
    return 1 if found else 0


def _present(*, instructions: bool) -> dict[str, Any]:
    with TemporaryDirectory(prefix="lakehouse-work-") as folder:
        lake = Path(folder) / "lake"
        make_lake(lake)
        present: dict[str, Any] = {"work": {job: count_work(lake, job) for job in JOBS}}
        why = missing()
        if instructions and why is None:
            present |= {"versions": versions(), "instructions": count_instructions(lake)}
        elif instructions:
            sys.stderr.write(f"No instructions: {why}.\n")
    return present


def _compared(present: Mapping[str, Any], accepted: Mapping[str, Any]) -> Iterator[str]:
    for job, counts in present["work"].items():
        yield from (f"{job}: {line}" for line in worse(counts, accepted.get("work", {}).get(job, {})))
    yield from worse(present.get("instructions", {}), accepted.get("instructions", {}))


if __name__ == "__main__":
    sys.exit(main())
