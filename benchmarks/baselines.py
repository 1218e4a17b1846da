"""What becomes of pins and of concurrent updates, here and elsewhere: `python benchmarks/baselines.py`.

Pins: 101 commits, of which number 50 is recorded (by a snapshot, where there is such a thing); 40 days pass,
for which the times of all files are set back; 100 more commits, with what each engine does to its log.
Updates: two processes append 100 rows each to one table, one by one; a row whose append reported success and
that is not there is lost. They are appends: the lake has no call that reads a row and writes it back as one
step, so a read-modify-write that every engine can do is not there to compare. ArcticDB needs pandas below 3,
and so gets an environment of its own, below the system's folder for temporary files.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import deltalake
import pyarrow as pa

import lakehouse

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- baselines -->", "<!-- /baselines -->"
CAPTION = (
    "Lost updates are counted on appends: "
    "the lake has no call that reads a row and writes it back as one step."
)
ARCTICDB = ("arcticdb==6.28.2", "pandas<3")
BEFORE, PINNED, LATER = 101, 50, 100
APPENDS, PROCESSES = 100, 2
DAYS = 40

# Each takes the place and its own number, and says how many appends reported success.
LAKE = f"""
import sys, pyarrow as pa, lakehouse
product = lakehouse.open(sys.argv[1])["test.numbers"]
sys.stdin.readline()
done = 0
for number in range({APPENDS}):
    product.append(pa.table({{"number": [1000 * int(sys.argv[2]) + number]}}))
    done += 1
print(done)
"""
DELTALAKE = f"""
import sys, pyarrow as pa, deltalake
sys.stdin.readline()
done = 0
for number in range({APPENDS}):
    rows = pa.table({{"number": [1000 * int(sys.argv[2]) + number]}})
    deltalake.write_deltalake(sys.argv[1], rows, mode="append")
    done += 1
print(done)
"""
ARCTIC = f"""
import sys, pandas as pd, arcticdb
library = arcticdb.Arctic(f"lmdb://{{sys.argv[1]}}").get_library("test", create_if_missing=True)
if sys.argv[2] == "make":
    print(library.write("numbers", pd.DataFrame({{"number": [-1]}})).version)
elif sys.argv[2] == "count":
    print(len(set(library.read("numbers").data["number"])) - 1)
else:
    sys.stdin.readline()
    done = 0
    for number in range({APPENDS}):
        library.append("numbers", pd.DataFrame({{"number": [1000 * int(sys.argv[2]) + number]}}))
        done += 1
    print(done)
"""


def main() -> int:
    """Print the table, and put it into the README if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readme", action="store_true", help=f"put it between {BEGIN} and {END}")
    parser.add_argument("--quick", action="store_true", help="without ArcticDB, which has to be installed")
    options = parser.parse_args()
    table = ["| What | Engine | Result |", "| --- | --- | --- |"]
    sys.stdout.write("\n".join([*table, ""]))
    with tempfile.TemporaryDirectory(prefix="lakehouse-baselines-") as folder:
        for line in lines(Path(folder), quick=options.quick):
            table.append(f"| {' | '.join(line)} |")
            sys.stdout.write(f"{table[-1]}\n")
            sys.stdout.flush()
    sys.stdout.write(f"\n{CAPTION}\n")
    if options.readme:
        readme = ROOT / "README.md"
        text = between_marks(readme.read_text(encoding="utf-8"), "\n".join([*table, "", CAPTION]))
        readme.write_text(text, encoding="utf-8")
    return 0


def between_marks(text: str, table: str) -> str:
    """Return a text with a table in place of what stands between its marks.

    Raises:
        ValueError: the text does not have each mark once, in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise ValueError(f"README.md must have {BEGIN} and {END}, each once and in this order.")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def lines(folder: Path, *, quick: bool = False) -> Iterator[tuple[str, str, str]]:
    """Yield what was done, by which engine, and what became of it."""
    pin = f"A version of {PINNED + 1} commits, {DAYS} days and {LATER} commits later"
    yield pin, "this lake, a snapshot", _pin_of_the_lake(folder / "lake")
    yield pin, "deltalake, default properties, its version number", _pin_of_deltalake(folder / "delta")
    updates = f"{PROCESSES} processes append {APPENDS} rows each to one table"
    lakehouse.open(folder / "updates", create=True).create("test.numbers", like=_rows(0), key=["number"])
    done = _appended(sys.executable, LAKE, folder / "updates")
    yield updates, "this lake", _lost(done, lakehouse.open(folder / "updates")["test.numbers"].rows)
    deltalake.write_deltalake(folder / "updates-delta", _rows(0).slice(0, 0))
    done = _appended(sys.executable, DELTALAKE, folder / "updates-delta")
    rows = deltalake.DeltaTable(folder / "updates-delta").to_pyarrow_table().num_rows
    yield updates, "deltalake", _lost(done, rows)
    if not quick:
        yield updates, "ArcticDB 6.28.2 on LMDB", _arcticdb(folder)


def _pin_of_the_lake(place: Path) -> str:
    lake = lakehouse.open(place, create=True)
    product = lake.create("test.numbers", like=_rows(0), key=["number"])
    for number in range(BEFORE):
        product.append(_rows(number))
        if product.version == PINNED + 1:
            lake.snapshot("pinned")
    first = lake.checkout("pinned")["test.numbers"].digest
    _let_days_pass(place)
    for number in range(LATER):
        product.append(_rows(BEFORE + number))
    again = lakehouse.open(place).checkout("pinned")
    same = again["test.numbers"].digest == first and again.verify().ok
    return f"{again['test.numbers'].read().num_rows} rows, {'verified' if same else '**other rows**'}"


def _pin_of_deltalake(place: Path) -> str:
    for number in range(BEFORE):
        deltalake.write_deltalake(place, _rows(number), mode="append")
    first = deltalake.DeltaTable(place, version=PINNED).to_pyarrow_table().num_rows
    _let_days_pass(place)
    for number in range(LATER):
        deltalake.write_deltalake(place, _rows(BEFORE + number), mode="append")
    try:
        found = deltalake.DeltaTable(place, version=PINNED).to_pyarrow_table().num_rows
    except deltalake.exceptions.DeltaError as error:
        return f"**unreadable** ({type(error).__name__}); {first} rows before"
    return f"{found} rows, {first} before"


def _arcticdb(folder: Path) -> str:
    environment = folder / "environment"
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *ARCTICDB]
    for command in ([sys.executable, "-m", "venv", str(environment)], install):
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            return f"skipped: it can not be installed here ({made.stderr.strip().splitlines()[-1]})"
    place = folder / "arctic"
    _ask(str(python), ARCTIC, place, "make")
    done = _appended(str(python), ARCTIC, place)
    return _lost(done, _ask(str(python), ARCTIC, place, "count"))


def _appended(python: str, script: str, place: Path) -> int:
    """Return how many appends of all processes reported success."""
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(
            [python, "-c", script, str(place), str(me)], stdin=pipe, stdout=pipe, text=True, cwd=ROOT
        )
        for me in range(PROCESSES)
    ]
    time.sleep(5)  # all have loaded their libraries
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(int(process.communicate()[0] or 0) for process in started)


def _ask(python: str, script: str, place: Path, what: str) -> int:
    command = [python, "-c", script, str(place), what]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)


def _lost(done: int, found: int) -> str:
    lost = f"{done - found} lost" if done == found else f"**{done - found} lost**"
    return f"{done} reported success, {found} are there: {lost}"


def _rows(number: int) -> pa.Table:
    return pa.Table.from_arrays([pa.array([number])], ["number"])


def _let_days_pass(place: Path) -> None:
    past = time.time() - DAYS * 86_400
    for file in (path for path in place.rglob("*") if path.is_file()):
        os.utime(file, (past, past))


if __name__ == "__main__":
    sys.exit(main())
