"""What a process reads stays, at a grace and a history of nothing, until it is done or provably gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse.catalog import heart
from lakehouse.catalog.session import session_of
from lakehouse.errors import IntegrityError, NotFoundError
from lakehouse.queries.sql import run_sql

NAME = "market_data.ticks"

Act = Callable[..., Any]


def test_a_file_that_no_version_of_the_history_has_is_deleted(
    lake: lakehouse.Lake, collect: Act, data_files: Act, prices: Act
) -> None:
    before = data_files()
    report = collect()
    assert (report.dead_files, report.deleted_files) == (4, 4)
    assert data_files() < before
    assert len(data_files()) == 4
    assert prices(lake) == [2.0]


def test_the_history_stays(lake: lakehouse.Lake, collect: Act, prices: Act) -> None:
    assert collect(history="30d").deleted_files == 0
    assert prices(lake, version=1) == [1.0]


def test_condemned_files_wait_for_the_end_of_their_grace(lake: lakehouse.Lake, collect: Act) -> None:
    assert (collect(grace="1h").waiting_files, collect(grace="1h").dead_files) == (4, 0)
    assert collect().deleted_files == 4


def test_a_dry_run_changes_nothing(lake: lakehouse.Lake, root: Path) -> None:
    reader = lakehouse.open(root)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert reader.gc(grace="0s", history="0s").dead_files == 4
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


@pytest.mark.parametrize(
    "held",
    [
        "held = lake[NAME].scan()",
        "held = lake[NAME].scan(version=1)",
        "lake.snapshot('s'); held = lake.checkout('s')[NAME].scan()",
        "held = lake.checkout(lake[NAME].history()[1].time)[NAME].scan()",
    ],
)
def test_a_scan_of_another_process_outlives_a_collection(
    lake: lakehouse.Lake, other: Act, collect: Act, frame: Act, held: str
) -> None:
    reader = other()
    reader(held)
    before = reader("before = pl.DataFrame(held.read()); before['price'][0]")
    lake[NAME].upsert(frame(3.0))
    collect()
    assert reader("pl.DataFrame(held.read()).equals(before)")
    assert before in (1.0, 2.0)


def test_a_stream_that_has_begun_holds_the_version_that_it_reads(
    lake: lakehouse.Lake, other: Act, collect: Act, frame: Act
) -> None:
    reader = other()
    reader("stream = lake[NAME].scan().to_reader(); first = stream.read_next_batch().num_rows")
    lake[NAME].upsert(frame(3.0))
    reader(
        "lake[NAME].version; from lakehouse.catalog.session import session_of; session_of(lake.store).renew()"
    )
    collect()
    assert reader("first + sum(batch.num_rows for batch in stream)") == 4


def test_sql_holds_the_versions_that_it_reads(
    lake: lakehouse.Lake, collect: Act, frame: Act, root: Path
) -> None:
    """It once listed their files and let go of the versions before it read them."""
    reader = lakehouse.open(root)
    answer = run_sql(
        f"select distinct price from {NAME}", lambda name: reader[name].state(), known=reader.products
    )
    lake[NAME].upsert(frame(3.0))
    assert reader[NAME].version == 3
    session_of(reader.store).renew()
    collect()
    assert pl.DataFrame(answer.read_all())["price"].to_list() == [2.0]


def test_what_nobody_uses_any_more_goes_although_its_process_lives(
    lake: lakehouse.Lake, other: Act, collect: Act, frame: Act
) -> None:
    reader = other()
    reader("held = lake[NAME].scan(version=1); lake[NAME].read(); del held")
    reader("from lakehouse.catalog.session import session_of; session_of(lake.store).renew()")
    assert collect().deleted_files == 4


def test_a_reader_that_was_killed_is_taken_for_dead_at_once(
    lake: lakehouse.Lake, other: Act, collect: Act
) -> None:
    reader = other()
    reader("held = lake[NAME].scan(version=1)")
    assert collect().deleted_files == 0
    reader.kill()
    report = collect()
    assert (report.dead_sessions, report.deleted_files) == (1, 4)


def test_a_process_that_ends_in_order_leaves_no_document(
    lake: lakehouse.Lake, other: Act, root: Path
) -> None:
    session_of(lake.store).release()
    worker = other()
    worker("lake[NAME].upsert(frame(5.0)); held = lake[NAME].scan(version=1)")
    assert len(list(root.glob("catalog/intents/*"))) == 1
    worker.end()
    assert not [*root.glob("catalog/intents/*"), *root.glob("catalog/leases/*")]


def test_a_reader_that_stood_still_gets_a_clear_error(
    lake: lakehouse.Lake, other: Act, collect: Act, frame: Act
) -> None:
    reader = other(LAKEHOUSE_LEASE_SECONDS="1")
    reader("held = lake[NAME].scan()")
    lake[NAME].upsert(frame(3.0))
    reader.stop()
    collect(times=3)
    reader.go_on()
    assert reader("held.read()").startswith("LeaseExpiredError: The lease on ")
    assert reader("prices(lake)") == [3.0]


def test_a_reader_that_renews_is_never_taken_for_dead(lake: lakehouse.Lake, other: Act, collect: Act) -> None:
    reader = other(LAKEHOUSE_LEASE_SECONDS="1")
    reader("held = lake[NAME].scan(version=1)")
    assert collect(times=4).dead_sessions == 0
    assert reader("pl.DataFrame(held.read())['price'][0]") == 1.0


@pytest.mark.parametrize("days", [40, -40])
@pytest.mark.parametrize("who", ["reader", "collector"])
def test_a_clock_that_jumps_takes_nothing_away_that_is_held(
    lake: lakehouse.Lake, other: Act, prices: Act, who: str, days: int
) -> None:
    reader, collector = other(), other()
    {"reader": reader, "collector": collector}[who](f"jump({days})")
    lake.snapshot("old", {NAME: 1})
    reader("held = lake[NAME].scan(version=1)")
    collector("lake.gc(dry_run=False, grace='0s', history='0s')")
    assert reader("pl.DataFrame(held.read())['price'][0]") == 1.0
    assert (prices(lake), prices(lake.checkout("old"))) == ([2.0], [1.0])


@pytest.mark.parametrize("days", [40, -40])
def test_a_writer_whose_clock_jumps_loses_nothing(
    lake: lakehouse.Lake, other: Act, collect: Act, prices: Act, days: int
) -> None:
    writer = other()
    writer(f"jump({days}); lake[NAME].upsert(frame(3.0)); lake.snapshot('s'); lake[NAME].upsert(frame(4.0))")
    collect(times=2)
    assert (prices(lake), prices(lake.checkout("s"))) == ([4.0], [3.0])


def test_an_old_version_that_is_being_deleted_can_not_be_read(
    lake: lakehouse.Lake, other: Act, root: Path
) -> None:
    collector = other()
    collector("stop_before(type(lake.store), 'delete')")
    collector.say("lake.gc(dry_run=False, grace='0s', history='0s')")
    collector.wait_until_stopped()
    with pytest.raises(NotFoundError, match="Version 1 of market_data/ticks/v1 is being deleted"):
        lakehouse.open(root)[NAME].read(version=1)


def test_a_version_whose_files_are_gone_can_not_be_pinned(
    lake: lakehouse.Lake, collect: Act, tmp_path: Path
) -> None:
    """It once could, and the snapshot was acknowledged and could never be read."""
    time_of_1 = lake[NAME].history()[1].time
    collect()
    with pytest.raises(IntegrityError, match=r"4 files of market_data\.ticks version 1 are gone"):
        lake.snapshot("old", {NAME: 1})
    with pytest.raises(IntegrityError, match="are gone"):
        lake.lock(tmp_path / "x.lock", time_of_1)
    assert not lake.snapshots()


def test_a_process_that_waits_with_an_old_contract_holds_no_old_version(
    lake: lakehouse.Lake, root: Path, collect: Act, frame: Act
) -> None:
    """Two views of one table are two heads: the older one once kept what it had seen for ever."""
    idle = lakehouse.open(root)
    old = idle._product(idle[NAME].name, "1.0.0")
    new = lakehouse.open(root)._product(old.name, "1.0.0")
    new.table.store = idle.store
    assert (old.version, new.version) == (2, 2)
    lake[NAME].upsert(frame(3.0))
    session_of(idle.store).renew()
    assert collect().deleted_files == 8


@pytest.mark.parametrize("by", ["version", "time"])
def test_a_process_that_waits_does_not_hold_what_was_the_head_when_it_was_asked_for(
    lake: lakehouse.Lake, root: Path, collect: Act, frame: Act, by: str
) -> None:
    """The table itself once kept it in use, until somebody asked it for a later head."""
    idle = lakehouse.open(root)
    newest = lake[NAME].history()[0]
    assert len(idle[NAME].read(**{by: getattr(newest, by)})) == 4
    lake[NAME].upsert(frame(3.0))
    session_of(idle.store).renew()
    assert collect().deleted_files == 8


def test_the_renewal_that_a_listing_may_have_begun_with_stays_for_a_beat(
    lake: lakehouse.Lake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = lakehouse.open(root)
    held = [reader[NAME].scan()]
    session = session_of(reader.store)
    held += [reader[NAME].scan(version=version) for version in (0, 1)]
    session.renew()
    mine = f"{session.intend('partitions/market_data/ticks/v1')}."
    names = [path.name for path in root.glob("catalog/leases/*") if path.name.startswith(mine)]
    assert len(names) == 4
    monkeypatch.setattr(heart, "BEATS", 1e9)
    time.sleep(0.01)
    session.renew()
    names = [path.name for path in root.glob("catalog/leases/*") if path.name.startswith(mine)]
    assert len(names) <= 2
