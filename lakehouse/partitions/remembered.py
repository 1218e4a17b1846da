"""What this process made of log entries; each entry is looked at again before what it gave is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from lakehouse.store import Store

Made = TypeVar("Made")


class Remembered(Generic[Made]):
    """Facts by version; safe to share between threads."""

    def __init__(self, store: Store, most: int) -> None:
        """Take the store of the entries, and how many facts are kept."""
        self._store = store
        self._most = most
        self._known: dict[int, tuple[tuple[int, ...], Made]] = {}

    def of(self, version: int, path: str, make: Callable[[], Made]) -> Made:
        """Return what was made of the entry at a path, or make it if the entry is another one by now."""
        mark = self._store.mark(path)
        known = self._known.get(version)
        if known is not None and known[0] == mark:
            return known[1]
        made = make()
        if mark is not None:
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[version] = mark, made
        return made
