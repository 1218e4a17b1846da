"""A stream: what a write promises, and what becomes of its rows."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from lakehouse.errors import ArgumentError, NotFoundError, SchemaError, StorageError

from .conftest import SCHEMA, START_NS, Ticks, wait_until


@pytest.mark.parametrize("durability", ["each", "group", "none"])
def test_rows_are_visible_when_a_write_returns_and_a_version_when_it_closes(
    ticks: Ticks, durability: Any
) -> None:
    with ticks.lake.stream(ticks.name, durability=durability) as stream:
        for number in range(5):
            assert stream.write(ticks.tick(number)) == number + 1
            assert durability == "none" or stream.durable == number + 1
            assert ticks.tail() == list(range(number + 1))
        assert ticks.version() == []
    assert ticks.tail() == []
    assert ticks.version() == [0, 1, 2, 3, 4]
    assert [commit.operation for commit in ticks.product.history()] == ["seal", "create"]


def test_a_row_a_list_and_a_frame_are_the_same_rows(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        stream.write(ticks.tick(0))
        stream.write([ticks.tick(1), ticks.tick(2)])
        stream.write(ticks.frame([3, 4]))
        stream.write(ticks.frame([5]).to_arrow())
        stream.write(dict(zip(SCHEMA.names, ticks.frame([6]).to_arrow().columns, strict=True)))
        assert ticks.tail() == list(range(7))
    appended = ticks.lake.create("market_data.appended", like=ticks.frame([0]), key=())
    appended.append(ticks.frame(range(7)))
    assert ticks.product.digest == appended.digest


def test_sealing_in_between_leaves_each_row_in_one_place(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        for number in range(20):
            stream.write(ticks.tick(number))
            if number % 7 == 6:
                commit = stream.seal()
                assert commit is not None
                assert commit.accepted == 7
            assert ticks.version() + ticks.tail() == list(range(number + 1))
        assert stream.seal() is not None
        assert stream.seal() is None


def test_late_and_early_rows_land_in_the_partition_of_their_time(ticks: Ticks) -> None:
    day = 86_400_000_000_000
    with ticks.lake.stream(ticks.name) as stream:
        for number, days in enumerate((0, 40, -400, 0)):
            stream.write(ticks.tick(number) | {"time": START_NS + days * day})
    assert ticks.version() == [2, 0, 3, 1]
    assert ticks.product.verify().ok


@pytest.mark.parametrize("durability", ["each", "group"])
def test_the_rows_of_many_threads_are_all_there_in_the_order_of_each(ticks: Ticks, durability: Any) -> None:
    def feed(thread: int) -> None:
        for number in range(40):
            stream.write(ticks.tick(thread * 1_000 + number, symbol=f"S{thread}"))

    with ticks.lake.stream(ticks.name, durability=durability) as stream:
        threads = [threading.Thread(target=feed, args=(thread,)) for thread in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for each in range(6):
            assert ticks.tail([f"S{each}"]) == [each * 1_000 + number for number in range(40)]
    assert ticks.version() == [each * 1_000 + number for each in range(6) for number in range(40)]


def test_two_streams_of_a_product_have_tails_of_their_own(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as one, ticks.lake.stream(ticks.name) as other:
        for number in range(4):
            (other if number % 2 else one).write(ticks.tick(number))
        assert sorted(ticks.tail()) == [0, 1, 2, 3]
        one.seal()
        assert ticks.version() == [0, 2]
        assert ticks.tail() == [1, 3]
    assert ticks.version() == [0, 1, 2, 3]


def test_a_writer_that_ended_leaves_its_folder_to_the_next_one(ticks: Ticks) -> None:
    for number in range(3):
        with ticks.lake.stream(ticks.name) as stream:
            assert stream.write(ticks.tick(number)) == number + 1
    marks = [key for key in ticks.product.state().transactions if key.startswith("tail:")]
    assert len(marks) == 1
    assert ticks.version() == [0, 1, 2]


def test_rows_seal_by_number(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name, seal_rows=10) as stream:
        for number in range(10):
            stream.write(ticks.tick(number))
        wait_until(ticks.version)
        assert ticks.version() == list(range(10))


def test_rows_seal_by_time(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name, seal_seconds=0.05) as stream:
        stream.write(ticks.tick(0))
        wait_until(ticks.version)
        assert ticks.tail() == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"price": "190.5"}, "'price' is string, but the contract says float64"),
        ({"size": 1.5}, r"1 values of column 'size' do not fit int32 exactly \(1.5\)"),
        ({"size": -(2**40)}, "do not fit int32 exactly"),
        ({"time": datetime(2024, 1, 2)}, "no time zone"),
        ({"symbol": "\ud800"}, "Column 'symbol'"),
        ({"venues": "N"}, "unknown 'venues'"),
        ({"size": 2_000_000}, "'sane_size' of market_data.ticks, which rejects"),
        ({"price": object()}, "'price' got <object"),
        ({1: 2}, "names its columns as text, got 1"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_and_not_taken(
    ticks: Ticks, changed: dict[Any, Any], message: str
) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        stream.write(ticks.tick(0))
        for rows in (ticks.tick(1) | changed, [ticks.tick(1), ticks.tick(2) | changed]):
            with pytest.raises(SchemaError, match=message):
                stream.write(rows)
        assert stream.write(ticks.tick(3)) == 2
    assert ticks.version() == [0, 3]


@pytest.mark.parametrize(
    "changed",
    [
        {"size": 7.0},
        {"price": 190},
        {"price": None},
        {"time": datetime(2024, 1, 2, 10, tzinfo=UTC)},
    ],
)
def test_a_row_is_taken_where_the_gate_takes_it(ticks: Ticks, changed: dict[str, Any]) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        stream.write(ticks.tick(7) | changed)
        assert ticks.tail() == [7]
    row = ticks.product.read().to_polars().row(0, named=True)
    assert row["price"] == changed.get("price", 190.5)


def test_columns_that_are_left_out_are_null(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        stream.write({"symbol": "IBM", "time": START_NS})
    assert ticks.product.read().to_polars().row(0)[2:] == (None, None, None)


def test_a_row_that_breaks_a_rule_is_quarantined_and_no_reader_sees_it(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        stream.write(ticks.tick(0))
        stream.write(ticks.tick(1, price=-1.0))
        stream.write(ticks.tick(2) | {"symbol": None})
        stream.write(ticks.frame([3, 4], price=-1.0).vstack(ticks.frame([5])))
        assert ticks.tail() == [0, 5]
        commit = stream.seal()
    assert commit is not None
    assert (commit.rows_in, commit.accepted, commit.quarantined, commit.duplicates) == (6, 2, 4, 0)
    bad = ticks.product.quarantine.read(commit.version).to_polars()
    assert bad["size"].to_list() == [1, 2, 3, 4]
    assert bad["_broke_real_price"].to_list() == [True, False, True, True]
    assert ticks.version() == [0, 5]


def test_a_closed_stream_takes_no_rows(ticks: Ticks) -> None:
    stream = ticks.lake.stream(ticks.name)
    assert stream.close() is None
    assert stream.close() is None
    with pytest.raises(StorageError, match="The stream is closed"):
        stream.write(ticks.tick(0))


def test_a_block_that_raises_seals_what_came_before(ticks: Ticks) -> None:
    def feed() -> None:
        with ticks.lake.stream(ticks.name) as stream:
            stream.write(ticks.tick(0))
            raise KeyError("feed")

    with pytest.raises(KeyError, match="feed"):
        feed()
    assert ticks.version() == [0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"durability": "all"}, "Unknown durability 'all'"),
        ({"seal_rows": 0}, "seal_rows must be a number above zero"),
        ({"seal_seconds": "5"}, "seal_seconds must be a number above zero, got '5'"),
    ],
)
def test_settings_are_checked(ticks: Ticks, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        ticks.lake.stream(ticks.name, **settings)


def test_an_unknown_product_is_named(ticks: Ticks) -> None:
    with pytest.raises(NotFoundError, match=r"market_data\.tick"):
        ticks.lake.stream("market_data.tick")


def test_a_write_of_no_rows_tells_the_position_of_the_last_one(ticks: Ticks) -> None:
    with ticks.lake.stream(ticks.name) as stream:
        assert stream.write(ticks.frame([])) == 0
        assert stream.write(ticks.frame([0, 1])) == 2
        assert stream.write(ticks.frame([])) == stream.write([]) == 2


@pytest.mark.parametrize("durability", ["each", "group"])
def test_nobody_waits_for_rows_that_were_not_written(ticks: Ticks, durability: Any) -> None:
    with ticks.lake.stream(ticks.name, durability=durability) as stream:
        stream.wait(stream.write(ticks.tick(0)) + 1)
        assert stream.durable == 1


def test_the_callers_rows_and_frames_are_not_changed(ticks: Ticks) -> None:
    row, frame = ticks.tick(1), ticks.frame([2])
    with ticks.lake.stream(ticks.name) as stream:
        stream.write(row)
        stream.write(frame)
    assert row == ticks.tick(1)
    assert frame.equals(ticks.frame([2]))
