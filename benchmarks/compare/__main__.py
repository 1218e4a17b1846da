"""Run the lake and its peers in one go: `python -m benchmarks.compare --scale small|full`.

It generates the data once, installs the peers where they are missing, lets every contender write its store,
then read in rounds, interleaved, each in a fresh process. Answers are compared; whoever differs from most is
marked with `!`, is not ranked, and makes the run fail. A run of all peers and rows at small or full scale
writes `benchmarks/peers.md` and the README's block between its `peers` marks.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.compare.environments import ROOT, Workshop, find_peerbench
from benchmarks.compare.names import LIMIT, OURS, PEERS, WRITERS, WRITES
from benchmarks.compare.report import differences, everything, ratios
from benchmarks.compare.results import load_results
from benchmarks.machine import describe_machine
from benchmarks.readme import put_between

OUT, README = ROOT / "benchmarks" / "peers.md", ROOT / "README.md"


def main() -> int:
    """Measure, print the tables, and write them where they belong."""
    options = _options()
    workshop = Workshop(find_peerbench(options.peerbench), options.work.resolve())
    common = workshop.load("common")
    names = _names(options.peers)
    machine = describe_machine()
    if not options.report:
        _measure(workshop, names, options)
    rows = {**WRITES, **{row: what for row, (what, _, _) in common.QUERIES.items()}}
    results = load_results(
        workshop.results(options.scale), names, common.QUERIES, common.same, least=options.least
    )
    what = "least of all times" if options.least else "medians"
    short = f"{_heading(workshop, options.scale, machine)} Milliseconds, {what}.\n\n{ratios(results, rows)}\n"
    failed = differences(results)
    answers = "\n".join(f"- {line}" for line in failed) or "All answers are equal."
    text = f"{short}\n{everything(results, rows, names)}\n\n{answers}\n"
    sys.stdout.write(text)
    if options.out or _complete(options):
        head = "# Beside the peers\n\nWritten by `python -m benchmarks.compare`.\n\n"
        (options.out or OUT).write_text(head + text, encoding="utf-8")
    if _complete(options) and not options.out:
        put_between(README, "peers", short)
    return 1 if any(name in OURS for _, name in results.failures) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    work = Path(tempfile.gettempdir()) / "lakehouse-peers"
    add = parser.add_argument
    add("--scale", choices=("tiny", "small", "full"), default="small")
    add("--work", type=Path, default=work, help=f"environments, data and stores (default: {work})")
    add("--peerbench", type=Path, help="folder of the peers' scripts (default: ../shared/peerbench)")
    add("--peers", default=",".join((*PEERS, LIMIT)), help="separated by commas, or none")
    add("--rows", default="", help="only these R, Q and V rows, separated by commas")
    add("--rounds", type=int, default=2, help="rounds of reads")
    add("--budget", type=float, default=1.0, help="seconds for each row and round")
    add("--repetitions", type=int, default=5, help="most timed runs for each row and round")
    add("--timeout", type=float, default=900, help="seconds for a phase of a contender")
    add("--reads", action="store_true", help="read the stores of an earlier run")
    add("--least", action="store_true", help="least times, not medians: for a busy machine")
    add("--report", action="store_true", help="measure nothing, print what was measured")
    add("--out", type=Path, help="write the tables there, and leave the README alone")
    return parser.parse_args()


def _names(peers: str) -> list[str]:
    chosen = [] if peers == "none" else peers.split(",")
    unknown = [name for name in chosen if name not in (*PEERS, LIMIT)]
    if unknown:
        raise SystemExit(f"Unknown peer {unknown[0]!r}; there are {', '.join((*PEERS, LIMIT))}.")
    return [*OURS, *chosen]


def _measure(workshop: Workshop, names: Sequence[str], options: argparse.Namespace) -> None:
    if any(name not in OURS for name in names):
        workshop.make_environments()
    workshop.load("data").generate(workshop.data, options.scale)
    results = workshop.results(options.scale)
    limits = [options.rows, str(options.budget), str(options.repetitions)]

    def run(name: str, out: str, phase: str) -> None:
        sys.stderr.write(f"{phase} {name}\n")
        path = results / f"{name}.{out}.json"
        path.unlink(missing_ok=True)
        arguments = [options.scale, str(workshop.data), str(path), phase, *limits]
        sys.stderr.write(workshop.run(name, arguments, options.timeout))

    if not options.reads:
        for name in names:
            if name in WRITERS:
                run(name, "write", "write")
    for name in names:
        for path in results.glob(f"{name}.read*.json"):
            path.unlink()
    for number in range(options.rounds):
        for name in names if number % 2 == 0 else names[::-1]:
            run(name, f"read{number}", "read")


def _complete(options: argparse.Namespace) -> bool:
    whole = set(options.peers.split(",")) >= {*PEERS, LIMIT} and not options.rows
    return whole and options.scale != "tiny"


def _heading(workshop: Workshop, scale: str, machine: str) -> str:
    load = f"load average {os.getloadavg()[0]:.1f} after it" if hasattr(os, "getloadavg") else "unknown load"
    sizes = _sizes(workshop.load("data").SCALES[scale])
    today = datetime.now(UTC).date()
    return f"{today}, scale `{scale}`: {sizes}. {machine[:-1]}, {load}. Peers: {workshop.versions()}."


def _sizes(scale: Mapping[str, int]) -> str:
    bars, daily = scale["bsym"] * scale["bdays"] * 390, scale["dsym"] * scale["dyears"] * 252
    ticks = scale["trades"] + scale["quotes"]
    return f"{ticks / 1e6:.1f} M ticks, {bars / 1e6:.1f} M minute bars, {daily / 1e6:.1f} M daily bars"


if __name__ == "__main__":
    sys.exit(main())
