"""Many processes write one product at once: what was acknowledged is there once, in one order for all."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse.partitions.digest import digest_of
from lakehouse.partitions.reading import read_stored
from lakehouse.partitions.selection import select_pieces
from lakehouse.times import NS_PER_DAY, Interval

NAME = "market_data.ticks"
LAYOUT = "date=month,symbol=row_groups"
KEYS: list[tuple[str, ...]] = [("symbol", "time"), ()]

Row = list[Any]
Step = dict[str, Any]
Run = Callable[..., list[list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def server() -> Iterator[subprocess.Popen[str]]:
    script = Path(__file__).with_name("lake_processes.py")
    command = [sys.executable, str(script)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=script.parents[2]) as process:
        yield process
        process.communicate(timeout=60)


@pytest.fixture
def run(server: subprocess.Popen[str], tmp_path: Path) -> Run:
    """Give a function that runs lists of steps, each in a process, and returns what each of them said."""

    def start(url: str | Path, *lists: list[Step], **job: Any) -> list[list[dict[str, Any]]]:
        assert server.stdin is not None
        assert server.stdout is not None
        outs = [tmp_path / f"out-{number}-{len(list(tmp_path.iterdir()))}" for number in range(len(lists))]
        jobs = [
            {"url": str(url), "steps": steps, "out": str(out), **job}
            for steps, out in zip(lists, outs, strict=True)
        ]
        server.stdin.write(json.dumps(jobs) + "\n")
        server.stdin.flush()
        assert json.loads(server.stdout.readline()) == [0] * len(lists)
        return [[json.loads(line) for line in out.read_text().splitlines()] for out in outs]

    return start


def frame(rows: list[Row]) -> pl.DataFrame:
    times = pl.Series([row[1] * 10 * NS_PER_DAY for row in rows], dtype=pl.Int64).cast(
        pl.Datetime("ns", "UTC")
    )
    values = {"price": [float(row[2]) for row in rows], "size": [row[3] for row in rows]}
    return pl.DataFrame({"symbol": [row[0] for row in rows], "time": times, **values})


def rows_of(product: lakehouse.Product) -> list[Row]:
    read = product.read().to_polars().with_columns(pl.col("time").cast(pl.Int64) // (10 * NS_PER_DAY))
    return [list(row) for row in read.iter_rows()]


def new_product(lake: lakehouse.Lake, key: tuple[str, ...]) -> lakehouse.Product:
    return lake.create(NAME, like=frame([["A", 0, 1.0, 1]]), key=key, layout=LAYOUT)


def after(rows: list[Row], step: Step, key: tuple[str, ...]) -> list[Row]:
    """Say what a step makes of rows in the order (symbol, time, arrival): the slow, obvious model."""
    new = step.get("rows", [])
    groups = {(row[0], row[1]) for row in new}
    match step["do"]:
        case "append":
            assert not key or not groups & {(row[0], row[1]) for row in rows}
        case "upsert":
            rows = [row for row in rows if (row[0], row[1]) not in groups]
        case "update":
            low, high = min(row[1] for row in new), max(row[1] for row in new)
            symbols = {row[0] for row in new}
            rows = [row for row in rows if row[0] not in symbols or not low <= row[1] <= high]
        case "delete":
            low, high = step["slots"]
            rows = [row for row in rows if row[0] not in step["symbols"] or not low <= row[1] < high]
    return sorted([*rows, *new], key=lambda row: (row[0], row[1]))


def check(product: lakehouse.Product, key: tuple[str, ...]) -> list[Row]:
    """Replay the history in the model, commit by commit, and compare; return the rows."""
    history = product.history()[::-1]
    assert [commit.version for commit in history] == list(range(len(history)))
    rows: list[Row] = []
    for commit in history:
        assert commit.rows_in == commit.accepted + commit.quarantined + commit.duplicates
        if commit.message and commit.operation != "fence":
            rows = after(rows, json.loads(commit.message), key)
        assert commit.rows == len(rows)
    assert rows_of(product) == rows
    stored = read_stored(product.state(), select_pieces(product.state(), None, Interval()))
    assert digest_of(stored) == product.digest == history[-1].digest
    verified = product.verify()
    assert verified.ok, verified.problems
    return rows


def said_to_land(said: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return every acknowledged step."""
    return [line for lines in said for line in lines if line["error"] is None]


@pytest.mark.parametrize("key", KEYS, ids=["keyed", "keyless"])
def test_appends_of_many_processes_all_land_once(
    lake: lakehouse.Lake, run: Run, key: tuple[str, ...]
) -> None:
    product = new_product(lake, key)
    steps = [
        [
            {"do": "append", "rows": [["AB"[n % 2], 4 * n + me if key else n % 3, 1.0, 100 * me + n]]}
            for n in range(10)
        ]
        for me in range(4)
    ]
    said = run(lake.url, *steps)
    assert [line["error"] for lines in said for line in lines] == [None] * 40
    assert sorted(line["version"] for line in said_to_land(said)) == list(range(1, 41))
    assert sorted(row[3] for row in check(product, key)) == sorted(
        100 * me + n for me in range(4) for n in range(10)
    )


@pytest.mark.parametrize("key", KEYS, ids=["keyed", "keyless"])
def test_every_kind_of_write_at_once_has_one_order(
    lake: lakehouse.Lake, run: Run, key: tuple[str, ...]
) -> None:
    product = new_product(lake, key)
    steps: list[list[Step]] = []
    for me in range(4):
        mine: list[Step] = []
        for n in range(3):
            slot, size = (me + n) % 4, 100 * me + 10 * n
            row = ["A", slot, 1.0, size]
            mine.append(
                {
                    "do": "append",
                    "rows": [["B", 20 + 5 * me + n, 1.0, 100 * me + n], ["A", 40 + 9 * me + n, 2.0, 0]],
                }
            )
            mine.append({"do": "upsert", "rows": [row, ["B", slot + 1, 3.0, size + 1]]})
            mine.append({"do": "update", "rows": [row, ["A", slot + 2, 4.0, size + 2]]})
            mine.append({"do": "delete", "symbols": ["A"], "slots": [slot + 1, slot + 3]})
        steps.append(mine[me:] + mine[:me])
    said = run(lake.url, *steps)
    assert [line["error"] for lines in said for line in lines] == [None] * 48
    assert len(product.history()) == 49
    check(product, key)


@pytest.mark.parametrize("verb", ["append", "upsert", "update"])
def test_an_idempotency_key_of_many_processes_lands_once(lake: lakehouse.Lake, run: Run, verb: str) -> None:
    product = new_product(lake, ())
    steps = [{"do": verb, "rows": [["A", n, 1.0, n]], "key": f"feed-{n}"} for n in range(4)]
    said = run(lake.url, steps, steps, steps, steps, steps)
    assert [line["error"] for lines in said for line in lines] == [None] * 20
    for n in range(4):
        assert sorted(lines[n]["repeated"] for lines in said) == [False, True, True, True, True]
        assert len({lines[n]["version"] for lines in said}) == 1
    assert len(product.history()) == 5
    check(product, ())


def test_first_writes_at_once_make_one_table(lake: lakehouse.Lake, run: Run) -> None:
    product = lake.create(
        NAME, like=frame([["A", 0, 1.0, 1]]), key=()
    )  # each writer would choose a layout of its own
    steps = [[{"do": "append", "rows": [["A", day, 1.0, me] for day in range(3**me)]}] for me in range(5)]
    said = run(lake.url, *steps)
    assert sorted(line["version"] for line in said_to_land(said)) == [1, 2, 3, 4, 5]
    assert [commit.operation for commit in product.history()].count("create") == 1
    assert len(check(product, ())) == 1 + 3 + 9 + 27 + 81


def test_one_of_many_processes_creates_a_product(tmp_path: Path, run: Run) -> None:
    steps = [[{"do": "create", "columns": [[], ["symbol", "time"], ["size"]][me]}] for me in range(3)]
    said = run(tmp_path / "lake", *steps)
    assert sorted(lines[0]["error"] or "made" for lines in said) == [
        "AlreadyExistsError",
        "AlreadyExistsError",
        "made",
    ]
    made = [lines[0]["error"] for lines in said].index(None)
    assert lakehouse.open(tmp_path / "lake")[NAME].schema.key == ((), ("symbol", "time"), ("size",))[made]


def test_backfills_at_once_load_each_chunk_once(lake: lakehouse.Lake, run: Run, tmp_path: Path) -> None:
    product = new_product(lake, ())
    for n in range(12):
        rows = frame([["A", n // 2, 1.0, 10 * n + i] for i in range(5)])
        rows.write_parquet(tmp_path / f"ticks-{n:02}.parquet")
    step = {"do": "backfill", "source": str(tmp_path / "ticks-*.parquet")}
    said = run(lake.url, [step], [step], [step], constants={"ROWS_PER_COMMIT": 10})
    assert [(lines[0]["error"], lines[0]["committed"] + lines[0]["skipped"]) for lines in said] == [
        (None, 12)
    ] * 3
    assert sum(lines[0]["committed"] for lines in said) == 12
    assert sorted(row[3] for row in rows_of(product)) == sorted(
        10 * n + i for n in range(12) for i in range(5)
    )
    chunks = [chunk for commit in product.history() for chunk in commit.chunks if chunk.startswith("chunk:")]
    assert len(chunks) == len(set(chunks)) == 12


def test_writers_of_the_same_rows_all_get_through(lake: lakehouse.Lake, run: Run) -> None:
    """Eight processes that rewrite one file: whoever plans beside the queue can lose every time."""
    product = new_product(lake, ("symbol", "time"))
    product.append(frame([["A", n, 1.0, -1] for n in range(5)]))
    steps = [[{"do": "upsert", "rows": [["A", 2, 1.0, 10 * me + n]]} for n in range(4)] for me in range(8)]
    said = run(lake.url, *steps)
    assert [line["error"] for lines in said for line in lines] == [None] * 32
    assert len(product.history()) == 34


@pytest.mark.parametrize("key", KEYS, ids=["keyed", "keyless"])
def test_a_compaction_in_a_loop_loses_nothing_of_eight_writers(
    lake: lakehouse.Lake, run: Run, key: tuple[str, ...]
) -> None:
    product = new_product(lake, key)
    steps: list[list[Step]] = [
        [
            {"do": "append", "rows": [["AB"[n % 2], 8 * n + me if key else n % 3, 1.0, 100 * me + n]]}
            for n in range(10)
        ]
        for me in range(8)
    ]
    said = run(lake.url, *steps, [{"do": "compact", "until": {"rows": 80}}])
    assert {line["error"] for lines in said for line in lines} == {None}
    compactions = said[-1][0]["commits"]
    assert len(compactions) > 2
    landed = [line["version"] for lines in said[:-1] for line in lines]
    assert sorted(landed + compactions) == list(range(1, 81 + len(compactions)))
    assert len(check(product, key)) == 80
    lake.compact(NAME, dry_run=False)
    assert len(product.state().files) == len({file.partition for file in product.state().files})


def test_writers_of_every_kind_and_two_compactions_have_one_order(lake: lakehouse.Lake, run: Run) -> None:
    product = new_product(lake, ())
    steps: list[list[Step]] = [
        [
            step
            for n in range(3)
            for step in (
                {"do": "append", "rows": [["A", 3 * n + me, 1.0, 10 * me + n]]},
                {"do": "upsert", "rows": [["A", n, 2.0, 10 * me + n], ["B", me, 2.0, n]]},
                {"do": "update", "rows": [["A", n, 3.0, n], ["A", n + 1, 3.0, me]]},
                {"do": "delete", "symbols": ["A"], "slots": [n, n + 1]},
            )
        ]
        for me in range(3)
    ]
    said = run(lake.url, *steps, *([{"do": "compact", "until": {"version": last}}] for last in (20, 36)))
    assert {line["error"] for lines in said for line in lines} == {None}
    check(product, ())


def test_threads_share_a_product(lake: lakehouse.Lake) -> None:
    product = new_product(lake, ())

    def append(me: int) -> None:
        for n in range(5):
            product.append(frame([["A", n, 1.0, 10 * me + n]]))

    threads = [threading.Thread(target=append, args=(me,)) for me in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [commit.version for commit in product.history()] == list(range(20, -1, -1))
    assert sorted(row[3] for row in rows_of(product)) == sorted(
        10 * me + n for me in range(4) for n in range(5)
    )
