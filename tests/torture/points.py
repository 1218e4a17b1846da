"""The moments at which a process of the rig dies or stands still: after each step that changes the disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lakehouse.store.local import LocalStore
from tests.lake.lake_processes import BLOCKS, CALLS


class Points:
    """Counts the moments of one step, and acts at one of them."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self._at = 0
        self._act: Callable[[str], None] = lambda _: None
        for owner, name in CALLS:
            setattr(owner, name, self._then(name, getattr(owner, name)))
        for name in BLOCKS:
            setattr(LocalStore, name, self._around(name, getattr(LocalStore, name)))

    def arm(self, at: int, act: Callable[[str], None]) -> None:
        """Begin to count anew, and call `act` at moment number `at`; 0 for never."""
        self.passed, self._at, self._act = [], at, act

    def _point(self, name: str) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # a heart that beats in the background must not make a seed differ from run to run
        self.passed.append(name)
        if len(self.passed) == self._at:
            self._act(name)

    def _then(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            result = function(*args, **options)
            self._point(f"after {name}")
            return result

        return wrapped

    def _around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def wrapped(*args: Any, **options: Any) -> Iterator[Any]:
            with function(*args, **options) as given:
                if name == "lock":
                    self._point("in lock")
                yield given
                if name == "stage":
                    self._point("written")
            self._point(f"after {name}")

        return wrapped
