"""Writers that stand still, lose a race or are killed: nothing acknowledged is lost, nothing is left over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse.catalog.rule import Rule
from lakehouse.catalog.session import session_of
from lakehouse.errors import StorageError
from lakehouse.maintenance import garbage
from lakehouse.maintenance.lifetimes import TableRecord, read_record
from lakehouse.maintenance.sessions import fence
from lakehouse.partitions.table import Table

NAME = "market_data.ticks"
BAD = "market_data.checked"
RULES = (Rule("positive", "positive", ("price",), {}),)

Act = Callable[..., Any]


def test_a_writer_that_stood_still_plans_anew_and_lands_once(
    lake: lakehouse.Lake, other: Act, collect: Act, data_files: Act, prices: Act
) -> None:
    writer = other(LAKEHOUSE_LEASE_SECONDS="1")
    writer("from lakehouse.partitions.table import Table; stop_before(Table, 'queue')")
    writer.say("lake[NAME].upsert(frame(7.0), author='sleeper').version")
    writer.wait_until_stopped()
    collect(times=3)
    assert lake[NAME].history()[0].operation == "fence"
    assert data_files() == {file.path for file in lake[NAME].state().files}  # what it wrote is gone
    lake[NAME].append(pl.DataFrame(lake[NAME].read()).with_columns(symbol=pl.lit("C")))
    writer.go_on()
    version = writer.hear()
    commits = [commit.version for commit in lake[NAME].history() if commit.author == "sleeper"]
    assert commits == [version]
    assert prices(lake) == [2.0, 7.0]
    writer.end()
    collect()
    assert data_files() == {file.path for file in lake[NAME].state().files}


def test_files_of_a_writer_in_flight_stay(
    lake: lakehouse.Lake, other: Act, collect: Act, prices: Act
) -> None:
    writer = other()
    writer("from lakehouse.partitions.table import Table; stop_before(Table, 'queue')")
    writer.say("lake[NAME].upsert(frame(7.0)).version")
    writer.wait_until_stopped()
    collect()
    writer.go_on()
    assert writer.hear() == 3
    assert prices(lake) == [7.0]
    assert lake.verify().ok


def test_files_of_a_killed_writer_go_and_no_others(
    lake: lakehouse.Lake, other: Act, collect: Act, data_files: Act
) -> None:
    writer = other()
    writer("from lakehouse.partitions.table import Table; stop_before(Table, 'queue')")
    writer.say("lake[NAME].upsert(frame(7.0)).version")
    writer.wait_until_stopped()
    writer.kill()
    assert len(data_files()) == 12
    assert collect(history="30d").deleted_files == 4
    assert len(data_files()) == 8
    assert [commit.operation for commit in lake[NAME].history()][:2] == ["fence", "upsert"]


def test_files_that_come_after_the_burial_of_their_writer_go_too(
    lake: lakehouse.Lake, other: Act, collect: Act, data_files: Act
) -> None:
    """A writer woke up, wrote on, and was killed: its intent was gone by then, and only the fence tells."""
    writer = other(LAKEHOUSE_LEASE_SECONDS="1")
    writer("from lakehouse.ingest import write; stop_before(write, 'write_data_files')")
    writer("from lakehouse.partitions.table import Table; stop_before(Table, 'queue')")
    writer.say("lake[NAME].upsert(frame(7.0))")
    writer.wait_until_stopped()
    collect(times=3)
    writer.go_on()
    writer.wait_until_stopped()
    writer.kill()
    assert data_files() != {file.path for file in lake[NAME].state().files}
    collect()
    assert data_files() == {file.path for file in lake[NAME].state().files}


def test_a_first_writer_that_stood_still_may_commit_to_a_table_that_others_made_meanwhile(
    lake: lakehouse.Lake, other: Act, collect: Act, frame: Act, root: Path
) -> None:
    """Nobody can fence a table that is not there, so its files are no garbage until it is."""
    lake.create("market_data.new", like=frame(1.0), key=("symbol", "time"))
    writer = other(LAKEHOUSE_LEASE_SECONDS="1")
    writer("from lakehouse.partitions.table import Table; stop_before(Table, 'queue')")
    writer.say("lake['market_data.new'].append(frame(7.0, 'X')).version")
    writer.wait_until_stopped()
    collect(times=3)
    lake["market_data.new"].append(frame(1.0, "Y"))
    collect()
    writer.go_on()
    assert writer.hear() >= 1
    assert sorted(set(pl.DataFrame(lake["market_data.new"].read())["symbol"])) == ["X", "Y"]
    assert lake.verify().ok


def test_a_session_that_was_fenced_still_settles_what_it_writes_later(
    lake: lakehouse.Lake, root: Path, frame: Act
) -> None:
    """The count of its writes once fell below zero, and its claims stayed, or worse, went too early."""
    writer = lakehouse.open(root)
    table = writer[NAME].table
    fence(table, session_of(writer.store).intend(table.path), author="test")
    assert writer[NAME].upsert(frame(7.0)).accepted == 4
    session_of(writer.store).release()
    left = [path.name for path in root.glob("catalog/intents/*")]
    assert len(left) == 2  # of the fenced session, which a collector buries, and of the lake of the test


def test_a_failed_commit_leaves_its_claims_to_a_collector(
    lake: lakehouse.Lake, root: Path, frame: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = lakehouse.open(root)

    def refuse(*_: Any) -> None:
        raise StorageError("The bucket does not answer.")

    monkeypatch.setattr(Table, "commit", refuse)
    with pytest.raises(StorageError):
        writer[NAME].upsert(frame(7.0))
    session_of(writer.store).release()
    assert len(list(root.glob("catalog/intents/*"))) == 2


@pytest.fixture
def checked(lake: lakehouse.Lake, frame: Act) -> lakehouse.Product:
    made = lake.create(BAD, like=frame(1.0), key=("symbol", "time"), rules=RULES)
    made.append(frame(1.0))
    return made


def test_a_lost_race_leaves_no_file(
    lake: lakehouse.Lake, checked: lakehouse.Product, root: Path, frame: Act, data_files: Act
) -> None:
    """Refused rows of an attempt that lost were once left in the quarantine for ever."""
    before, table = data_files(), checked.table
    real = table.queue
    calls: list[int] = []
    rival = lakehouse.open(root)
    bad = pl.concat([frame(3.0), frame(-1.0, "Z")])

    def lose_once() -> Any:
        if not calls:
            calls.append(1)
            rival[BAD].upsert(bad, idempotency_key="feed")
        return real()

    table.queue = lose_once  # type: ignore[method-assign]
    assert checked.upsert(bad, idempotency_key="feed").repeated
    assert len(data_files() - before) == 2


def test_quarantine_files_stay_with_the_commits_that_name_them(
    lake: lakehouse.Lake, checked: lakehouse.Product, frame: Act, collect: Act
) -> None:
    commit = checked.append(frame(-1.0, "Z"))
    checked.upsert(frame(4.0))
    collect(times=2)
    assert checked.quarantine.read(commit.version).num_rows == 2


def test_foreign_files_and_unknown_ones_are_never_touched(
    lake: lakehouse.Lake, root: Path, collect: Act
) -> None:
    folder = root / "partitions" / "market_data" / "ticks" / "v1" / "symbol=A"
    foreign = [folder / "mine.parquet", folder / "part-00ff-1a2b.parquet", root / "partitions" / "x.parquet"]
    for path in foreign:
        path.write_bytes(b"mine")
    collect()
    assert all(path.read_bytes() == b"mine" for path in foreign)


def test_a_file_that_restore_brought_back_stays(
    lake: lakehouse.Lake, collect: Act, data_files: Act, prices: Act
) -> None:
    lake[NAME].restore(1)
    assert collect().deleted_files == 4
    assert prices(lake) == [1.0]
    assert data_files() == {file.path for file in lake[NAME].state().files}


@pytest.mark.parametrize("text", ["symbol=Ä", "BRK/B", "a%2Fb", "日本 株", "x'y\"z"])
def test_symbols_of_any_script_are_collected_from_their_folders(
    lake: lakehouse.Lake, frame: Act, collect: Act, data_files: Act, text: str
) -> None:
    named = frame(1.0).with_columns(symbol=pl.lit(text)).unique("time")
    for price in (8.0, 9.0):
        lake[NAME].upsert(named.with_columns(price=pl.lit(price)))
    assert collect().deleted_files == 6
    assert data_files() == {file.path for file in lake[NAME].state().files}
    assert lake.verify().ok


def test_a_log_that_was_cut_below_a_checkpoint_costs_no_file_that_is_needed(
    lake: lakehouse.Lake, root: Path, frame: Act, collect: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lakehouse.partitions import replay

    monkeypatch.setattr(replay, "CHECKPOINT_EVERY", 4)
    for price in (3.0, 4.0, 5.0):
        lake[NAME].upsert(frame(price))
    lake.snapshot("old", {NAME: 2})
    for version in range(4):
        (root / f"partitions/market_data/ticks/v1/_delta_log/{version:020}.json").unlink()
    before = pl.DataFrame(lake.checkout("old")[NAME].read())
    collect(times=2)
    fresh = lakehouse.open(root)
    assert fresh.verify().ok
    assert fresh.checkout("old").verify().ok
    assert pl.DataFrame(fresh.checkout("old")[NAME].read()).equals(before)


def test_who_is_fenced_after_the_log_was_read_wrote_no_garbage(
    lake: lakehouse.Lake, frame: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it committed in between was once condemned, and only the proof let it go."""
    read = read_record

    def late(table: Table) -> TableRecord:
        record = read(table)
        product = lake[NAME]
        session = session_of(lake.store).intend(table.path)
        product.append(frame(9.0, "Z"))
        fence(product.table, session, author="another collector")
        return record

    monkeypatch.setattr(garbage, "read_record", late)
    assert lake.gc().dead_files == 0
