"""The last row of each symbol, from the file that living streams keep of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lakehouse.partitions.tail import latest_rows
from lakehouse.schema import Column

from .conftest import SCHEMA, Ticks


def latest(ticks: Ticks, symbol: str = "IBM") -> list[int] | None:
    """Return the number of the last tick of a symbol of each stream."""
    found = latest_rows(ticks.lake.store, ticks.product.table.path, symbol)
    return None if found is None else [each.values["size"] for each in found]


@pytest.mark.parametrize("durability", ["each", "group", "none"])
def test_the_last_row_of_each_symbol_is_there_when_a_write_returns(ticks: Ticks, durability: Any) -> None:
    with ticks.lake.stream(ticks.name, durability=durability) as stream:
        assert latest(ticks) == []
        for number in range(6):
            stream.write(ticks.tick(number, symbol=f"S{number % 3}"))
            stream.flush()
            assert latest(ticks, f"S{number % 3}") == [number]
        assert latest(ticks, "S0") == [3]
        assert latest(ticks, "S9") == []
        [row] = latest_rows(ticks.lake.store, ticks.product.table.path, "S2") or []
        assert row.number == 6
        assert row.values == ticks.tick(5, symbol="S2")
    assert latest(ticks, "S0") == []


def test_a_late_row_and_one_that_breaks_a_rule_do_not_take_its_place(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        for rows in (ticks.tick(5), ticks.tick(4), ticks.tick(6, price=-1.0), [ticks.tick(3), ticks.tick(2)]):
            stream.write(rows)
            assert latest(ticks) == [5]
        stream.write([ticks.tick(8), ticks.tick(7)])
        assert latest(ticks) == [8]


def test_the_last_rows_of_a_frame_are_those_of_its_latest_times(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        stream.write(ticks.frame([3, 9, 4]))
        assert latest(ticks) == [9]
        stream.write(ticks.frame(range(10, 70_000)))
        assert latest(ticks) == [69_999]
        [row] = latest_rows(ticks.lake.store, ticks.product.table.path, "IBM") or []
        assert row.number == 69_993


def test_two_streams_tell_each_their_own(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as one, ticks.lake.stream(ticks.name) as other:
        one.write(ticks.tick(1))
        assert latest(ticks) == [1]
        other.write(ticks.tick(2))
        assert sorted(latest(ticks) or []) == [1, 2]


def test_a_writer_that_died_before_it_noted_a_row_leaves_the_answer_to_the_tail(ticks: Ticks) -> None:
    dead = ticks.lake.stream(ticks.name)
    dead.write(ticks.tick(0))
    dead.abandon()
    [file] = Path(ticks.lake.url).glob("partitions/*/*/v1/_tail/*/latest")
    file.unlink()
    assert latest(ticks) is None
    ticks.lake.seal()
    assert latest(ticks) == []


def test_a_row_that_is_too_long_leaves_the_answer_to_the_tail(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        stream.write(ticks.tick(0))
        stream.write(ticks.tick(1, symbol="LONG") | {"venue": "N" * 500})
        stream.write(ticks.tick(2, symbol="X"))
        assert latest(ticks) == [0]
        assert latest(ticks, "LONG") is None


def test_more_symbols_than_the_first_file_has_room_for(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name, durability="none") as stream:
        stream.write(ticks.tick(0))
        assert latest(ticks) == [0]
        for number in range(1, 2_500):
            stream.write(ticks.tick(number, symbol=f"S{number}"))
        assert latest(ticks) == [0]
        assert latest(ticks, "S2499") == [2_499]


def test_a_product_without_symbols_has_no_such_file(make_ticks: Callable[..., Ticks]) -> None:
    columns = (Column("time", "timestamp[ns]", nullable=False), Column("size", "int64"))
    ticks = make_ticks(schema=replace(SCHEMA, columns=columns, symbol=None), rules=())
    with ticks.lake.stream(ticks.name) as stream:
        stream.write({"time": 1, "size": 2})
        assert latest(ticks) is None
        assert ticks.tail() == [2]
    assert ticks.version() == [2]


def test_readers_never_see_half_a_row(ticks: Ticks) -> None:
    done = threading.Event()

    def feed() -> None:
        for number in range(5_000):
            stream.write(ticks.tick(number, price=float(number + 1)) | {"venue": "N" * (number % 50)})
        done.set()

    with ticks.lake.stream(ticks.name, durability="none") as stream:
        stream.write(ticks.tick(0, price=1.0) | {"venue": ""})
        feeder = threading.Thread(target=feed)
        feeder.start()
        before, path = 0, ticks.product.table.path
        while not done.is_set():
            for each in latest_rows(ticks.lake.store, path, "IBM") or []:
                number = each.values["size"]
                assert number >= before
                assert (each.values["price"], len(each.values["venue"])) == (number + 1.0, number % 50)
                before = number
        feeder.join()
