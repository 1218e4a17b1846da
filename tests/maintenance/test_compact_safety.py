"""Compaction beside other writers, on altered files, and where it writes something else than it read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import lakehouse
from lakehouse.errors import IntegrityError
from lakehouse.ingest import write
from lakehouse.maintenance import compact as compaction
from lakehouse.maintenance import merges
from lakehouse.maintenance.ordered_rows import ordered_rows
from lakehouse.partitions.parquet_files import write_data_files
from tests.maintenance.conftest import loses_the_first_row, parquet_files

NAME = "market_data.ticks"
APPENDS = [[("A", 0, 1)], [("A", 1, 2)], [("B", 1, 3)]]
Make = Callable[..., lakehouse.Product]


def test_rows_that_were_lost_on_the_way_are_noticed(
    lake: lakehouse.Lake, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = product(*APPENDS)
    before = parquet_files(lake)
    loses_the_first_row(monkeypatch)

    with pytest.raises(IntegrityError, match=r"2 rows with the digest .* were written"):
        lake.compact(NAME, dry_run=False)
    assert (made.version, parquet_files(lake)) == (3, before)


def test_a_row_that_was_changed_on_the_way_is_noticed(
    lake: lakehouse.Lake, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = product(*APPENDS)
    before = parquet_files(lake)

    real: Any = write_data_files

    def wrong(*args: Any, writer: str) -> Any:
        rows = args[4].set_column(2, pa.field("price", pa.float64()), pa.array([1.0, 2.0, 4.0]))
        return real(*args[:4], rows, writer=writer)

    monkeypatch.setattr(write, "write_data_files", wrong)
    with pytest.raises(IntegrityError, match=r"3 rows with the digest .* were written"):
        lake.compact(NAME, dry_run=False)
    assert (made.version, parquet_files(lake)) == (3, before)


def test_rows_that_are_read_twice_are_noticed(
    lake: lakehouse.Lake, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = product(*APPENDS)
    before = parquet_files(lake)

    def twice(*args: Any, **options: Any) -> Any:
        yield from ordered_rows(*args, **options)
        yield from ordered_rows(*args, **options)

    monkeypatch.setattr(compaction, "ordered_rows", twice)
    with pytest.raises(IntegrityError, match=r"6 rows with the digest .* were read"):
        lake.compact(NAME, dry_run=False)
    assert (made.version, parquet_files(lake)) == (3, before)


def test_a_source_that_is_gone_stops_it(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*APPENDS)
    Path(lake.url, made.state().files[0].path).unlink()
    before = parquet_files(lake)

    with pytest.raises(IntegrityError, match="is missing"):
        lakehouse.open(lake.url).compact(NAME, dry_run=False)
    assert (made.version, parquet_files(lake)) == (3, before)


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], list[int]]:
    """Give a function that lets something happen after the files of the next plan were written."""

    def install(happen: Callable[[], object]) -> list[int]:
        real, plans = write._write_files, [0]

        def files(*planned: Any) -> Any:
            plans[0] += 1
            written = real(*planned)
            if plans[0] == 1:
                happen()
                plans[0] = 1  # what happened may have written too
            return written

        monkeypatch.setattr(write, "_write_files", files)
        return plans

    return install


def test_an_append_to_the_same_partition_does_not_disturb_it(
    lake: lakehouse.Lake, product: Make, ticks: Any, between: Any
) -> None:
    made, other = product(*APPENDS), lakehouse.open(lake.url)[NAME]
    plans = between(lambda: other.append(ticks([("A", 0.5, 9)])))
    report = lake.compact(NAME, dry_run=False)

    assert (report.commits, plans) == ((5,), [1])
    assert made.read("A").to_polars()["price"].to_list() == [1.0, 9.0, 2.0]
    assert made.verify().ok


def test_an_append_to_a_table_without_roles_does_not_disturb_it(
    lake: lakehouse.Lake, ticks: Any, between: Any
) -> None:
    rates = ticks([("A", 0, 1)]).select("price")
    made = lake.create("macro.rates", like=rates, key=())
    for _ in range(2):
        made.append(rates)
    other = lakehouse.open(lake.url)["macro.rates"]
    plans = between(lambda: other.append(rates))

    assert (lake.compact("macro.rates", dry_run=False).commits, plans) == ((4,), [1])
    assert made.read().to_polars()["price"].to_list() == [1.0, 1.0, 1.0]


def test_a_rewrite_of_a_source_makes_it_plan_anew(
    lake: lakehouse.Lake, product: Make, ticks: Any, between: Any
) -> None:
    made, other = product(*APPENDS), lakehouse.open(lake.url)[NAME]
    plans = between(lambda: other.upsert(ticks([("A", 1, 7)])))
    report = lake.compact(NAME, dry_run=False)

    assert (report.commits, plans) == ((5,), [2])
    assert made.read().to_polars()["price"].to_list() == [1.0, 7.0, 3.0]
    assert len(made.state().files) == 2  # the file of the upsert is younger than this compaction
    assert made.verify().ok


def test_two_at_once_do_the_work_once(lake: lakehouse.Lake, product: Make, between: Any) -> None:
    made, other = product(*APPENDS), lakehouse.open(lake.url)
    between(lambda: other.compact(NAME, dry_run=False))
    report = lake.compact(NAME, dry_run=False)

    assert (report.commits, made.version) == ((), 4)
    assert "none: another process did it first" in repr(report)


def test_what_others_add_meanwhile_waits_for_the_next_time(
    lake: lakehouse.Lake, product: Make, ticks: Any, between: Any
) -> None:
    made, other = product(*APPENDS), lakehouse.open(lake.url)[NAME]
    between(lambda: [other.append(ticks([("C", day, 1)])) for day in (0, 1)])

    assert lake.compact(NAME, dry_run=False).commits == (6,)
    assert len(made.state().files) == 3
    assert lake.compact(NAME, dry_run=False).commits == (7,)
    assert len(made.state().files) == 1


def test_much_work_makes_several_commits(
    lake: lakehouse.Lake, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = product(*([(symbol, 31 * month, 1) for month in range(4)] for symbol in "AB"))
    digest = made.digest
    for module in (compaction, merges):
        monkeypatch.setattr(module, "most_merged_rows", lambda _: 4)
    report = lake.compact(NAME, dry_run=False)

    assert report.commits == (3, 4)
    assert (len(made.state().files), made.digest) == (4, digest)
    assert [commit.rows for commit in made.history()[:2]] == [8, 8]
