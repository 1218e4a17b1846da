"""Measure how cost grows, and draw it: `python -m benchmarks.scaling [--curves rows,files] [--quick]`.

It writes `benchmarks/scaling.md` and `benchmarks/charts/*.svg`. A quick run proves only that everything
still runs, and writes nothing unless told where.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.scaling.curves import Chart, draw, to_markdown

HERE = Path(__file__).parents[1]
SIZES: Mapping[str, Sequence[int]] = {
    "files": (1_000, 20_000, 100_000, 500_000),
    "rows": (1, 5, 20, 50),
    "symbols": (10, 100, 1_000, 5_000),
    "processes": (1, 2, 4, 8),
}
QUICK: Mapping[str, Sequence[int]] = {
    "files": (1_000, 2_000),
    "rows": (1, 2),
    "symbols": (10, 20),
    "processes": (1, 2),
}

Charts = Callable[[Path, Sequence[int]], Iterator[Chart]]


def main() -> int:
    """Measure, draw, and write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--curves", default=",".join(SIZES), help="separated by commas")
    parser.add_argument("--quick", action="store_true", help="small sizes, numbers without meaning")
    parser.add_argument("--out", type=Path, help="folder of the results (default: benchmarks)")
    parser.add_argument("--folder", type=Path, help="where lakes are made, kept afterwards")
    options = parser.parse_args()
    out = options.out or (None if options.quick else HERE)
    parts = [f"# How the cost grows\n\nWritten by `python -m benchmarks.scaling`. {describe_machine()}\n"]
    with tempfile.TemporaryDirectory(prefix="lakehouse-scaling-") as temporary:
        for name in options.curves.split(","):
            sizes = (QUICK if options.quick else SIZES)[name]
            measured: Charts = import_module(f"benchmarks.scaling.by_{name}").charts
            for chart in measured(options.folder or Path(temporary), sizes):
                parts.append(to_markdown(chart))
                sys.stdout.write(f"{parts[-1]}\n")
                sys.stdout.flush()
                if out is not None:
                    (out / "charts").mkdir(parents=True, exist_ok=True)
                    draw(chart, out / "charts")
    if out is not None:
        (out / "scaling.md").write_text("\n".join(parts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
