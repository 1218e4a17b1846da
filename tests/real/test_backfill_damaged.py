"""A damaged file stops no other: it is named, the rest lands, and the mended file is loaded alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lakehouse

Locate = Callable[[str], Path]
TRADES, RECIPE = "market_data.trades", "lean_equity_trade_tick"
DAMAGED = "ibm/20131009_trade.zip"


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(bytes(data))


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.fixture
def source(tmp_path: Path, shared_data: Locate) -> Path:
    """Copy the five days of IBM trades, to be damaged."""
    target = tmp_path / "source" / "ibm"
    target.mkdir(parents=True)
    for file in shared_data("lean/equity/usa/tick/ibm").glob("*_trade.zip"):
        shutil.copy(file, target)
    return target.parent


@pytest.mark.parametrize("damage", [truncate, flip, empty])
def test_one_damaged_zip_is_reported_and_the_rest_lands(
    lake: lakehouse.Lake, contracts: Any, source: Path, shared_data: Locate, damage: Callable[[Path], None]
) -> None:
    product = lake.apply(contracts[TRADES])
    damage(source / DAMAGED)
    report = lake.backfill(TRADES, source, recipe=RECIPE)
    assert not report.ok
    assert [failure.files for failure in report.failures] == [(DAMAGED,)]
    assert DAMAGED in report.failures[0].error
    assert (report.chunks, report.committed) == (5, 4)
    assert product.read("IBM", "2013-10-07", "2013-10-08").num_rows == 24_293
    assert product.read(start="2013-10-09", end="2013-10-10").num_rows == 0


def test_the_mended_file_is_loaded_alone_and_nothing_shows_the_detour(
    lake: lakehouse.Lake, contracts: Any, source: Path, shared_data: Locate, tmp_path: Path
) -> None:
    product = lake.apply(contracts[TRADES])
    truncate(source / DAMAGED)
    lake.backfill(TRADES, source, recipe=RECIPE)
    shutil.copy(shared_data("lean/equity/usa/tick") / DAMAGED, source / DAMAGED)
    report = lake.backfill(TRADES, source, recipe=RECIPE)
    straight = lakehouse.open(tmp_path / "straight", create=True)
    straight.apply(contracts[TRADES])
    assert (report.skipped, report.committed, report.failures) == (4, 1, ())
    assert product.rows == 126_395
    assert product.digest == straight.backfill(TRADES, source, recipe=RECIPE).digest


def test_a_vendors_file_of_zero_bytes_is_reported_beside_good_candles(
    lake: lakehouse.Lake, contracts: Any, shared_data: Locate, tmp_path: Path
) -> None:
    lake.apply(contracts["market_data.bars_1m"])
    for name in ("UNITTEST_BTC-8m.feather", "XRP_ETH-1m.feather"):
        shutil.copy(shared_data("freqtrade") / name, tmp_path)
    report = lake.backfill("market_data.bars_1m", f"{tmp_path}/{{symbol}}-*.feather")
    assert [failure.files for failure in report.failures] == [("UNITTEST_BTC-8m.feather",)]
    assert (report.committed, report.rows) == (1, 2_469)
