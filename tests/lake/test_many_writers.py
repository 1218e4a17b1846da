"""Many processes write one product at once: what was acknowledged is there once, in one order for all."""

from __future__ import annotations

import dataclasses
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
from lakehouse.catalog.rule import Rule
from lakehouse.errors import ContractError, KeyConflictError
from lakehouse.ingest import write
from lakehouse.partitions.digest import digest_of
from lakehouse.partitions.parquet_files import WrittenFile
from lakehouse.partitions.reading import read_stored, select_pieces
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
        if commit.message:
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


# What each kind of write does first and second in a pair: each looks at rows that the other changes.
PAIRS: dict[str, tuple[Step, Step]] = {
    "append": (
        {"do": "append", "rows": [["A", 4, 1.0, 100], ["A", 9, 1.0, 101]]},
        {"do": "append", "rows": [["A", 2, 2.0, 200], ["A", 8, 2.0, 201]]},
    ),
    "upsert": (
        {"do": "upsert", "rows": [["A", 1, 1.0, 110], ["A", 9, 1.0, 111]]},
        {"do": "upsert", "rows": [["A", 1, 2.0, 210], ["A", 5, 2.0, 211]]},
    ),
    "update": (
        {"do": "update", "rows": [["A", 0, 1.0, 120], ["A", 3, 1.0, 121]]},
        {"do": "update", "rows": [["A", 1, 2.0, 220], ["A", 5, 2.0, 221]]},
    ),
    "delete": (
        {"do": "delete", "symbols": ["A"], "slots": [0, 4]},
        {"do": "delete", "symbols": ["A"], "slots": [1, 6]},
    ),
    "compact": ({"do": "compact"}, {"do": "compact"}),
}


# A compaction reads no more than its sources, and of two the second finds nothing left to do.
UNDISTURBED = {("compact", "append"), ("compact", "compact")}


def take(product: lakehouse.Product, step: Step) -> lakehouse.Commit:
    """Take a step; return its commit, or the newest where it found nothing to do."""
    message = json.dumps(step)
    if step["do"] == "compact":
        lakehouse.open(product.table.store.url).compact(NAME, dry_run=False, message=message)
        return product.history()[0]
    if step["do"] == "delete":
        start, end = (slot * 10 * NS_PER_DAY for slot in step["slots"])
        return product.delete(step["symbols"], start, end, message=message)
    commit: lakehouse.Commit = getattr(product, step["do"])(frame(step["rows"]), message=message)
    return commit


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], list[int]]:
    """Give a function that lets something happen between the plan of the next write and its commit."""

    def install(happen: Callable[[], object]) -> list[int]:
        plans: list[int] = []

        write_files = write._write_files

        def files(*planned: Any) -> list[WrittenFile]:
            plans.append(len(plans))
            written = write_files(*planned)
            if len(plans) == 1:
                happen()
                plans[1:] = []  # what happened may have written too
            return written

        monkeypatch.setattr(write, "_write_files", files)
        return plans

    return install


@pytest.mark.parametrize("key", KEYS, ids=["keyed", "keyless"])
@pytest.mark.parametrize("second", PAIRS)
@pytest.mark.parametrize("first", PAIRS)
def test_a_write_that_was_planned_before_another_landed_is_planned_again(
    lake: lakehouse.Lake, between: Any, first: str, second: str, key: tuple[str, ...]
) -> None:
    product = new_product(lake, key)
    for symbol in "ABC":  # several files of each partition, for a compaction
        take(product, {"do": "append", "rows": [[symbol, slot, 0.0, slot] for slot in (0, 1, 3, 5)]})
    other = lakehouse.open(lake.url)[NAME]
    plans = between(lambda: take(other, PAIRS[second][1]))
    commit = take(product, PAIRS[first][0])
    assert len(plans) == (1 if (first, second) in UNDISTURBED else 2)
    landed = [second] if (first, second) == ("compact", "compact") else [first, second]
    assert commit.version == 3 + len(landed)
    done = [json.loads(each.message)["do"] for each in product.history()[:-4]]
    assert done == landed
    check(product, key)


@pytest.mark.parametrize("verb", ["append", "upsert", "update", "delete"])
def test_a_write_that_another_does_not_touch_keeps_its_files(
    lake: lakehouse.Lake, between: Any, verb: str
) -> None:
    product = new_product(lake, ())
    take(product, {"do": "append", "rows": [["A", slot, 0.0, slot] for slot in (0, 1, 3, 5)]})
    other = lakehouse.open(lake.url)[NAME]
    plans = between(lambda: take(other, {"do": "append", "rows": [["B", 2, 1.0, 300], ["C", 2, 1.0, 301]]}))
    assert take(product, PAIRS[verb][0]).version == 3
    assert len(plans) == 1
    check(product, ())


def test_an_append_whose_key_another_took_with_other_values_is_refused(
    lake: lakehouse.Lake, between: Any
) -> None:
    product, other = new_product(lake, KEYS[0]), lakehouse.open(lake.url)[NAME]
    between(lambda: take(other, {"do": "append", "rows": [["A", 1, 2.0, 2]]}))
    with pytest.raises(KeyConflictError, match="1 keys are stored"):
        take(product, {"do": "append", "rows": [["A", 1, 1.0, 1]]})
    assert rows_of(product) == [["A", 1, 2.0, 2]]
    check(product, KEYS[0])


def test_an_append_of_rows_that_another_appended_counts_them_as_duplicates(
    lake: lakehouse.Lake, between: Any
) -> None:
    product, other = new_product(lake, KEYS[0]), lakehouse.open(lake.url)[NAME]
    between(lambda: other.append(frame([["A", 1, 1.0, 1]])))
    commit = product.append(frame([["A", 1, 1.0, 1], ["A", 2, 1.0, 2]]))
    assert (commit.rows_in, commit.accepted, commit.duplicates) == (2, 1, 1)
    assert rows_of(product) == [["A", 1, 1.0, 1], ["A", 2, 1.0, 2]]


@pytest.mark.parametrize("verb", PAIRS)
def test_a_write_after_a_restore_in_between_is_planned_on_what_was_restored(
    lake: lakehouse.Lake, between: Any, verb: str
) -> None:
    product = new_product(lake, ())
    take(product, {"do": "append", "rows": [["A", slot, 0.0, slot] for slot in (0, 3)]})
    take(product, {"do": "append", "rows": [["A", slot, 0.0, 10 + slot] for slot in (0, 1, 3, 5)]})
    other = lakehouse.open(lake.url)[NAME]
    between(lambda: other.restore(1))
    take(product, PAIRS[verb][0])
    assert rows_of(product) == after([["A", 0, 0.0, 0], ["A", 3, 0.0, 3]], PAIRS[verb][0], ())
    assert product.verify().ok


def test_a_restore_keeps_what_landed_before_it_readable(lake: lakehouse.Lake) -> None:
    product, other = new_product(lake, ()), lakehouse.open(lake.url)[NAME]
    take(product, {"do": "append", "rows": [["A", 0, 0.0, 0]]})
    take(other, {"do": "append", "rows": [["A", 1, 0.0, 1]]})
    product.restore(1)
    assert rows_of(product) == [["A", 0, 0.0, 0]]
    assert len(product.read(version=2).to_polars()) == 2


def test_rows_checked_under_an_older_contract_are_not_committed_under_a_newer_one(
    lake: lakehouse.Lake, between: Any
) -> None:
    product = new_product(lake, ())
    product.append(frame([["A", 0, 1.0, 0]]))
    rule = Rule("size_positive", "positive", ("size",), {})
    stricter = dataclasses.replace(product.contract, version="1.1.0", rules=(rule,))
    between(lambda: lakehouse.open(lake.url).apply(stricter).append(frame([["B", 0, 1.0, 5]])))
    with pytest.raises(ContractError, match=r"is under contract 1\.1\.0, and this writer holds 1\.0\.0"):
        product.append(frame([["A", 1, 1.0, -1]]))
    assert rows_of(lakehouse.open(lake.url)[NAME]) == [["A", 0, 1.0, 0], ["B", 0, 1.0, 5]]
