"""A flow of tasks: results in order, few in flight, errors at their place."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lakehouse.partitions import threads
from lakehouse.partitions.threads import flow


def test_results_come_in_the_order_of_the_items_and_not_of_the_tasks() -> None:
    def slowest_first(number: int) -> int:
        time.sleep((5 - number) / 200)
        return number

    assert list(flow(slowest_first, range(6))) == list(range(6))


def test_items_are_taken_only_as_tasks_end() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = flow(lambda number: number, items())
    assert next(results) == 0
    assert len(taken) <= threads.TASKS_IN_FLIGHT + 1
    results.close()  # type: ignore[attr-defined] # a generator


def test_one_flow_feeds_another() -> None:
    doubled = flow(lambda number: 2 * number, range(50))
    assert list(flow(lambda number: number + 1, doubled)) == [2 * number + 1 for number in range(50)]


def test_an_error_is_raised_where_its_result_would_be() -> None:
    results = flow(lambda number: 1 // (3 - number), range(6))
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError, match="division"):
        next(results)
