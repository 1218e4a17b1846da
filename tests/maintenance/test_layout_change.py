"""A change of layout: the same rows in other folders, for us and for any other reader of the Delta table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lakehouse
from lakehouse.errors import ContractError, IntegrityError
from lakehouse.ingest import restore as restore_commits
from lakehouse.ingest import write
from lakehouse.maintenance import relayout
from lakehouse.maintenance.relayout import batches
from lakehouse.partitions.layout import Layout, period_starts
from lakehouse.times import MAX_NS, MIN_NS, NS_PER_DAY
from tests.maintenance.conftest import loses_the_first_row, parquet_files

NAME = "market_data.ticks"
Make = Callable[..., lakehouse.Product]
ROWS = [
    [("A", -400, 1), ("A", 0, 2), ("é/B", 364.5, 3)],
    [("A", 365, 4), ("A", 365, 5), ("C", 366, float("nan"))],
    [("é/B", 372, 6), ("A", 1, 7), ("A", 0, 8)],
]
LAYOUTS = [
    f"date={date},symbol={symbol}"
    for date in ("day", "week", "month", "year", "none")
    for symbol in ("row_groups", "identity", "bucket(3)")
]


def texts(product: Any) -> list[str]:
    return [str(row) for row in product.read().to_polars().rows()]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("before", ["date=day,symbol=identity", "date=none,symbol=row_groups"])
def test_the_rows_are_the_same_in_any_layout(
    lake: lakehouse.Lake, product: Make, before: str, layout: str
) -> None:
    made = product(*ROWS, layout=before)
    rows, digest, version = texts(made), made.digest, made.version
    report = lake.change_layout(NAME, layout, dry_run=False)

    assert (report.before, report.after) == (before, layout)
    assert report.commit == (None if before == layout else version + 1)
    assert str(made.state().layout) == layout
    assert (texts(made), made.digest) == (rows, digest)
    again = lakehouse.open(lake.url)
    assert texts(again[NAME]) == rows
    assert again[NAME].verify().ok
    assert again.doctor().ok


@pytest.mark.parametrize("layout", ["date=week,symbol=row_groups", "date=none,symbol=identity"])
def test_other_readers_of_the_delta_table_see_the_same_rows(
    lake: lakehouse.Lake, product: Make, layout: str
) -> None:
    made = product(*ROWS, layout="date=month,symbol=row_groups")
    where = f"{lake.url}/{made.table.path}"
    lake.change_layout(NAME, layout, dry_run=False)
    columns, order = ["symbol", "time", "_sequence", "price"], ["symbol", "time", "_sequence"]
    ours = made.table.head()
    table = deltalake.DeltaTable(where)
    theirs: Any = pl.DataFrame(table.to_pyarrow_table()).select(columns).sort(order)

    assert table.metadata().partition_columns == ([] if "none" in layout else ["date"]) + (
        ["symbol"] if "identity" in layout else []
    )
    assert pl.read_delta(where).select(columns).sort(order).equals(theirs)
    files = [f"{lake.url}/{file.path}" for file in ours.files]
    question = f"SELECT {', '.join(columns)} FROM read_parquet({files!r}, hive_partitioning=true)"
    found = pl.DataFrame(duckdb.connect().sql(question).to_arrow_table())
    assert found.sort(order).equals(theirs)
    assert theirs.drop("_sequence")["price"].to_list()[:3] == made.read().to_polars()["price"].to_list()[:3]
    assert theirs.height == ours.rows
    old = deltalake.DeltaTable(where, version=3).to_pyarrow_table()
    assert pl.DataFrame(old).select(columns).sort(order).equals(theirs)


def test_without_apply_nothing_is_written(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*ROWS)
    before = parquet_files(lake)
    report = lake.change_layout(NAME, "date=week")

    assert (report.dry_run, report.commit, report.rows, report.files) == (True, None, 9, 6)
    assert (made.version, parquet_files(lake)) == (3, before)


def test_a_layout_that_is_there_already_makes_no_version(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*ROWS)
    report = lake.change_layout(NAME, "date=month,symbol=row_groups", dry_run=False)

    assert (report.same, report.commit, made.version) == (True, None, 3)


def test_old_versions_and_snapshots_keep_their_layout(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*ROWS)
    rows = texts(made)
    lake.snapshot("before")
    lake.change_layout(NAME, "date=week", dry_run=False)
    made.append(made.read().to_polars().with_columns(price=pl.lit(0.0)).head(1))
    lake.gc(dry_run=False, grace="0s", history="0s")

    old = lake.checkout("before")[NAME]
    assert str(old.state().layout) == "date=month,symbol=row_groups"
    assert texts(old) == rows
    assert str(made.state().layout) == "date=week,symbol=row_groups"


@pytest.mark.parametrize("by", ["lake", "product", "snapshot"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("date=month,symbol=row_groups", "date=week,symbol=identity"),
        ("date=week,symbol=identity", "date=none,symbol=bucket(2)"),
    ],
)
def test_an_old_version_brings_its_layout_back(
    lake: lakehouse.Lake, product: Make, ticks: Any, before: str, after: str, by: str
) -> None:
    """Files of two layouts in one version would be no Delta table."""
    made = product(*ROWS, layout=before)
    rows, version = texts(made), made.version
    lake.snapshot("before")
    lake.change_layout(NAME, after, dry_run=False)
    made.append(ticks([("Z", 31, 9)]))
    if by == "product":
        made.restore(version)
    else:
        report = lake.restore(NAME, version if by == "lake" else "before", dry_run=False)
        assert report.layout == before

    fresh = lakehouse.open(lake.url)[NAME]
    assert str(fresh.state().layout) == before
    assert texts(fresh) == rows
    shown = pl.read_delta(f"{lake.url}/{made.table.path}")
    assert sorted(map(str, shown["price"])) == sorted(map(str, made.read().to_polars()["price"]))
    assert sorted(set(shown["symbol"].to_list())) == ["A", "C", "é/B"]
    made.append(ticks([("Z", 31, 9)]))
    assert texts(lakehouse.open(lake.url)[NAME]) == texts(made)
    assert made.verify().ok


def test_a_layout_that_changes_during_a_restore_is_seen(
    lake: lakehouse.Lake, product: Make, ticks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = product(*ROWS)
    rows, version = texts(made), made.version
    made.append(ticks([("Z", 31, 9)]))
    real = restore_commits.restore

    def late(*given: Any, **named: Any) -> Any:
        lake.change_layout(NAME, "date=week", dry_run=False)
        return real(*given, **named)

    monkeypatch.setattr(restore_commits, "restore", late)
    lake.restore(NAME, version, dry_run=False)
    assert str(made.state().layout) == "date=month,symbol=row_groups"
    assert texts(lakehouse.open(lake.url)[NAME]) == rows


def test_later_writes_and_compactions_lie_in_the_new_folders(lake: lakehouse.Lake, product: Make) -> None:
    made = product(*ROWS)
    lake.change_layout(NAME, "date=week", dry_run=False)
    for _ in range(2):
        made.append(made.read().to_polars().tail(1))
    lake.compact(NAME, dry_run=False)
    partitions = [dict(file.partition)["date"] for file in made.state().files]

    assert len(partitions) == len(set(partitions))
    assert "1970-12-28" in partitions  # the Monday before the new year
    assert "1969-12-29" in partitions  # and of a time before 1970


def acts_after_the_first_plan(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> list[Any]:
    """Let somebody commit between the files of the first plan and its own commit; return the plans."""
    real: Any = write._write_files
    plans: list[Any] = []

    def files(*planned: Any) -> Any:
        written = real(*planned)
        plans.append(planned)
        if len(plans) == 1:
            act()
        return written

    monkeypatch.setattr(write, "_write_files", files)
    return plans


def test_a_writer_in_between_is_not_lost(
    lake: lakehouse.Lake, product: Make, ticks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = product(*ROWS)
    plans = acts_after_the_first_plan(monkeypatch, lambda: made.append(ticks([("Z", 9, 9)])))
    lake.change_layout(NAME, "date=week", dry_run=False)

    assert len(plans) == 3  # the first plan, the other writer, the second plan
    assert sum("('Z'" in text for text in texts(made)) == 1
    assert str(made.state().layout) == "date=week,symbol=row_groups"
    assert {dict(file.partition)["date"] for file in made.state().files} >= {"1970-01-05"}
    assert made.verify().ok


def test_a_write_that_was_planned_on_the_old_layout_is_planned_anew(
    lake: lakehouse.Lake, product: Make, ticks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = product(*ROWS)
    acts_after_the_first_plan(monkeypatch, lambda: lake.change_layout(NAME, "date=week", dry_run=False))
    made.append(ticks([("Z", 31, 9)]))

    folders = {dict(file.partition)["date"] for file in made.state().files}
    assert "1970-01-26" in folders
    assert "1970-02-01" not in folders
    assert made.verify().ok


def test_a_row_that_is_lost_on_the_way_is_noticed(
    lake: lakehouse.Lake, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = product(*ROWS)
    before = parquet_files(lake)
    loses_the_first_row(monkeypatch)
    with pytest.raises(IntegrityError, match=r"8 rows with the digest .* were written"):
        lake.change_layout(NAME, "date=week", dry_run=False)
    assert (made.version, parquet_files(lake)) == (3, before)


def test_a_batch_that_is_read_twice_is_noticed(
    lake: lakehouse.Lake, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = product(*ROWS)
    before = parquet_files(lake)
    real = batches
    monkeypatch.setattr(relayout, "batches", lambda *args: [*real(*args), *real(*args)])

    with pytest.raises(IntegrityError, match=r"18 rows with the digest .* were read"):
        lake.change_layout(NAME, "date=week", dry_run=False)
    assert (made.version, parquet_files(lake)) == (3, before)


def test_a_column_of_a_later_contract_is_null_in_what_was_written_before(
    lake: lakehouse.Lake, product: Make, ticks: Any
) -> None:
    made = product(*ROWS)
    columns = (*made.schema.columns, lakehouse.Column("venue", "string"))
    schema = dataclasses.replace(made.contract.schema, columns=columns)
    wide = lake.apply(dataclasses.replace(made.contract, version="1.1.0", schema=schema))
    wide.append(ticks([("A", 3, 4)]).with_columns(venue=pl.lit("X")))
    rows, digest = texts(wide), wide.digest
    lake.change_layout(NAME, "date=year", dry_run=False)

    assert (texts(wide), wide.digest) == (rows, digest)
    assert wide.state().contract_version == "1.1.0"


def test_a_product_without_time_or_symbol(tmp_path: Path) -> None:
    lake = lakehouse.open(tmp_path / "lake", create=True)
    made = lake.create(NAME, like=pl.DataFrame({"code": [1], "name": ["x"]}), key=["code"])
    made.append(pl.DataFrame({"code": [3, 1], "name": ["y", None]}))
    rows = texts(made)
    report = lake.change_layout(NAME, "date=day", dry_run=False)

    assert (report.commit, report.files_after) == (2, 1)
    assert texts(made) == rows


def test_an_emptied_product_changes_its_layout_too(lake: lakehouse.Lake, product: Make, ticks: Any) -> None:
    made = product([("A", 0, 1)])
    made.delete("A")
    lake.change_layout(NAME, "date=week", dry_run=False)
    made.append(ticks([("A", 0, 1)]))

    assert [dict(file.partition)["date"] for file in made.state().files] == ["1969-12-29"]


def test_a_product_that_was_never_written_has_none_to_change(lake: lakehouse.Lake, product: Make) -> None:
    product()
    with pytest.raises(ContractError, match=r"(?s)no rows yet.*first write"):
        lake.change_layout(NAME, "date=week")


def test_an_unknown_layout_names_the_choices(lake: lakehouse.Lake, product: Make) -> None:
    product(*ROWS)
    with pytest.raises(ContractError, match=r"day\|week"):
        lake.change_layout(NAME, "date=decade")


Times = st.lists(st.integers(-800, 800), min_size=1, max_size=30)


@given(
    st.lists(Times, min_size=1, max_size=4),
    st.sampled_from(["day", "week", "month", "year"]),
    st.integers(1, 9),
)
def test_batches_part_all_of_time_at_borders_of_periods(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[int]], period: Any, at_once: int
) -> None:
    lake = lakehouse.open(tmp_path_factory.mktemp("any") / "lake", create=True)
    frames = [
        pl.DataFrame({"time": pl.Series([day * NS_PER_DAY for day in days], dtype=pl.Int64)}).with_columns(
            pl.col("time").cast(pl.Datetime("ns", "UTC"))
        )
        for days in files
    ]
    product = lake.create(NAME, like=frames[0], key=(), layout="date=none,symbol=row_groups")
    for frame in frames:
        product.append(frame)
    state, digest = product.state(), product.digest
    found = list(batches(state, Layout(period), at_once))

    assert (found[0].start, found[-1].end) == (MIN_NS, MAX_NS)
    assert [each.end for each in found[:-1]] == [each.start for each in found[1:]]
    for each in found[1:]:
        first = pa.array([each.start]).to_numpy()
        assert period_starts(first, period)[0] * NS_PER_DAY == each.start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relayout, "most_merged_rows", lambda _: at_once)
        lake.change_layout(NAME, f"date={period}", dry_run=False)
    assert product.digest == digest
    assert product.verify().ok
