"""Which maps of files a process keeps: so many, and so many bytes, since mapped pages count as its memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Resident(Generic[Key]):
    """Maps by the bytes of them that were used; whoever shares one holds a lock."""

    def __init__(self, most: int, most_bytes: int) -> None:
        """Take the most maps, and the most bytes of all but the last that was used."""
        self._most, self._most_bytes = most, most_bytes
        self._sizes: OrderedDict[Key, int] = OrderedDict()
        self._bytes, self._turn = 0, 0

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._sizes)

    def use(self, key: Key, more: int) -> tuple[list[Key], list[Key]]:
        """Note that a map is used, and `more` bytes of it for the first time since it was given back.

        Returns:
            Maps to be closed, which are forgotten, and maps whose pages are to be given back to the system.
        """
        self._sizes[key] = self._sizes.get(key, 0) + more
        self._sizes.move_to_end(key)
        self._bytes += more
        closed, emptied = [], []
        while len(self._sizes) > self._most:
            closed.append(next(iter(self._sizes)))
            self.drop(closed[-1])
        while self._bytes > self._most_bytes and (others := self._others(key)):
            # not the oldest, or who streams more than there is room for would never find any of it
            self._turn = (5 * self._turn + 1) % 4096  # of full period; `random` is slow to import
            emptied.append(others[self._turn % len(others)])
            self._bytes -= self._sizes[emptied[-1]]
            self._sizes[emptied[-1]] = 0
        return closed, emptied

    def _others(self, key: Key) -> list[Key]:
        return [other for other, size in self._sizes.items() if size and other != key]

    def drop(self, key: Key) -> None:
        """Forget a map."""
        self._bytes -= self._sizes.pop(key, 0)

    def clear(self) -> None:
        """Forget all."""
        self._sizes.clear()
        self._bytes = 0
