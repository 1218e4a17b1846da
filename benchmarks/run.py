"""Measure the lake and print one table: `python benchmarks/run.py [--quick] [--out FILE.md]`.

A whole run takes a few minutes on an idle machine and writes `benchmarks/results.md` and the README's table;
a quick one proves only that every measurement still runs, and writes nothing unless told where.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
if str(ROOT) not in sys.path:  # started as a script, Python knows only the folder of the script
    sys.path.insert(0, str(ROOT))

from benchmarks.cases import (  # noqa: E402 - see above
    collecting,
    concurrency,
    differing,
    joining,
    limits,
    loading,
    proving,
    reading,
    scaling,
    startup,
    writing,
)
from benchmarks.machine import describe_machine  # noqa: E402 - see above
from benchmarks.scale import FULL, QUICK, Scale  # noqa: E402 - see above
from benchmarks.table import Row, to_markdown  # noqa: E402 - see above

CASES = (
    startup,
    writing,
    concurrency,
    reading,
    joining,
    loading,
    proving,
    scaling,
    differing,
    collecting,
    limits,
)
RESULTS = ROOT / "benchmarks" / "results.md"
README = ROOT / "README.md"


def main() -> int:
    """Run every case, print the table, and write it where it belongs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="little data, numbers without meaning")
    parser.add_argument("--out", type=Path, help="write the table there (default: benchmarks/results.md)")
    options = parser.parse_args()
    scale = QUICK if options.quick else FULL
    text = to_markdown(describe_machine(), measured(scale))
    sys.stdout.write(text)
    out = options.out or (None if options.quick else RESULTS)
    if out is not None:
        out.write_text(
            f"# Measured numbers\n\nWritten by `python benchmarks/run.py`.\n\n{text}", encoding="utf-8"
        )
    if out == RESULTS:
        README.write_text(into_readme(README.read_text(encoding="utf-8"), text), encoding="utf-8")
    return 0


def into_readme(readme: str, text: str) -> str:
    """Return the README with the table between its two marks."""
    before, _, rest = readme.partition("<!-- measured -->\n")
    return f"{before}<!-- measured -->\n{text}<!-- /measured -->{rest.partition('<!-- /measured -->')[2]}"


def measured(scale: Scale) -> Iterator[Row]:
    """Yield the rows of every case, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="lakehouse-bench-") as folder:
        for case in CASES:
            sys.stderr.write(f"measuring {case.__name__.rpartition('.')[2]} …\n")
            yield from case.rows(scale, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
