"""Time whole processes from start to the first rows: `python benchmarks/cold.py [--partitions 1000 500000]`.

Each asks for one symbol and one day of a table of (symbol, date) partitions, ten rows each: the lake, in the
layout that it chooses and with a file a day, and DuckDB's own file of the same rows. The processes take
turns, and the symbol and the day change every round. What is printed beside them are imports alone: no reader
can be faster.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
if str(ROOT) not in sys.path:  # started as a script, Python knows only the folder of the script
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402 - see above
import pyarrow as pa  # noqa: E402 - see above

import lakehouse  # noqa: E402 - see above
from benchmarks.data import DAY_NS, OPENING_NS, TIME, session_days, symbols  # noqa: E402 - see above
from benchmarks.machine import describe_machine  # noqa: E402 - see above
from benchmarks.timing import once  # noqa: E402 - see above

SYMBOLS = 1_000
ROWS = 10
"""of each symbol and day"""
SIZES = (1_000, 20_000, 100_000, 500_000)
NAME = "market_data.trades"
DUCKDB = "DuckDB's own file"
LAKES = {"lake": "auto", "lake, a file a day": "date=day"}

READ = """
import sys, lakehouse
root, symbol, start, end = sys.argv[1:]
print(lakehouse.open(root)["market_data.trades"].read(symbol, start, end).to_arrow().num_rows)
"""
QUERY = """
import sys, duckdb
file, symbol, start, _ = sys.argv[1:]
question = "select count(price) from trades where symbol = $1 and date = $2"
print(duckdb.connect(file, read_only=True).execute(question, [symbol, start]).fetchall()[0][0])
"""
FLOORS = {
    "Python alone": "pass",
    "import duckdb": "import duckdb",
    "import pyarrow.parquet": "import pyarrow.parquet",
    "import lakehouse": "import lakehouse",
}


class Taken(NamedTuple):
    """What a process took, in milliseconds."""

    elapsed: float
    """from its start to its end"""
    processor: float
    """of all cores"""

    def __str__(self) -> str:
        """Show both."""
        return f"{self.elapsed:6.0f} ms (processor {self.processor:4.0f} ms)"


@dataclass(frozen=True, slots=True)
class Probe:
    """One way to ask."""

    code: str
    """of a process that prints the number of rows"""
    path: Path
    """what it opens"""


def main() -> int:
    """Build what is missing, ask in turn, and print medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--partitions", type=int, nargs="+", default=SIZES, help="sizes of the table")
    parser.add_argument("--rounds", type=int, default=9, help="processes of each kind (default: 9)")
    parser.add_argument("--folder", type=Path, help="keep the tables there, and use those that are there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        print(describe_machine(), flush=True)
        for line in measured(folder, options.partitions, options.rounds):
            print(line, flush=True)
    return 0


def measured(folder: Path, sizes: Sequence[int], rounds: int) -> Iterator[str]:
    """Yield a line a measurement: elapsed time, and the processor's, which a busy machine spoils less."""
    taken: dict[str, list[Taken]] = {}
    probes = {size: build(folder / str(size), size) for size in sizes}
    for number in range(-1, rounds):  # the first round fills caches, and does not count
        times = {name: ask(folder, code) for name, code in FLOORS.items()}
        for size in sizes:
            times |= {f"{size} {name}": ask_for_rows(folder, p, size) for name, p in probes[size].items()}
        if number >= 0:
            for name, each in times.items():
                taken.setdefault(name, []).append(each)
    found = {name: Taken(*map(median, zip(*each, strict=True))) for name, each in taken.items()}
    for name in FLOORS:
        yield f"{name:32} {found[name]}"
    for size in sizes:
        other = found[f"{size} {DUCKDB}"]
        for name in probes[size]:
            each = found[f"{size} {name}"]
            ratios = (
                f"{each.elapsed / other.elapsed:5.2f} x DuckDB ({each.processor / other.processor:.2f} x)"
            )
            yield f"{size:9,} {name:22} {each} {ratios}"
    for name in LAKES:
        medians = [found[f"{size} {name}"].elapsed for size in sizes]
        yield f"{name}: the slowest size takes {max(medians) / min(medians):.2f} x the fastest"


def build(folder: Path, size: int) -> dict[str, Probe]:
    """Make the tables of one size, unless they are there."""
    probes = {name: Probe(READ, folder / name.replace(", ", "-").replace(" ", "-")) for name in LAKES}
    probes[DUCKDB] = Probe(QUERY, folder / "trades.duckdb")
    if not (folder / "done").exists():
        folder.mkdir(parents=True)
        rows = trades(size // SYMBOLS)
        for name, layout in LAKES.items():
            lake = lakehouse.open(probes[name].path, create=True)
            lake.create(NAME, like=rows.slice(0, 1), key=[], layout=layout).append(rows)
        write_duckdb(probes[DUCKDB].path, rows)
        (folder / "done").touch()
    return probes


def write_duckdb(path: Path, rows: pa.Table) -> None:
    """Write the same rows, in the same order, with the date as a column."""
    import duckdb

    with duckdb.connect(str(path)) as connection:
        connection.register("given", rows)
        connection.execute("set timezone = 'UTC'")
        date = "make_date(1970, 1, 1) + (epoch_ns(time) // 86400000000000)::int as date"
        connection.execute(f"create table trades as select symbol, {date}, time, price, size from given")


def trades(days: int) -> pa.Table:
    """Return ten rows of a thousand symbols on each of so many days, by symbol and time."""
    session = dates(days) * DAY_NS + OPENING_NS
    times = np.tile((session[:, None] + np.arange(ROWS) * 60_000_000_000).reshape(-1), SYMBOLS)
    names = pa.DictionaryArray.from_arrays(
        pa.array(np.repeat(np.arange(SYMBOLS, dtype=np.int32), days * ROWS)),
        pa.array(sorted(symbols(SYMBOLS))),
    )
    number = np.arange(len(times))
    columns = [names.cast(pa.string()), pa.array(times).view(TIME), pa.array(50 + number % 977 / 100)]
    return pa.Table.from_arrays([*columns, pa.array(number % 500)], ["symbol", "time", "price", "size"])


def dates(days: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return weekdays, as days since 1970."""
    from datetime import date

    return session_days(date(2022, 1, 3), days)


def ask_for_rows(folder: Path, probe: Probe, size: int) -> Taken:
    """Time a process that asks for a random symbol and day."""
    day = np.datetime64(int(random.choice(dates(size // SYMBOLS))), "D")
    arguments = (random.choice(symbols(SYMBOLS)), str(day), str(day + 1))
    return ask(folder, probe.code, str(probe.path), *arguments, expected=str(ROWS))


def ask(folder: Path, code: str, *arguments: str, expected: str = "") -> Taken:
    """Time a process; compiled modules and caches are kept beside the tables."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPYCACHEPREFIX": str(folder / "compiled"), "LAKEHOUSE_CACHE": str(folder / "cache")}
    command = [sys.executable, "-c", code, *arguments]

    def run() -> None:
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment)
        if done.stdout.strip() != expected:
            raise ValueError(f"{command} answered {done.stdout!r}, not {expected!r}")

    before = getrusage(RUSAGE_CHILDREN)
    seconds = once(run)
    after = getrusage(RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(seconds * 1_000, processor * 1_000)


if __name__ == "__main__":
    sys.exit(main())
