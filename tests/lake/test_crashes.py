"""Processes that end at any moment of a write: it is there whole or not at all, and can be repeated.

Each kind of write is stopped after every step that reaches the disk, in a process and on a copy of the
lake of its own; then the lake is opened again, looked at, and the write is repeated.
"""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

import lakehouse
from lakehouse.catalog.rule import Rule
from lakehouse.catalog.yaml_text import load_yaml
from lakehouse.errors import IntegrityError
from lakehouse.partitions import replay
from lakehouse.schema import Column
from lakehouse.times import NS_PER_DAY

NAME = "market_data.ticks"
DIED = 9
AT_ONCE = 3

Row = list[Any]
Step = dict[str, Any]

RULES = (Rule("price_positive", "positive", ("price",), {}),)
GOOD = [["A", slot, 1.0, slot] for slot in range(6)]
NEW = [
    ["A", 2, 1.0, 2],
    ["A", 9, 1.0, 90],
    ["B", 9, 1.0, 91],
    ["B", 8, -1.0, 92],
]  # one stored, two new, one bad


@dataclass(frozen=True)
class Server:
    """Starts processes, several at once, and tells how each ended and what it had acknowledged."""

    process: subprocess.Popen[str]

    def run(self, jobs: list[dict[str, Any]]) -> list[tuple[int, list[dict[str, Any]]]]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(jobs) + "\n")
        self.process.stdin.flush()
        codes = json.loads(self.process.stdout.readline())
        return [(code, said(job["out"])) for code, job in zip(codes, jobs, strict=True)]


def said(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(out).read_text().splitlines()]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    script = Path(__file__).with_name("lake_processes.py")
    pipe = subprocess.PIPE
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=script.parents[2]) as process:
        yield Server(process)
        process.communicate(timeout=60)


def frame(rows: list[Row]) -> pl.DataFrame:
    times = pl.Series([row[1] * 10 * NS_PER_DAY for row in rows], dtype=pl.Int64)
    values = {"price": [float(row[2]) for row in rows], "size": [row[3] for row in rows]}
    symbols = [row[0] for row in rows]
    return pl.DataFrame({"symbol": symbols, "time": times.cast(pl.Datetime("ns", "UTC")), **values})


def new_lake(folder: Path) -> lakehouse.Lake:
    """Make a lake with a product of six rows in version 1, that has a key and refuses prices below 0."""
    lake = lakehouse.open(folder / "lake", create=True)
    layout = "date=month,symbol=row_groups"
    product = lake.create(NAME, like=frame(GOOD), key=("symbol", "time"), layout=layout, rules=RULES)
    product.append(frame(GOOD))
    return lake


def facts_of(folder: Path) -> dict[str, Any]:
    """Say what shows of a lake, its product, and the lock and the export that were made of it."""
    if not (folder / "lake" / "catalog" / "lake.json").exists():
        return {}
    lake = lakehouse.open(folder / "lake")
    found: dict[str, Any] = {name: lake.checkout(name).digests for name in (s.name for s in lake.snapshots())}
    for product in map(lake.__getitem__, lake.products()):
        quarantined = sum(commit.quarantined for commit in product.history())
        files = len(product.state().files)
        found[str(product.name)] = (
            product.digest,
            product.rows,
            quarantined,
            product.contract.version,
            files,
        )
    if (folder / "new.lock").exists():
        found["lock"] = lakehouse.checkout(folder / "new.lock", root=folder / "lake").digests
    if (folder / "export" / "catalog" / "lake.json").exists():
        found["export"] = lakehouse.open(folder / "export")[NAME].digest
    return found


def check_whole(folder: Path) -> None:
    """Everything that shows is whole, and the commits say what they should."""
    for file in (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
        if file.suffix == ".parquet":
            pq.read_table(file)
        elif file.suffix == ".yaml":
            load_yaml(file.read_text(), kind="document")
        elif file.suffix == ".json":
            text = file.read_text()
            [json.loads(part) for part in (text.splitlines() if "_delta_log" in file.parts else [text])]
    lake = lakehouse.open(folder / "lake", create=True)
    verified = lake.verify()
    assert verified.ok, verified.problems
    for product in map(lake.__getitem__, lake.products()):
        history = product.history()
        assert [commit.version for commit in history] == list(range(len(history)))[::-1]
        assert all(c.rows_in == c.accepted + c.quarantined + c.duplicates for c in history)


def with_bad_rows(folder: Path) -> None:
    lakehouse.open(folder / "lake")[NAME].append(frame(NEW))


def with_late_rows(folder: Path) -> None:
    product = lakehouse.open(folder / "lake")[NAME]
    for slot in (7, 8):
        product.append(frame([["C", slot - 7, 1.0, slot], ["C", slot - 2, 1.0, slot]]))


def with_a_source(folder: Path) -> None:
    for number in range(3):
        frame([["C", slot, slot - 1.0, slot] for slot in (2 * number, 2 * number + 1)]).write_parquet(
            folder / f"{number}.parquet"
        )


def with_a_lock(folder: Path) -> None:
    lakehouse.open(folder / "lake").lock(folder / "old.lock")


def without_rows(folder: Path) -> None:
    shutil.rmtree(folder / "lake")
    lakehouse.open(folder / "lake", create=True).create(NAME, like=frame(GOOD), key=(), rules=RULES)


def without_a_lake(folder: Path) -> None:
    shutil.rmtree(folder / "lake")


def wider_contract(folder: Path) -> str:
    contract = lakehouse.open(folder / "lake")[NAME].contract
    columns = (*contract.schema.columns, Column("venue", "string"))
    schema = dataclasses.replace(contract.schema, columns=columns)
    return dataclasses.replace(contract, version="1.1.0", schema=schema).to_yaml()


def nothing_more(folder: Path) -> None:
    pass


@dataclass(frozen=True)
class Scenario:
    """A write, and the lake on which it is done."""

    steps: Callable[[Path], list[Step]]
    prepare: Callable[[Path], None] = nothing_more
    constants: dict[str, int] = dataclasses.field(default_factory=dict)
    every: int = 1


APPEND = {"do": "append", "rows": NEW, "key": "feed-7"}
SCENARIOS = {
    "create": Scenario(lambda _: [{"do": "create", "columns": ["symbol", "time"]}], without_a_lake),
    "first append": Scenario(lambda _: [APPEND], without_rows),
    "append": Scenario(lambda _: [APPEND]),
    "append and checkpoint": Scenario(lambda _: [APPEND], constants={"CHECKPOINT_EVERY": 2}),
    "upsert": Scenario(lambda _: [{"do": "upsert", "rows": [["A", 2, 9.0, 9], *NEW[1:]], "key": "k"}]),
    "update": Scenario(
        lambda _: [{"do": "update", "rows": [["A", 1, 9.0, 9], ["A", 4, 9.0, 9]], "key": "k"}]
    ),
    "delete": Scenario(lambda _: [{"do": "delete", "symbols": ["A"], "slots": [1, 4], "key": "k"}]),
    "compact": Scenario(lambda _: [{"do": "compact"}], with_late_rows),
    "retain": Scenario(lambda _: [{"do": "retain", "slot": 1}], with_late_rows),
    "restore": Scenario(lambda _: [{"do": "restore", "version": 1, "key": "k"}], with_bad_rows),
    "replay": Scenario(
        lambda _: [{"do": "replay", "version": 2, "rows": [["B", 8, 1.0, 92]]}], with_bad_rows
    ),
    "correct": Scenario(
        lambda _: [{"do": "correct", "version": 2}],
        with_bad_rows,
        every=4,  # it commits as a replay does
    ),
    "evolve": Scenario(lambda folder: [{"do": "apply", "contract": wider_contract(folder)}, APPEND]),
    "snapshot": Scenario(lambda _: [{"do": "snapshot", "name": "q3"}]),
    "lock": Scenario(lambda folder: [{"do": "lock", "file": str(folder / "new.lock")}]),
    "export": Scenario(
        lambda folder: [{"do": "export", "file": str(folder / "old.lock"), "target": str(folder / "export")}],
        with_a_lock,
        every=3,  # it copies many small files, one like the other
    ),
    "backfill": Scenario(
        lambda folder: [{"do": "backfill", "source": str(folder / "*.parquet")}], with_a_source
    ),
}


def copy_of(template: Path, target: Path, scenario: Scenario, **job: Any) -> dict[str, Any]:
    shutil.copytree(template, target)
    steps, out = scenario.steps(target), str(target) + ".out"
    return {"url": str(target / "lake"), "steps": steps, "out": out, "constants": scenario.constants, **job}


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_a_process_that_ends_at_any_moment_leaves_all_or_nothing(
    server: Server, tmp_path: Path, name: str
) -> None:
    scenario, template = SCENARIOS[name], tmp_path / "template"
    new_lake(template)
    scenario.prepare(template)
    before = facts_of(template)
    [(code, lines)] = server.run([copy_of(template, tmp_path / "whole", scenario, die_at=0)])
    assert code == 0
    assert not any(line["error"] for line in lines)
    done, points = facts_of(tmp_path / "whole"), lines[-1]["points"]
    assert done != before
    chosen = range(1, len(points) + 1, scenario.every)
    for die_at in (chosen[first : first + AT_ONCE] for first in range(0, len(chosen), AT_ONCE)):
        jobs = [copy_of(template, tmp_path / f"{k}", scenario, die_at=k) for k in die_at]
        assert [code for code, _ in server.run(jobs)] == [DIED] * len(jobs)
        for k in die_at:
            check_after(tmp_path / f"{k}", before, done, points[k - 1])
        started = time.monotonic()
        repeated = server.run([{**job, "die_at": None} for job in jobs])
        assert time.monotonic() - started < 20, "a dead process must not keep a lock"
        for k, (code, lines) in zip(die_at, repeated, strict=True):
            assert code == 0
            assert {line["error"] for line in lines} <= {None, "AlreadyExistsError"}, (points[k - 1], lines)
            assert facts_of(tmp_path / f"{k}") == done, points[k - 1]
            check_whole(tmp_path / f"{k}")
            shutil.rmtree(tmp_path / f"{k}")


def check_after(folder: Path, before: dict[str, Any], done: dict[str, Any], point: str) -> None:
    """All or nothing shows: each fact is as before or as it became, and nothing is torn."""
    found = facts_of(folder)
    assert found.keys() <= before.keys() | done.keys()
    for fact in before.keys() | done.keys():
        assert found.get(fact) in (before.get(fact), done.get(fact), *between(fact, before, done)), point
    check_whole(folder)


def between(fact: str, before: dict[str, Any], done: dict[str, Any]) -> list[Any]:
    """Return what a fact may be between two steps: the contract is published before rows come."""
    if fact != NAME or before.get(NAME) is None:
        return []
    return [(*before[NAME][:3], done[NAME][3], before[NAME][4])]


def test_writers_that_are_killed_at_any_time_lose_and_double_nothing(server: Server, tmp_path: Path) -> None:
    """What a killed writer had acknowledged is there; the rest is repeated under its key until all is."""
    product = lakehouse.open(tmp_path / "lake", create=True).create(NAME, like=frame(GOOD), key=())
    left = {
        f"feed-{n}": {"do": "append", "rows": [["A", n % 3, 1.0, n]], "key": f"feed-{n}"} for n in range(45)
    }
    landed: dict[str, int] = {}
    for moment in (0.02, 0.1, 0.3, 0.5, 60):
        steps = list(left.values())
        jobs = [
            {
                "url": str(tmp_path / "lake"),
                "steps": steps[me::3],
                "out": str(tmp_path / f"out-{moment}-{me}"),
                "kill_after": moment * random.uniform(0.5, 1.0),
            }
            for me in range(3)
        ]
        for _, lines in server.run(jobs):
            landed |= {line["step"]["key"]: line["version"] for line in lines}
        left = {key: step for key, step in left.items() if key not in landed}
        history = {commit.version: commit.idempotency_key for commit in product.history()}
        assert {key: history[version] for key, version in landed.items()} == {key: key for key in landed}
        check_whole(tmp_path)
    assert not left
    assert sorted(product.read().to_polars()["size"].to_list()) == list(range(45))


def test_a_torn_checkpoint_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deltalake does not sync its checkpoints: after a power cut they can be anything."""
    monkeypatch.setattr(replay, "CHECKPOINT_EVERY", 2)
    product = new_lake(tmp_path)[NAME]
    for n in range(4):
        product.append(frame([["C", n, 1.0, n]]), idempotency_key=f"feed-{n}")
    log = Path(product.table.store.url, product.table.path, "_delta_log")
    for name in ("00000000000000000004.checkpoint.parquet", "_last_checkpoint"):
        whole = (log / name).read_bytes()
        for torn in (whole[: len(whole) // 2], b"", bytes(len(whole)), b"[]"):
            (log / name).write_bytes(torn)
            fresh = lakehouse.open(tmp_path / "lake")[NAME]
            assert (fresh.version, fresh.rows, fresh.digest) == (5, 10, product.digest)
            assert fresh.append(frame([["C", 2, 1.0, 2]]), idempotency_key="feed-2").repeated
            assert fresh.read(version=4).num_rows == 9
        (log / name).write_bytes(whole)


def test_a_torn_checkpoint_without_the_log_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty table in its place would be overwritten by the next write."""
    monkeypatch.setattr(replay, "CHECKPOINT_EVERY", 2)
    product = new_lake(tmp_path)[NAME]
    product.append(frame([["C", 1, 1.0, 1]]))
    log = Path(product.table.store.url, product.table.path, "_delta_log")
    (log / "00000000000000000002.checkpoint.parquet").write_bytes(b"PAR1")
    (log / "00000000000000000000.json").unlink()
    assert lakehouse.open(tmp_path / "lake")[NAME].rows == 7  # this machine knows it still
    monkeypatch.setenv("LAKEHOUSE_CACHE", str(tmp_path / "another machine"))
    with pytest.raises(IntegrityError, match=r"market_data\.ticks"):
        lakehouse.open(tmp_path / "lake")[NAME].append(frame([["C", 1, 1.0, 1]]))


def test_the_empty_version_of_a_log_that_was_cut_has_the_columns_of_the_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "CHECKPOINT_EVERY", 2)
    product = new_lake(tmp_path)[NAME]
    product.append(frame([["C", 1, 1.0, 1]]))
    log = Path(product.table.store.url, product.table.path, "_delta_log")
    for version in (0, 1):
        (log / f"{version:020}.json").unlink()
    empty = lakehouse.open(tmp_path / "lake")[NAME].read(version=0).to_arrow()
    assert (empty.num_rows, empty.column_names) == (0, product.read().to_arrow().column_names)


def test_a_version_read_from_a_checkpoint_has_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "CHECKPOINT_EVERY", 2)
    product = new_lake(tmp_path)[NAME]
    product.append(frame([["C", 1, 1.0, 1]]))
    fresh = lakehouse.open(tmp_path / "lake")[NAME]
    assert fresh.state().time_ns == product.state().time_ns > 0
    assert fresh.read(time=product.history()[0].time).num_rows == 7


def test_processes_that_replay_and_correct_the_same_rows_at_once_write_them_once(
    server: Server, tmp_path: Path
) -> None:
    new_lake(tmp_path)
    with_bad_rows(tmp_path)
    replay_step = {"do": "replay", "version": 2, "rows": [["B", 8, 1.0, 92]]}
    steps = [replay_step, {"do": "correct", "version": 2}] * 3
    jobs = [
        {"url": str(tmp_path / "lake"), "steps": [step], "out": str(tmp_path / f"{number}.out")}
        for number, step in enumerate(steps)
    ]
    ran = server.run(jobs)
    assert [(code, [line["error"] for line in lines]) for code, lines in ran] == [(0, [None])] * len(jobs)
    product = lakehouse.open(tmp_path / "lake")[NAME]
    assert (product.version, product.rows) == (3, 9)
    assert product.quarantine.list().to_polars()["replayed"].to_list() == [True]
