"""Two writes of which the second lands between the plan and the commit of the first: every ordered pair."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

import lakehouse
from lakehouse.catalog.rule import Rule
from lakehouse.errors import ContractError, KeyConflictError
from lakehouse.ingest import write
from lakehouse.maintenance import sessions
from lakehouse.partitions.parquet_files import WrittenFile
from lakehouse.partitions.table import Table
from lakehouse.times import NS_PER_DAY
from tests.lake.test_many_writers import KEYS, NAME, Step, after, check, frame, new_product, rows_of

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
    "fence": ({"do": "fence"}, {"do": "fence"}),
}
VERBS = [verb for verb in PAIRS if verb != "fence"]


# A compaction reads no more than its sources, and of two the second finds nothing left to do. A fence of
# another's session disturbs nobody.
UNDISTURBED = {("compact", "append"), ("compact", "compact"), *((verb, "fence") for verb in VERBS)}


def take(product: lakehouse.Product, step: Step) -> lakehouse.Commit:
    """Take a step; return its commit, or the newest where it found nothing to do."""
    message = json.dumps(step)
    if step["do"] == "compact":
        lakehouse.open(product.table.store.url).compact(NAME, dry_run=False, message=message)
        return product.history()[0]
    if step["do"] == "fence":
        sessions.fence(product.table, uuid.uuid4().hex, author="torture")
        return product.history()[0]
    if step["do"] == "delete":
        start, end = (slot * 10 * NS_PER_DAY for slot in step["slots"])
        return product.delete(step["symbols"], start, end, message=message)
    commit: lakehouse.Commit = getattr(product, step["do"])(frame(step["rows"]), message=message)
    return commit


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], list[str]]:
    """Give a function that lets something happen between the plan of the next write and its commit.

    It returns a list that gets the session of each plan.
    """

    def install(happen: Callable[[], object]) -> list[str]:
        plans: list[str] = []

        write_files = write._write_files

        def files(*planned: Any) -> list[WrittenFile]:
            plans.append(planned[-1])
            written = write_files(*planned)
            if len(plans) == 1:
                happen()
                plans[1:] = []  # what happened may have written too
            return written

        monkeypatch.setattr(write, "_write_files", files)
        return plans

    return install


@pytest.fixture
def before_fence(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], list[int]]:
    """Give a function that lets something happen before the commit of the next fence; it writes no files.

    The fence looks at the head within the queue, so only another machine can come in between.
    """

    def install(happen: Callable[[], object]) -> list[int]:
        plans: list[int] = []
        commit = Table.commit

        def committed(*planned: Any) -> lakehouse.Commit:
            plans.append(planned[1].version)
            if len(plans) == 1:
                happen()
                plans[1:] = []
            return commit(*planned)

        monkeypatch.setattr(Table, "queue", lambda _: nullcontext())
        monkeypatch.setattr(Table, "commit", committed)
        return plans

    return install


@pytest.mark.parametrize("key", KEYS, ids=["keyed", "keyless"])
@pytest.mark.parametrize("second", PAIRS)
@pytest.mark.parametrize("first", PAIRS)
def test_a_write_that_was_planned_before_another_landed_is_planned_again(
    lake: lakehouse.Lake, between: Any, before_fence: Any, first: str, second: str, key: tuple[str, ...]
) -> None:
    product = new_product(lake, key)
    for symbol in "ABC":  # several files of each partition, for a compaction
        take(product, {"do": "append", "rows": [[symbol, slot, 0.0, slot] for slot in (0, 1, 3, 5)]})
    other = lakehouse.open(lake.url)[NAME]
    install = before_fence if first == "fence" else between
    plans = install(lambda: take(other, PAIRS[second][1]))
    commit = take(product, PAIRS[first][0])
    assert len(plans) == (1 if (first, second) in UNDISTURBED else 2)
    landed = [second] if (first, second) == ("compact", "compact") else [first, second]
    assert commit.version == 3 + len(landed)
    assert [each.operation for each in product.history()[:-4]] == landed
    check(product, key)


@pytest.mark.parametrize("key", KEYS, ids=["keyed", "keyless"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_write_whose_own_session_is_fenced_meanwhile_lands_once_under_a_fresh_one(
    lake: lakehouse.Lake, between: Any, verb: str, key: tuple[str, ...]
) -> None:
    product = new_product(lake, key)
    for symbol in "ABC":
        take(product, {"do": "append", "rows": [[symbol, slot, 0.0, slot] for slot in (0, 1, 3, 5)]})
    other = lakehouse.open(lake.url)[NAME]
    plans: list[str] = between(lambda: sessions.fence(other.table, plans[0], author="collector"))
    commit = take(product, PAIRS[verb][0])
    assert len(set(plans)) == len(plans) == 2
    assert commit.version == 5
    assert [each.operation for each in product.history()[:-4]] == [verb, "fence"]
    check(product, key)
    folder = Path(lake.url, product.table.path)
    named = {file.path for version in range(6) for file in product.state(version=version).files}
    assert {file.relative_to(lake.url).as_posix() for file in folder.rglob("*.parquet")} - named == {
        file.relative_to(lake.url).as_posix() for file in folder.glob("_delta_log/*.parquet")
    }


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


@pytest.mark.parametrize("verb", VERBS)
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
