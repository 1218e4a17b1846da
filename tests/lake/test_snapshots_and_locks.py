"""Pins: named, locked and dated versions stay what they were, whatever happens to the head."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import lakehouse
from lakehouse import opening
from lakehouse.errors import AlreadyExistsError, ArgumentError, IntegrityError, NotFoundError

Bars = Callable[..., pl.DataFrame]


def test_a_snapshot_keeps_its_rows_when_the_head_changes(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars
) -> None:
    before = product.read().to_polars()
    lake.snapshot("2026-q3")
    product.upsert(bars(price=50.0))
    product.delete("IBM")
    past = lake.checkout("2026-q3")
    assert past["market_data.bars_1m"].read().to_polars().equals(before)
    assert (
        past.sql("select count(*) as n from market_data.bars_1m where symbol = 'IBM'").to_polars().item() == 3
    )
    assert past.verify().ok
    assert past.products() == ["market_data.bars_1m"]


def test_a_snapshot_is_readable_after_the_delta_log_is_gone(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars
) -> None:
    before = product.read().to_polars()
    lake.snapshot("kept")
    product.upsert(bars(price=50.0))
    shutil.rmtree(Path(lake.url, product.table.path, "_delta_log"))
    past = lakehouse.open(lake.url).checkout("kept")
    assert past["market_data.bars_1m"].read().to_polars().equals(before)
    assert past.verify().ok


def test_a_snapshot_name_is_given_once(lake: lakehouse.Lake, product: lakehouse.Product) -> None:
    lake.snapshot("one")
    with pytest.raises(AlreadyExistsError, match="one"):
        lake.snapshot("one")


@pytest.mark.parametrize("name", ["../up", "a/b", "", "con", "x..y", ".hidden", "q3 final"])
def test_a_snapshot_name_is_a_plain_name(lake: lakehouse.Lake, product: lakehouse.Product, name: str) -> None:
    with pytest.raises(ArgumentError, match="Not a name for a snapshot"):
        lake.snapshot(name)
    assert lake.snapshots() == []


def test_a_snapshot_may_name_versions(lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars) -> None:
    product.append(bars(("AAPL",)))
    lake.snapshot("first", {"market_data.bars_1m": 1})
    assert lake.checkout("first")["market_data.bars_1m"].rows == 6


def test_an_empty_lake_has_nothing_to_pin(lake: lakehouse.Lake) -> None:
    with pytest.raises(ArgumentError, match="no product to pin"):
        lake.snapshot("nothing")


def test_an_unknown_snapshot_names_the_nearest(lake: lakehouse.Lake, product: lakehouse.Product) -> None:
    lake.snapshot("2026-q3")
    with pytest.raises(NotFoundError, match=r"Did you mean 2026-q3\?"):
        lake.checkout("2026-q4x")


def test_a_checkout_by_time_sees_what_was_there(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars
) -> None:
    instant = product.history()[0].time
    product.append(bars(("AAPL",)))
    assert lake.checkout(instant)["market_data.bars_1m"].rows == 6
    assert lake.checkout("2000-01-01")["market_data.bars_1m"].rows == 0
    assert product.read(time=instant).num_rows == 6


def test_a_checkout_can_not_be_written(lake: lakehouse.Lake, product: lakehouse.Product) -> None:
    lake.snapshot("one")
    pinned = lake.checkout("one")["market_data.bars_1m"]
    assert not any(hasattr(pinned, verb) for verb in ("append", "upsert", "update", "delete", "restore"))
    with pytest.raises(ArgumentError, match=r"pins market_data\.bars_1m at version 1"):
        pinned.read(version=0)


def test_a_lock_gives_the_same_bytes_later(
    tmp_path: Path, lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars
) -> None:
    before = product.read().to_polars()
    lock = lake.lock(tmp_path / "lake.lock", ["market_data.bars_1m"])
    product.upsert(bars(price=50.0))
    past = lakehouse.checkout(tmp_path / "lake.lock")
    assert past["market_data.bars_1m"].read().to_polars().equals(before)
    assert past.digests == {"market_data.bars_1m": lock.products[0].digest}
    assert past.verify().ok


def test_a_lock_of_a_snapshot_pins_the_snapshot(
    tmp_path: Path, lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars
) -> None:
    lake.snapshot("one")
    product.append(bars(("AAPL",)))
    lake.lock(tmp_path / "lake.lock", "one")
    assert lakehouse.checkout(tmp_path / "lake.lock")["market_data.bars_1m"].rows == 6


def test_an_edited_lock_is_refused(tmp_path: Path, lake: lakehouse.Lake, product: lakehouse.Product) -> None:
    file = tmp_path / "lake.lock"
    lake.lock(file)
    file.write_text(file.read_text().replace("version = 1", "version = 2", 1))
    with pytest.raises(IntegrityError, match=r"lake\.lock"):
        lakehouse.checkout(file)


def test_a_lock_of_another_lake_is_refused(
    tmp_path: Path, lake: lakehouse.Lake, product: lakehouse.Product
) -> None:
    lake.lock(tmp_path / "lake.lock")
    other = lakehouse.open(tmp_path / "other", create=True)
    with pytest.raises(IntegrityError, match="The lock was made in the lake"):
        lakehouse.checkout(tmp_path / "lake.lock", root=other.url)


def test_a_lock_whose_data_were_altered_is_refused(
    tmp_path: Path, lake: lakehouse.Lake, product: lakehouse.Product
) -> None:
    lake.lock(tmp_path / "lake.lock")
    Path(lake.url, product.state().files[0].path).unlink()
    with pytest.raises(IntegrityError, match=r"1 files that .* pins are not as recorded"):
        lakehouse.checkout(tmp_path / "lake.lock")


def test_verify_names_an_altered_byte(lake: lakehouse.Lake, product: lakehouse.Product) -> None:
    file = Path(lake.url, product.state().files[0].path)
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 3] ^= 1
    file.write_bytes(raw)
    found = product.verify()
    assert [problem.what for problem in found.problems] == ["the bytes were altered"]
    assert found.problems[0].path == product.state().files[0].path
    assert product.verify(quick=True).ok, "a quick look is at sizes alone"


def test_an_export_holds_just_the_pinned_data_with_equal_digests(
    tmp_path: Path, lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars
) -> None:
    lake.create("signals.other", like=bars()).append(bars())
    lock = lake.lock(tmp_path / "lake.lock", ["market_data.bars_1m"])
    product.append(bars(("AAPL",)))
    small = lake.export(tmp_path / "lake.lock", tmp_path / "small")
    assert small.products() == ["market_data.bars_1m"]
    assert small["market_data.bars_1m"].digest == lock.products[0].digest
    assert small.verify().ok
    past = lakehouse.checkout(tmp_path / "lake.lock", root=tmp_path / "small")
    assert past.verify().ok
    assert past.digests == {"market_data.bars_1m": lock.products[0].digest}
    small["market_data.bars_1m"].append(bars(("MSFT",)))


def test_an_export_never_goes_into_a_lake(
    tmp_path: Path, lake: lakehouse.Lake, product: lakehouse.Product
) -> None:
    lake.lock(tmp_path / "lake.lock")
    with pytest.raises(AlreadyExistsError, match="There is a lake at"):
        lake.export(tmp_path / "lake.lock", lake.url)


def test_files_of_a_large_lock_are_looked_at_when_they_are_read(
    lake: lakehouse.Lake, product: lakehouse.Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "lake.lock"
    lake.lock(lock)
    Path(lake.url, product.state().files[0].path).unlink()
    monkeypatch.setattr(opening, "_FILES_LOOKED_AT", 0)
    past = lakehouse.checkout(lock)
    assert [problem.path for problem in past.verify(quick=True).problems] == [product.state().files[0].path]
    with pytest.raises(IntegrityError, match="is missing"):
        past["market_data.bars_1m"].read()


def test_locking_the_same_data_again_makes_no_second_pin(
    lake: lakehouse.Lake, product: lakehouse.Product, tmp_path: Path
) -> None:
    """Each run of a script used to leave a pin that no lock file names, and that nobody would ever drop."""
    first = lake.lock(tmp_path / "a.lock")
    assert lake.lock(tmp_path / "a.lock") == first
    assert [pin.id for pin in lake.pins()] == [first.pin]


def test_a_lock_that_is_refused_leaves_no_pin(
    lake: lakehouse.Lake, product: lakehouse.Product, bars: Bars, tmp_path: Path
) -> None:
    first = lake.lock(tmp_path / "a.lock")
    product.upsert(bars(price=50.0))
    with pytest.raises(AlreadyExistsError, match="locks other data"):
        lake.lock(tmp_path / "a.lock")
    assert [pin.id for pin in lake.pins()] == [first.pin]


def test_a_lock_whose_pin_was_dropped_is_made_anew(
    lake: lakehouse.Lake, product: lakehouse.Product, tmp_path: Path
) -> None:
    """The old file was left as it was, so that the lock just acknowledged could not be checked out."""
    dropped = lake.lock(tmp_path / "a.lock")
    lake.unpin(dropped.pin, dry_run=False)
    assert lake.lock(tmp_path / "a.lock").pin != dropped.pin
    assert lakehouse.checkout(tmp_path / "a.lock").verify().ok


def test_unpin_takes_the_path_of_a_lock_file(
    lake: lakehouse.Lake, product: lakehouse.Product, tmp_path: Path
) -> None:
    made = lake.lock(tmp_path / "a.lock")
    assert lake.unpin(tmp_path / "a.lock").name == made.pin
    with pytest.raises(NotFoundError, match="There is no lock file"):
        lake.unpin(tmp_path / "b.lock")
