"""One phase of the lake in a fresh process: `python -m benchmarks.compare.worker NAME SCALE ROOT OUT …`.

The arguments are those of `peerbench.worker`, whose clock and digests this uses: the lake is registered
there, and then is one contender among others.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.compare.names import OURS
from benchmarks.compare.questions import Questions


def register() -> None:
    """Make both variants known to peerbench, which must be on the path."""
    common, worker = (import_module(f"peerbench.{name}") for name in ("common", "worker"))
    module: Any = ModuleType("peerbench.contenders.lakehouse_")
    module.CONTENDERS = [
        type(name, (Questions, common.Contender), {"name": name, "store_from": OURS[0]}) for name in OURS
    ]
    sys.modules[module.__name__] = module
    worker.MODULES.update(dict.fromkeys(OURS, "lakehouse_"))


def main() -> None:
    """Run one phase, and write what was measured."""
    name, scale, root, out, phase, questions, budget, repetitions = sys.argv[1:9]
    if name == OURS[0]:
        os.environ["LAKEHOUSE_COLUMN_CACHE_SIZE"] = "0"
    register()
    common, worker = (import_module(f"peerbench.{name}") for name in ("common", "worker"))
    contender = worker.load(name, Path(root).resolve(), scale)
    if phase == "write":
        measured = worker.write_phase(contender)
    else:
        asked = questions.split(",") if questions else list(common.QUERIES)
        measured = worker.read_phase(contender, asked, float(budget), int(repetitions))
    measured["_peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    Path(out).write_text(json.dumps(measured))


if __name__ == "__main__":
    main()
