"""How long a fresh process takes to find one symbol and day, by the number of partitions and files.

Usage: `python -m benchmarks.planning [--partitions 1000,20000,100000,500000] [--folder DIR]`

Two shapes of table are made for each number of (symbol, date) partitions: `wide`, one file a day with 1,000
symbols, and `tiny`, one file for each symbol and day. Of the tiny ones only the file that is asked for
exists: to plan means not to look at the others. Each time is the median of several fresh processes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from lakehouse.names import ProductName
from lakehouse.partitions.commit_record import Commit
from lakehouse.partitions.layout import Layout
from lakehouse.partitions.parquet_files import WrittenFile, write_data_files
from lakehouse.partitions.table import Change, Table, Terms
from lakehouse.schema import Column, TableSchema
from lakehouse.store import LocalStore
from lakehouse.times import NS_PER_DAY

SYMBOLS = 1_000
NAME = ProductName("bench", "planning")
SCHEMA = TableSchema(
    (Column("symbol", "string", False), Column("time", "timestamp[ns]", False), Column("price", "float64")),
    "symbol",
    "time",
    ("symbol", "time"),
)
_FILES_A_COMMIT = 20_000
_PROCESSES = 5

_QUESTION = """
import sys, time
import numpy, pyarrow
from lakehouse.partitions import indexed
from lakehouse.partitions.reading import decode
from lakehouse.partitions.selection import select_pieces
from lakehouse.store import LocalStore
from lakehouse.times import Interval
root, path, symbol, start, end = sys.argv[1:]
store, interval = LocalStore(__import__("pathlib").Path(root)), Interval(int(start), int(end))
begin = time.perf_counter()
state = indexed.newest(store, path)
opened = time.perf_counter()
chosen = select_pieces(state, [symbol], interval)
selected = time.perf_counter()
(one,) = chosen
rows = decode(state, chosen, interval).num_rows
read = time.perf_counter()
heavy = [name for name in ("pandas", "polars", "deltalake", "duckdb") if name in sys.modules]
assert rows == 1 and not heavy, (rows, heavy)
print(1e3 * (opened - begin), 1e3 * (selected - opened), 1e3 * (read - selected))
"""


def main() -> None:
    """Build the tables and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--partitions", default="1000,20000,100000,500000")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        os.environ["LAKEHOUSE_CACHE"] = str(folder / "cache")
        print(f"{'shape':6} {'partitions':>10} {'files':>8} {'open ms':>8} {'select ms':>9} {'read ms':>8}")
        for partitions in map(int, arguments.partitions.split(",")):
            for shape in ("wide", "tiny"):
                root = folder / f"{shape}-{partitions}"
                files = build(root, shape, partitions // SYMBOLS)
                times = " ".join(f"{each:8.2f}" for each in ask(root, partitions // SYMBOLS // 2))
                print(f"{shape:6} {partitions:10,} {files:8,} {times}", flush=True)


def build(root: Path, shape: str, days: int) -> int:
    """Write a table of 1,000 symbols unless it is there; return its number of files."""
    table = Table(LocalStore(root), NAME, 1, lambda: Terms(SCHEMA, "1.0.0"))
    if not table.exists:
        table.create(Layout("day", "row_groups" if shape == "wide" else "identity"))
        batch: list[WrittenFile] = []
        for written in wide(table, days) if shape == "wide" else tiny(table, days):
            batch.append(written)
            if len(batch) == _FILES_A_COMMIT:
                _commit(table, batch)
                batch = []
        if batch:
            _commit(table, batch)
    return len(table.head().files)


def wide(table: Table, days: int) -> Iterator[WrittenFile]:
    """Write one file a day."""
    symbols = np.array([f"S{number:04}" for number in range(SYMBOLS)])
    for day in range(days):
        yield from _write(table, symbols, day)


def tiny(table: Table, days: int) -> Iterator[WrittenFile]:
    """Write one file for one symbol and day, and give the facts of the others by its example."""
    asked = days // 2
    (real,) = _write(table, np.array([symbol_asked()]), asked)
    for number in range(SYMBOLS * days):
        symbol, day = f"S{number % SYMBOLS:04}", number // SYMBOLS
        if (symbol, day) == (symbol_asked(), asked):
            yield real
            continue
        date = str(np.datetime64(day, "D"))
        marker = hashlib.sha256(f"{symbol} {day}".encode()).hexdigest()
        yield WrittenFile(
            replace(
                real.file,
                path=f"{table.path}/symbol={symbol}/date={date}/part-t-{marker[:12]}.parquet",
                sha256=marker,
                digest=marker[:32],
                partition=(("symbol", symbol), ("date", date)),
                min_symbol=symbol,
                max_symbol=symbol,
                min_time=day * NS_PER_DAY,
                max_time=day * NS_PER_DAY,
            ),
            {"numRecords": 1},
        )


def symbol_asked() -> str:
    """Return the symbol that is asked for."""
    return f"S{SYMBOLS // 2:04}"


def ask(root: Path, day: int) -> list[float]:
    """Return the milliseconds to open, to select and to read: the median of several fresh processes."""
    path = f"partitions/{NAME.domain}/{NAME.product}/v1"
    bounds = [str(day * NS_PER_DAY), str((day + 1) * NS_PER_DAY)]
    command = [sys.executable, "-c", _QUESTION, str(root), path, symbol_asked(), *bounds]
    runs = [
        list(map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()))
        for _ in range(_PROCESSES)
    ]
    return [statistics.median(each) for each in zip(*runs, strict=True)]


def _write(table: Table, symbols: np.ndarray, day: int) -> list[WrittenFile]:
    names = pa.array(symbols.tolist(), pa.string())
    times = pa.array(np.full(len(symbols), day * NS_PER_DAY))
    rows = pa.table({"symbol": names, "time": times, "price": pa.array(np.arange(len(symbols)) + 0.5)})
    layout = table.head().layout or Layout()
    return write_data_files(table.store, table.path, SCHEMA, layout, rows, writer="t")


def _commit(table: Table, written: list[WrittenFile]) -> None:
    head = table.head()
    table.commit(head, Change(add=written), Commit("", 0, "append", "", id=f"c{head.version}"))


if __name__ == "__main__":
    main()
