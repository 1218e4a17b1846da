"""How a source may be asked: how often a second, how many times again, and when it is left alone."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from lakehouse.errors import ArgumentError, MissingExtraError, SourceError

T = TypeVar("T")

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 30.0
_QUIET = logging.NullHandler()  # without any, Python itself prints "stamina.retry_scheduled" at each attempt


class Policy:
    """Rate limit, retries and circuit breaker of one source; safe to share between threads.

    Only a `SourceError` that is `temporary` is tried again. A policy that travels to another process starts
    there afresh: the limit holds in each process, so `shared_by` divides it first.

    Examples:
        >>> policy = Policy(requests_per_second=1000.0)
        >>> policy.call(lambda: 42)
        42
    """

    def __init__(
        self,
        requests_per_second: float | None = None,
        attempts: int = 5,
        breaker_failures: int = 10,
        breaker_seconds: float = 30.0,
    ) -> None:
        """Take the limits.

        Args:
            requests_per_second: of all threads together; None for no limit.
            attempts: of one call, the first one included.
            breaker_failures: failed attempts in a row after which the source is left alone.
            breaker_seconds: for how long; then one attempt decides whether it goes on.

        Raises:
            ArgumentError: a limit is not above 0, or a number of attempts or failures is not whole.
        """
        limits = {
            "requests_per_second": requests_per_second,
            "attempts": attempts,
            "breaker_failures": breaker_failures,
            "breaker_seconds": breaker_seconds,
        }
        for name, value in limits.items():
            if value is None and name == "requests_per_second":
                continue
            if not isinstance(value, int | float) or not value > 0:
                raise ArgumentError(f"{name} must be above 0, got {value!r}.")
        for name in ("attempts", "breaker_failures"):
            if not isinstance(limits[name], int):
                raise ArgumentError(f"{name} must be a whole number, got {limits[name]!r}.")
        self.requests_per_second = requests_per_second
        self.attempts = attempts
        self.breaker_failures = breaker_failures
        self.breaker_seconds = breaker_seconds
        self._begin()

    def call(self, function: Callable[[], T], /) -> T:
        """Return what `function` returns, asked for within the limits.

        Raises:
            SourceError: every attempt failed, or the source is being left alone just now.
            MissingExtraError: a call has to be tried again, and `stamina` is not installed.
        """
        try:
            return self._attempt(function)
        except SourceError as error:
            if not self._is_worth_it(error) or self.attempts == 1:
                raise
        return self._again(function)

    def shared_by(self, processes: int) -> Policy:
        """Return the policy of each of several processes that ask the same source at once."""
        rate = self.requests_per_second
        limit = None if rate is None else rate / processes
        return Policy(limit, self.attempts, self.breaker_failures, self.breaker_seconds)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as the limits alone."""
        limits = self.requests_per_second, self.attempts, self.breaker_failures, self.breaker_seconds
        return Policy, limits

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._next_s = 0.0
        self._failures = 0
        self._closed_until_s = 0.0

    def _again(self, function: Callable[[], T]) -> T:
        """Make the attempts after the first, with growing pauses between them."""
        try:
            import stamina
        except ImportError as error:
            raise MissingExtraError.of("stamina", "sources") from error
        logging.getLogger("stamina").addHandler(_QUIET)
        time.sleep(_FIRST_PAUSE_S)
        attempts = stamina.retry_context(
            on=self._is_worth_it,
            attempts=self.attempts - 1,
            timeout=None,
            wait_initial=2 * _FIRST_PAUSE_S,
            wait_max=_LONGEST_PAUSE_S,
        )
        for attempt in attempts:
            with attempt:
                return self._attempt(function)
        raise AssertionError("stamina raises what the last attempt raised")

    def _attempt(self, function: Callable[[], T]) -> T:
        self._wait_for_turn()
        try:
            result = function()
        except SourceError as error:
            if error.temporary:
                self._note_failure()
            raise
        with self._lock:
            self._failures = 0
        return result

    def _wait_for_turn(self) -> None:
        """Take the next free moment, and wait for it.

        Raises:
            SourceError: the source is being left alone.
        """
        with self._lock:
            now = time.monotonic()
            if now < self._closed_until_s:
                raise SourceError(
                    f"The source failed {self.breaker_failures} times in a row, and is left alone for "
                    f"{self._closed_until_s - now:.0f} s more.",
                    hint="Run it again later: what is in the lake stays, and only the rest is asked for.",
                    temporary=True,
                )
            moment = max(now, self._next_s)
            if self.requests_per_second is not None:
                self._next_s = moment + 1 / self.requests_per_second
        time.sleep(moment - now)

    def _note_failure(self) -> None:
        with self._lock:
            self._failures += 1
            if self._failures >= self.breaker_failures:
                self._closed_until_s = time.monotonic() + self.breaker_seconds
                self._failures = self.breaker_failures - 1  # afterwards one more is enough

    def _is_worth_it(self, error: Exception) -> bool:
        closed = time.monotonic() < self._closed_until_s
        return isinstance(error, SourceError) and error.temporary and not closed
