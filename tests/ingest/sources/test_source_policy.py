"""A source is asked no more often than allowed, again where that may help, and left alone when down."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest
import stamina

from lakehouse.errors import ArgumentError, SourceError
from lakehouse.ingest.sources import policy as policy_module
from lakehouse.ingest.sources.policy import Policy


class Source:
    """Fails as often as it is told to, and counts how often it was asked."""

    def __init__(self, failures: int, *, temporary: bool = True) -> None:
        self.failures, self.temporary, self.asked = failures, temporary, 0

    def __call__(self) -> int:
        self.asked += 1
        if self.asked <= self.failures:
            raise SourceError("timed out", temporary=self.temporary)
        return self.asked


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Let no test wait."""
    made = Clock()
    monkeypatch.setattr(policy_module, "time", made)
    with stamina.set_testing(True, attempts=100, cap=True):
        yield made


def test_a_temporary_failure_is_tried_again() -> None:
    source = Source(3)
    assert Policy(attempts=4).call(source) == 4


def test_the_last_failure_is_the_one_that_is_told() -> None:
    source = Source(99)
    with pytest.raises(SourceError, match="timed out"):
        Policy(attempts=4).call(source)
    assert source.asked == 4


def test_a_failure_for_good_is_not_tried_again() -> None:
    source = Source(1, temporary=False)
    with pytest.raises(SourceError, match="timed out"):
        Policy().call(source)
    assert source.asked == 1


def test_a_source_that_is_down_is_left_alone_until_one_attempt_succeeds(clock: Clock) -> None:
    policy, source = Policy(attempts=5, breaker_failures=3, breaker_seconds=60), Source(4)
    with pytest.raises(SourceError, match="timed out"):
        policy.call(source)
    with pytest.raises(SourceError, match="left alone for 60 s more") as caught:
        policy.call(source)
    assert caught.value.temporary
    assert source.asked == 3
    clock.now += 61
    with pytest.raises(SourceError, match="timed out"):
        policy.call(source)
    assert source.asked == 4  # one attempt was enough to leave it alone again
    clock.now += 61
    assert policy.call(source) == 5
    assert policy.call(source) == 6


def test_calls_are_spread_over_the_second(clock: Clock) -> None:
    policy, source = Policy(requests_per_second=4), Source(0)
    for _ in range(9):
        policy.call(source)
    assert clock.now == 1_000.0 + 8 / 4


def test_a_policy_travels_as_its_limits_and_can_be_divided() -> None:
    copy = pickle.loads(pickle.dumps(Policy(8, 2, 3, 4.0).shared_by(4)))
    assert (copy.requests_per_second, copy.attempts, copy.breaker_failures, copy.breaker_seconds) == (
        2,
        2,
        3,
        4.0,
    )


def test_limits_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ArgumentError, match="attempts must be above 0, got 0"):
        Policy(attempts=0)
    with pytest.raises(ArgumentError, match="breaker_failures must be above 0, got None"):
        Policy(breaker_failures=None)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"attempts must be a whole number, got 1\.5"):
        Policy(attempts=1.5)  # type: ignore[arg-type]
