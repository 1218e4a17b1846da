"""One streaming question in a fresh process, for its peak memory: `… probe LAKE PRODUCT QUESTION`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import lakehouse

if TYPE_CHECKING:
    import pyarrow as pa

ROOT = Path(__file__).parents[2]


def _scan(product: lakehouse.Product) -> pa.RecordBatchReader:
    return product.scan().to_reader()


def _vwap(product: lakehouse.Product) -> pa.RecordBatchReader:
    from lakehouse.queries import analytics

    return analytics.vwap(product, every="1d").to_reader()


def _bars(product: lakehouse.Product) -> pa.RecordBatchReader:
    from lakehouse.queries import analytics

    return analytics.time_bars(product, every="1min").to_reader()


def _zscore(product: lakehouse.Product) -> pa.RecordBatchReader:
    from lakehouse.queries import analytics

    return analytics.rolling(product, "price", 100, statistic="zscore").to_reader()


def _join(product: lakehouse.Product) -> pa.RecordBatchReader:
    from lakehouse.queries import analytics

    return analytics.asof_join(product, product, columns=["price"]).to_reader()


QUESTIONS: Mapping[str, Callable[[lakehouse.Product], pa.RecordBatchReader]] = {
    "scan of every row": _scan,
    "VWAP of each symbol and day": _vwap,
    "bars of one minute": _bars,
    "rolling z-score of every row": _zscore,
    "as-of join of the table with itself": _join,
}


def ask(place: Path, product: str, question: str) -> tuple[float, float]:
    """Return the seconds and the peak memory in MB of a fresh process that streams an answer."""
    command = [sys.executable, "-m", "benchmarks.scaling.probe", str(place), product, question]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    seconds, peak = json.loads(done.stdout)
    return seconds, peak


def main() -> None:
    """Stream the answer, keep no batch of it, and print seconds and peak."""
    import resource

    place, name, question = sys.argv[1:]
    start = time.perf_counter()
    for batch in QUESTIONS[question](lakehouse.open(place)[name]):
        del batch
    seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes here
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    sys.stdout.write(json.dumps([seconds, peak]))


if __name__ == "__main__":
    main()
