"""How long a fresh process takes before it can do anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.scale import Scale
from benchmarks.table import Row, below, duration
from benchmarks.timing import fresh_processes

IMPORT_LIMIT_S, HELP_LIMIT_S = 0.3, 0.2
HELP = "import sys; from lakehouse.cli.main import main; sys.exit(main())"


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Yield whole processes, Python's own start included."""
    bare = fresh_processes("pass", times=scale.processes)
    note = f" (of which Python {duration(bare.p50)})"
    imported = fresh_processes("import lakehouse", times=scale.processes)
    yield below("A process that runs `import lakehouse`", imported.p50, IMPORT_LIMIT_S, note=note)
    helped = fresh_processes(HELP, "--help", times=scale.processes)
    yield below("A process that runs `lake --help`", helped.p50, HELP_LIMIT_S, note=note)
