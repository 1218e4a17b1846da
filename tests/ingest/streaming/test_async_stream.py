"""The asyncio form of a stream: many tasks, one order, and no row that a cancellation takes back."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lakehouse
from lakehouse.errors import SchemaError, StorageError
from lakehouse.ingest.streaming.journal import Durability

NAME = "market_data.numbers"


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


@pytest.fixture
def lake(tmp_path: Path) -> lakehouse.Lake:
    made = lakehouse.open(tmp_path / "lake", create=True)
    made.create(NAME, like=pl.DataFrame({"symbol": ["A"], "number": [0]}), key=[])
    return made


def numbers(lake: lakehouse.Lake, version: int | None = None) -> list[int]:
    found = lake[NAME].read(version=version).to_polars()["number"].to_list()
    return [int(number) for number in found]


def row(number: int) -> dict[str, Any]:
    return {"symbol": "A", "number": number}


@pytest.mark.parametrize("durability", ["each", "group", "none"])
def test_the_rows_of_many_tasks_are_visible_when_their_writes_return(
    lake: lakehouse.Lake, durability: Durability
) -> None:
    async def work() -> None:
        async with lake.stream(NAME, durability=durability) as stream:

            async def feed(first: int) -> None:
                for number in range(first, first + 20):
                    await stream.write(row(number))
                    assert number in numbers(lake)

            await asyncio.gather(*(feed(task * 100) for task in range(5)))
            assert lake[NAME].version == 0

    run(work())
    assert sorted(numbers(lake, version=1)) == [task * 100 + n for task in range(5) for n in range(20)]


def test_rows_keep_the_order_in_which_write_was_called(lake: lakehouse.Lake) -> None:
    async def work() -> None:
        async with lake.stream(NAME) as stream:
            writes = [asyncio.ensure_future(stream.write([row(2 * n), row(2 * n + 1)])) for n in range(500)]
            assert await asyncio.gather(*writes) == [2 * n + 2 for n in range(500)]
            assert numbers(lake) == list(range(1_000))

    run(work())


def test_a_bad_row_is_told_to_the_task_that_wrote_it_alone(lake: lakehouse.Lake) -> None:
    async def work() -> None:
        async with lake.stream(NAME) as stream:
            writes = (stream.write({"symbol": "A", "number": value}) for value in (1, "two", 3))
            good, bad, later = await asyncio.gather(*writes, return_exceptions=True)
            assert (good, later) == (1, 2)
            assert isinstance(bad, SchemaError)

    run(work())
    assert numbers(lake) == [1, 3]


def test_a_cancelled_write_is_written_once_or_not_at_all_and_harms_no_other(lake: lakehouse.Lake) -> None:
    async def work() -> None:
        async with lake.stream(NAME) as stream:
            for number in range(0, 300, 3):
                tasks = [asyncio.ensure_future(stream.write(row(number + n))) for n in range(3)]
                await asyncio.sleep(0)  # now all are on their way
                tasks[1].cancel()
                done = await asyncio.gather(*tasks, return_exceptions=True)
                assert [type(each) for each in done] == [int, asyncio.CancelledError, int]

    run(work())
    assert numbers(lake) == list(range(300)), "those that were on their way when they were cancelled too"


def test_a_task_that_is_cancelled_while_it_leaves_the_block_still_seals(lake: lakehouse.Lake) -> None:
    async def work() -> None:
        entered = asyncio.Event()

        async def feed() -> None:
            async with lake.stream(NAME) as stream:
                await stream.write(row(7))
                entered.set()

        task = asyncio.ensure_future(feed())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert numbers(lake, version=1) == [7]

    run(work())


def test_seal_and_flush_are_awaited(lake: lakehouse.Lake) -> None:
    async def work() -> None:
        async with lake.stream(NAME, durability="none") as stream:
            await stream.write(row(1))
            await stream.flush()
            commit = await stream.seal()
            assert commit is not None
            assert numbers(lake, version=commit.version) == [1]

    run(work())


def test_a_write_after_the_block_is_refused(lake: lakehouse.Lake) -> None:
    async def work() -> None:
        async with lake.stream(NAME) as stream:
            pass
        with pytest.raises(StorageError, match="The stream is closed"):
            await stream.write(row(1))

    run(work())


def test_writes_that_wait_for_room_lose_nothing(lake: lakehouse.Lake) -> None:
    async def work() -> None:
        async with lake.stream(NAME, durability="none", unsealed_bytes=20_000) as stream:

            async def feed(first: int) -> None:
                for number in range(first, 2_000, 10):
                    await stream.write(row(number))

            await asyncio.gather(*map(feed, range(10)))

    run(work())
    assert sorted(numbers(lake)) == list(range(2_000))
    assert lake[NAME].version > 1
