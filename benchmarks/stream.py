"""Measure live writes: `python benchmarks/stream.py [--quick] [FOLDER]`; FOLDER should be on a real disk.

Elapsed times of `each` and `group` are those of the disk's flush, so a plain flush of the same disk is
measured beside them. Processor time tells what the lake itself costs a row, whatever else the machine does.
A whole run writes the README's table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
if str(ROOT) not in sys.path:  # started as a script, Python knows only the folder of the script
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402 - see above
import polars as pl  # noqa: E402 - see above

import lakehouse  # noqa: E402 - see above
from benchmarks.machine import describe_machine  # noqa: E402 - see above
from benchmarks.readme import put_between  # noqa: E402 - see above
from benchmarks.timing import Samples, measure  # noqa: E402 - see above
from lakehouse.catalog.contract import Contract  # noqa: E402 - see above
from lakehouse.catalog.rule import Rule  # noqa: E402 - see above
from lakehouse.names import ProductName  # noqa: E402 - see above
from lakehouse.partitions.tail import latest_rows, open_tail  # noqa: E402 - see above
from lakehouse.schema import Column, TableSchema  # noqa: E402 - see above

NAME = "market_data.ticks"
START_NS = 1_704_189_600_000_000_000
SYMBOLS = 100
SCHEMA = TableSchema(
    (
        Column("symbol", "string", nullable=False),
        Column("time", "timestamp[ns]", nullable=False),
        Column("price", "float64"),
        Column("size", "float64"),
        Column("exchange", "string"),
        Column("conditions", "string"),
        Column("receive_time", "timestamp[ns]"),
    ),
    symbol="symbol",
    time="time",
)
RULES = (
    Rule("real_price", "positive", ("price",)),
    Rule("real_size", "non_negative", ("size",)),
    Rule("in_order", "monotonic_time", level="warn"),
)


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    ticks: int
    """single writes"""
    rows: int
    """rows of a frame or a group"""


def tick(number: int) -> dict[str, Any]:
    """Return a row."""
    time_ns = START_NS + number * 1_000
    return {
        "symbol": f"S{number % SYMBOLS}",
        "time": time_ns,
        "price": 190.0 + number % 7,
        "size": 100.0,
        "exchange": "N",
        "conditions": "@ T",
        "receive_time": time_ns + 250,
    }


def frame(rows: int) -> pl.DataFrame:
    """Return many rows."""
    numbers = np.arange(rows)
    times = pl.Series(START_NS + numbers * 1_000).cast(pl.Datetime("ns", "UTC"))
    symbols = np.array([f"S{number}" for number in range(SYMBOLS)])
    return pl.DataFrame(
        {
            "symbol": symbols[numbers % SYMBOLS],
            "time": times,
            "price": 190.0 + numbers % 7,
            "size": np.full(rows, 100.0),
            "exchange": pl.repeat("N", rows, eager=True),
            "conditions": pl.repeat("@ T", rows, eager=True),
            "receive_time": times,
        }
    )


@contextmanager
def opened(folder: Path, **settings: Any) -> Iterator[tuple[lakehouse.Lake, Any]]:
    """Give a new lake with a stream that seals nothing by itself."""
    with tempfile.TemporaryDirectory(dir=folder) as root:
        lake = lakehouse.open(Path(root) / "lake", create=True)
        lake.create(Contract(ProductName.parse(NAME), "1.0.0", SCHEMA, rules=RULES))
        with lake.stream(NAME, seal_rows=1 << 40, unsealed_bytes=1 << 40, **settings) as stream:
            yield lake, stream


_said: list[tuple[str, str]] = []


def say(what: str, value: str) -> None:
    """Print one line of the table, and keep it."""
    _said.append((what, value))
    sys.stdout.write(f"{what:<62} {value}\n")
    sys.stdout.flush()


def micros(samples: Samples) -> str:
    """Write median and 99th percentile."""
    return f"p50 {samples.p50 * 1e6:8.1f} us   p99 {samples.p99 * 1e6:8.1f} us"


@contextmanager
def rate(what: str, rows: int) -> Iterator[None]:
    """Print rows a second, elapsed and by processor time."""
    begun, used = time.perf_counter(), time.process_time()
    yield
    elapsed, processor = time.perf_counter() - begun, time.process_time() - used
    say(what, f"{rows / elapsed:12,.0f} rows/s   {rows / processor:12,.0f} rows/s of processor time")


def plain_flush(folder: Path, scale: Scale) -> None:
    """Measure what the disk takes for a flush of 128 bytes."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(bytes(16 << 20))
        os.fsync(file.fileno())
        file.seek(0)

        def flush() -> None:
            file.write(bytes(128))
            os.fsync(file.fileno())

        say("the disk alone: write 128 bytes, fsync", micros(measure(flush, scale.ticks)))


def one_by_one(folder: Path, scale: Scale) -> None:
    """Measure single writes."""
    for durability in ("each", "group", "none"):
        with opened(folder, durability=durability) as (_, stream):
            rows = iter([tick(number) for number in range(scale.ticks + 2)])
            samples = measure(partial(_write_next, stream, rows), scale.ticks)
            say(f"write(tick), durability={durability!r}, one thread", micros(samples))


def _write_next(stream: Any, rows: Iterator[dict[str, Any]]) -> None:
    stream.write(next(rows))


def many_threads(folder: Path, scale: Scale, threads: int = 16) -> None:
    """Measure threads that share flushes, each waiting for its own rows."""
    for size in (1, 100):
        count = max(1, scale.rows // size // threads // (50 if size == 1 else 1))
        rows = [tick(number) for number in range(size)]
        with opened(folder, durability="group") as (_, stream):
            feeders = [
                threading.Thread(target=_repeat, args=(partial(stream.write, rows), count))
                for _ in range(threads)
            ]
            with rate(f"write({size} ticks), durability='group', {threads} threads", threads * count * size):
                for feeder in feeders:
                    feeder.start()
                for feeder in feeders:
                    feeder.join()


def _repeat(action: Callable[[], object], times: int) -> None:
    for _ in range(times):
        action()


def groups(folder: Path, scale: Scale) -> None:
    """Measure rows that are taken one by one, and acknowledged together."""
    for durability in ("group", "none"):
        rows = [tick(number) for number in range(scale.rows)]
        what = f"add(tick) … flush(), durability={durability!r}, one thread"
        with opened(folder, durability=durability) as (_, stream), rate(what, len(rows)):
            for row in rows:
                stream.add(row)
            stream.flush()


def batches(folder: Path, scale: Scale) -> None:
    """Measure frames, and what sealing them takes."""
    for size in (1_000, 10_000, 100_000):
        rows = frame(size)
        count = max(1, scale.rows * 4 // size)
        with opened(folder) as (_, stream):
            with rate(f"write(frame of {size:,}), durability='each'", size * count):
                for _ in range(count):
                    stream.write(rows)
            if size == 100_000:
                with rate("seal", size * count):
                    stream.seal()


def reading(folder: Path, scale: Scale) -> None:
    """Measure readers while a thread writes."""
    with opened(folder, durability="group") as (lake, stream):
        stream.write(frame(scale.rows))
        stop = threading.Event()
        feeder = threading.Thread(target=_feed, args=(stream, stop))
        feeder.start()
        try:
            path, product = lake[NAME].table.path, lake[NAME]
            times = max(100, scale.ticks // 4)
            samples = measure(lambda: latest_rows(lake.store, path, "S7"), times)
            say("latest_rows(symbol) during ingest", micros(samples))

            def rows_of_one() -> None:
                tail, state = open_tail(lake.store, path), product.state()
                assert tail is not None
                tail.unsealed(state.schema, state.transactions, ["S7"])

            say(
                f"unsealed rows of a symbol, {scale.rows:,} rows and more",
                micros(measure(rows_of_one, times)),
            )
            say("product.latest(symbol) during ingest", micros(measure(lambda: product.latest("S7"), times)))
            say("product.tail(100, symbol) during ingest", micros(measure(lambda: _tail(product), times)))
        finally:
            stop.set()
            feeder.join()


def beside_a_process(folder: Path, scale: Scale) -> None:
    """Measure readers while another process writes, by elapsed and by their own processor time."""
    with tempfile.TemporaryDirectory(dir=folder) as root:
        lake = lakehouse.open(Path(root) / "lake", create=True)
        product = lake.create(Contract(ProductName.parse(NAME), "1.0.0", SCHEMA, rules=RULES))
        product.append(frame(SYMBOLS))
        command = [sys.executable, __file__, "--feed", lake.url]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as feeder:
            while len(product.read(columns=["price"])) < SYMBOLS + scale.rows // 10:
                time.sleep(0.01)
            for what, action in (
                ("latest(symbol)", lambda: product.latest("S7")),
                ("tail(symbol, 100)", lambda: _tail(product)),
            ):
                samples, used = _both(action, scale.ticks)
                say(f"product.{what} beside a writing process", micros(samples))
                say("    processor time", micros(used))
            rows = len(product.read(columns=["price"]))
            feeder.communicate(b"")
        say("    rows that were there", f"{rows:,}")


def _both(action: Callable[[], object], times: int) -> tuple[Samples, Samples]:
    """Return elapsed times, and processor times of this thread."""
    elapsed, used = [], []
    for _ in range(times):
        begun, own = time.perf_counter(), time.thread_time()
        action()
        used.append(time.thread_time() - own)
        elapsed.append(time.perf_counter() - begun)
    return Samples.of(elapsed), Samples.of(used)


def feed(url: str) -> None:
    """Stream until the standard input ends."""
    stop = threading.Event()
    with lakehouse.open(url).stream(NAME, durability="group", seal_rows=1 << 40) as stream:
        feeder = threading.Thread(target=_feed, args=(stream, stop))
        feeder.start()
        sys.stdin.read()
        stop.set()
        feeder.join()


def _tail(product: Any) -> None:
    product.tail(100, symbols="S7").to_arrow()


def _feed(stream: Any, stop: threading.Event) -> None:
    number = 10_000_000
    while not stop.wait(0.001):
        stream.write([tick(number + each) for each in range(50)])
        number += 50


CASES = (plain_flush, one_by_one, groups, many_threads, batches, reading, beside_a_process)


def main() -> int:
    """Run every measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--quick", action="store_true", help="little data, numbers without meaning")
    parser.add_argument("--feed", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.feed:
        feed(options.feed)
        return 0
    scale = Scale(200, 2_000) if options.quick else Scale(5_000, 200_000)
    say("load of the machine", " ".join(f"{load:.1f}" for load in os.getloadavg()))
    for case in CASES:
        case(options.folder, scale)
    if not options.quick:
        lines = [f"| {what.strip()} | {' '.join(value.split())} |" for what, value in _said]
        head = [describe_machine() + ".", "", "| What | Result |", "| --- | --- |"]
        put_between(ROOT / "README.md", "stream", "\n".join(head + lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
