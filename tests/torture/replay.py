"""Replay a seed that failed, turn by turn: `python tests/torture/replay.py SEED`, with `--help` for more."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from pathlib import Path

sys.path[0] = str(
    Path(__file__).parents[2]
)  # started as a script, Python knows only the folder of the script

from tests.torture.driver import run_seed  # noqa: E402 - see above


def main() -> int:
    """Print each turn, and then the objections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--turns", type=int, default=20, help="as in the run that failed (default: 20)")
    parser.add_argument("--keep", type=Path, help="leave the lake and the journals in this folder")
    options = parser.parse_args()
    objections = run_seed(options.seed, turns=options.turns, say=_say, keep=options.keep)
    _say("\n".join(["", *objections, f"{len(objections)} objections"]))
    return 1 if objections else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    multiprocessing.set_start_method("fork" if sys.platform == "linux" else "spawn")
    sys.exit(main())
