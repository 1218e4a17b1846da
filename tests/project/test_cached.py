"""Values that are computed once: without a lock that threads, or a forked child, would wait for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from lakehouse.cached import cached_property


class Meeting:
    def __init__(self, barrier: Barrier) -> None:
        self._barrier = barrier

    @cached_property
    def place(self) -> int:
        """Where they meet."""
        return self._barrier.wait(timeout=60)


def test_two_threads_compute_the_property_of_two_objects_at_once() -> None:
    barrier = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        places = list(pool.map(lambda meeting: meeting.place, [Meeting(barrier), Meeting(barrier)]))
    assert sorted(places) == [0, 1]


def test_a_value_is_computed_once_and_kept_in_the_object() -> None:
    meeting = Meeting(Barrier(1))
    assert meeting.place == 0
    assert vars(meeting)["place"] == 0
    meeting._barrier.abort()
    assert meeting.place == 0
    assert Meeting.place.__doc__ == "Where they meet."
